"""Networks for the formats of frameworks: written, run without crosstrain, spoilt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.exchange import export as exporting
from crosstrain.exchange.export import LARGEST_ERROR, export
from crosstrain.exchange.formats import Arrays, Source, format_row
from crosstrain.graph.keras_import import import_model
from tests.exchange.networks import Sample, distance, network, sampled


@cache
def built(name: str) -> Sample:
    """A network of the zoo or made by hand; ``two-headed`` is a functional model of Keras's."""
    return MODELS[name]() if name in MODELS else network(name)


def _of_keras(model: Any, seed: int) -> Sample:
    random = np.random.default_rng(seed)
    graph, weights = import_model(model, None)
    moved = {k: v + 0.1 * np.abs(random.standard_normal(v.shape)) for k, v in weights.items()}
    inputs = {k: random.standard_normal((3, *s.shape[1:])) for k, s in graph.inputs.items()}
    return sampled(graph, moved, inputs)


def _two_headed() -> Sample:
    """Two inputs, a picture and numbers; a branch that is joined again; two outputs, one read twice."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image, numbers = keras.Input((9, 8, 3), name="image"), keras.Input((4,), name="numbers")
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="stem")(image)
    y = layers.Conv2D(6, 3, padding="same", use_bias=False, name="branch")(x)
    y = layers.BatchNormalization(name="norm")(y)
    x = layers.Activation("relu", name="joined")(layers.Add(name="sum")([x, y]))
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flat")(x)
    both = layers.Concatenate(name="both")([x, layers.Dense(3, activation="tanh", name="read")(numbers)])
    hidden = layers.Dense(5, activation="relu", name="hidden")(both)
    classes = layers.Dense(2, activation="softmax", name="classes")(hidden)
    return _of_keras(keras.Model([image, numbers], [hidden, classes]), 3)


MODELS: dict[str, Callable[[], Sample]] = {"two-headed": _two_headed}


def source(sample: Sample, name: str = "net") -> Source:
    graph = sample.graph
    weights = {k: np.asarray(v, graph.weights[k].dtype) for k, v in sample.weights.items()}
    return Source(graph, weights, {"name": name}, Path())


def written(form: str, sample: Sample, folder: Path) -> Path:
    path = folder / "out"
    format_row(form).write(source(sample), path)
    return path


def differences(form: str, sample: Sample, path: Path) -> dict[str, float]:
    """How far each output is off, all examples at once or alone; infinite where the shape is another."""
    predict = format_row(form).opened(path, source(sample))
    inputs = sample.single()
    together, alone = predict(inputs), predict({k: v[:1] for k, v in inputs.items()})
    assert set(together) == set(sample.expected)

    def off(actual: np.ndarray, expected: np.ndarray) -> float:
        return distance(actual, expected) if actual.shape == expected.shape else float("inf")

    return {
        k: max(off(together[k], v), off(alone[k], v[:1])) for k, v in sample.expected.items()
    }  # fmt: skip


ALONE = """
import json, sys
from pathlib import Path
import numpy as np
for name in json.loads(sys.argv[3]):
    sys.modules[name] = None
folder, work = Path(sys.argv[1]), Path(sys.argv[2])
with np.load(work / "inputs.npz") as stored:
    inputs = dict(stored)
{code}
assert not [m for m in sys.modules if m.split(".")[0] in json.loads(sys.argv[3]) and sys.modules[m]]
np.savez(work / "outputs.npz", **{{f"o{{i}}": np.asarray(o) for i, o in enumerate(outputs)}})
"""
"""A program that runs what was written; ``code`` makes ``outputs`` of ``folder`` and ``inputs``."""


def run_alone(
    code: str, sample: Sample, path: Path, work: Path, without: tuple[str, ...]
) -> list[np.ndarray]:
    """The outputs that a fresh process makes in which the packages ``without`` cannot be imported."""
    inputs: dict[str, Any] = sample.single()
    np.savez(work / "inputs.npz", **inputs)
    program = ALONE.format(code=code)
    command = [sys.executable, "-B", "-c", program, str(path), str(work), json.dumps(without)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    with np.load(work / "outputs.npz") as stored:
        return [stored[name] for name in stored.files]


def assert_close(outputs: list[np.ndarray], expected: Arrays) -> None:
    for one, (name, array) in zip(outputs, expected.items(), strict=True):
        assert distance(one, array) < 1e-5, name


def refused_when_spoilt(
    form: str,
    engine: str,
    spoil: Callable[[Path], None],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    sentence: str = "departs from the network: in {engine} its outputs are off",
) -> None:
    """The whole export: right as it is, thrown away where a weight was changed before the verification."""
    result = export("lenet5", form, out=folder / "right")
    assert result.verified_by == engine
    assert result.output_error < LARGEST_ERROR / 10
    assert result.bytes == sum(p.stat().st_size for p in (folder / "right").rglob("*") if p.is_file())
    honest = exporting._Worker.write

    def spoilt(self: Any, path: Path) -> None:
        honest(self, path)
        spoil(path)

    monkeypatch.setattr(exporting._Worker, "write", spoilt)
    with pytest.raises(CrosstrainError, match=sentence.format(engine=engine)):
        export("lenet5", form, out=folder / "spoilt")
    assert [p.name for p in folder.iterdir()] == ["right"]

"""Every operation of the vocabulary as each target writes it, against its meaning in NumPy's float64."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.conformance.cases import NOISE, NOT_IN_GRAPHS, OP_CASES
from crosstrain.conformance.holding.sheet import meaning
from crosstrain.graph.builder import Builder
from crosstrain.graph.graph import Graph, TensorSpec
from crosstrain.graph.ops import VOCABULARY
from crosstrain.source.generate import Written, source_of, target_of
from crosstrain.source.view.general import GENERAL
from crosstrain.training.recipe import Loss, Recipe

WHOLE = ("torch", "jax", "tensorflow", "keras")
"""The targets that write everything."""

LOSSES = {"categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "ctc_loss"}
CASES = {
    name: case
    for name, case in OP_CASES.items()
    if case.op not in {*LOSSES, *NOISE, *NOT_IN_GRAPHS, "constant", "batch_norm"}
}


@pytest.mark.parametrize("target", WHOLE)
def test_every_operation_has_a_form(target: str) -> None:
    calls = target_of(target).calls
    missing = {op for op in GENERAL - LOSSES - {"batch_norm"} if op not in calls and f"op_{op}" not in calls}
    assert missing == set()
    assert GENERAL | {"constant", "scan", "ctc_loss"} == set(VOCABULARY)


def sheet() -> tuple[Graph, dict[str, np.ndarray]]:
    """A network whose outputs are all cases, each on weights of its own."""
    builder = Builder("sheet")
    x = builder.add_input("x", TensorSpec((None, 1)))
    outputs = {"x": builder.emit("negative", x)[0]}
    for case in CASES.values():
        inputs = [
            None if array is None else builder.add_weight(f"{case.name}/{i}", array, array.dtype.kind == "f")
            for i, array in enumerate(case.inputs)
        ]
        for index, ref in enumerate(builder.emit(case.op, *inputs, name=case.name, **case.attributes)):
            outputs[f"{case.name}/{index}"] = ref
    return builder.graph(outputs), builder.arrays


def written(target: str, graph: Graph) -> Written:
    return source_of(graph, {name: Loss("mse") for name in graph.outputs}, Recipe(), target, "sheet")


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_operations_are_as_they_mean(target: str, tmp_path: Path) -> None:
    pytest.importorskip(target)
    graph, arrays = sheet()
    assert departures(target, graph, arrays, tmp_path) == {}


def departures(target: str, graph: Graph, arrays: dict[str, np.ndarray], folder: Path) -> dict[str, str]:
    """The cases whose source gives other numbers than NumPy, with the difference."""
    source = written(target, graph)
    (folder / f"sheet_{target}.py").write_text(source.text)
    weights: dict[str, Any] = dict(arrays)
    np.savez(folder / "weights.npz", **weights)
    outputs = RUN[target](folder / f"sheet_{target}.py", source, folder / "weights.npz")
    wrong = {}
    for name, value in zip(graph.outputs, outputs, strict=True):
        if name == "x":
            continue
        expected = meaning(CASES[name.rpartition("/")[0]])[int(name.rpartition("/")[2])]
        if value.shape != expected.shape:
            wrong[name] = f"{value.shape} for {expected.shape}"
        elif not np.allclose(value, expected, rtol=1e-9, atol=1e-9, equal_nan=True):
            wrong[name] = f"{np.abs(value - expected).max():.1e}"
    return wrong


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


X = np.ones((2, 1))


def in_torch(path: Path, source: Written, weights: Path) -> list[np.ndarray]:
    module = imported(path)
    module.torch.set_default_dtype(module.torch.float64)
    try:
        model = getattr(module, source.model)().eval()
        module.load_weights(model, weights)
        return [output.detach().numpy() for output in model(module.torch.from_numpy(X))]
    finally:
        module.torch.set_default_dtype(module.torch.float32)


def in_jax(path: Path, source: Written, weights: Path) -> list[np.ndarray]:
    module = imported(path)
    with module.jax.enable_x64(True):
        loaded = module.load_weights(weights)
        state = loaded if isinstance(loaded, tuple) else (loaded,)
        outputs = module.forward(*state, X)
        return [np.asarray(output) for output in (outputs[0] if len(state) > 1 else outputs)]


RUN: dict[str, Callable[[Path, Written, Path], list[np.ndarray]]] = {"torch": in_torch, "jax": in_jax}

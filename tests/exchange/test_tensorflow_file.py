"""The export format ``tensorflow``: a SavedModel that needs nothing but TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.tensorflow_file import argument, arguments
from tests.exchange import foreign_formats as formats

tf = pytest.importorskip("tensorflow")

NETWORKS = ("mlp", "lenet5", "resnet20", "two-headed", "branched", "recurrent")

ALONE = """
import tensorflow as tf
run = tf.saved_model.load(str(folder)).signatures["serving_default"]
names = run.structured_outputs
made = run(**{name: tf.constant(array) for name, array in inputs.items()})
outputs = [made[name] for name in ("hidden", "classes")]
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_in_a_saved_model(name: str, tmp_path: Path) -> None:
    sample = formats.built(name)
    path = formats.written("tensorflow", sample, tmp_path)
    assert max(formats.differences("tensorflow", sample, path).values()) < 1e-5


def test_it_runs_where_there_is_no_keras(tmp_path: Path) -> None:
    sample = formats.built("two-headed")
    assert list(sample.expected) == ["hidden", "classes"]
    path = formats.written("tensorflow", sample, tmp_path)
    assert not (path / "keras_metadata.pb").exists()
    outputs = formats.run_alone(
        ALONE, sample, path, tmp_path, ("crosstrain", "keras", "onnx", "torch", "jax")
    )
    formats.assert_close(outputs, sample.expected)


def test_what_is_trainable_stays_so(tmp_path: Path) -> None:
    sample = formats.built("resnet20")
    loaded = tf.saved_model.load(str(formats.written("tensorflow", sample, tmp_path)))
    trainable = {name for name, weight in loaded.weights.items() if weight.trainable}
    assert trainable == {argument(name) for name in sample.graph.trainable}
    assert len(loaded.weights) == len(sample.graph.weights)


def test_names_as_a_signature_takes_them() -> None:
    assert arguments(["pixels", "layer/one:0", "7"], "inputs") == {
        "pixels": "pixels", "layer/one:0": "layer_one_0", "7": "a7",
    }  # fmt: skip
    with pytest.raises(
        CrosstrainError, match=r"the names of the inputs \(a/b, a:b\) are one in a SavedModel"
    ):
        arguments(["a/b", "a:b"], "inputs")


def test_odd_names_are_carried_over(tmp_path: Path) -> None:
    sample = formats.built("perceptron")
    graph = replace(sample.graph, outputs={"a/b:0": sample.graph.outputs["y"]})
    odd = replace(sample, graph=graph, expected={"a/b:0": sample.expected["y"]})
    path = formats.written("tensorflow", odd, tmp_path)
    assert formats.differences("tensorflow", odd, path)["a/b:0"] < 1e-5


def test_changed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(path: Path) -> None:
        loaded = tf.saved_model.load(str(path))
        weight = next(w for w in loaded.weights.values() if len(w.shape) == 4)
        weight.assign(weight + 0.1)
        tf.saved_model.save(loaded, str(path), signatures=loaded.signatures)

    formats.refused_when_spoilt("tensorflow", "tensorflow", spoil, tmp_path, monkeypatch)

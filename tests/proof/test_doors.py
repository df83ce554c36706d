"""The small inputs of ``shared/doors``: each defined, proved on the installed engines in float64, and trained
for an epoch on arrays that fit; or refused in a sentence that says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import crosstrain
from crosstrain.errors import CrosstrainError
from crosstrain.proof.batch import features, padding_of, snake_case, targets
from crosstrain.proof.prove import prove
from crosstrain.runs.definition import Definition, define
from tests.proof.conftest import INSTALLED

DOORS = Path(os.environ.get("CROSSTRAIN_DATA", "../shared/data")).parent / "doors"
EXAMPLES = 48
SHAPES: dict[str, dict[str, list[int]]] = {"super_resolution": {"": [8, 8, 1]}, "subclassed": {"": [5]}}
"""What networks leave open and the data decides."""
OUTPUTS = {"accuracy_inside.onnx": "p"}
NETWORKS = [
    "text_transformer", "causal_language_model", "masked_embedding", "masking", "point_transform",
    "dilated_segmentation", "resizing", "super_resolution", "augmented", "variational_autoencoder",
    "recurrent_dropout", "subclassed", "embedding_of_a_constant", "fnet", "multi_label",
]  # fmt: skip
FILES = [
    "accuracy_inside.onnx", "signs.h5", "hdf5_with_keras_ending.keras", "keras2_15_sequential.keras",
    "keras2_15_windows.keras", "keras2_13_functional.keras", "saturated.keras",
]  # fmt: skip
REFUSED = {
    "lambda.h5": "trust",
    "spectral": "its meaning depends on the backend; write a layer",
    "accuracy_inside.onnx": "take another with --output: p, z",
}

pytestmark = [
    pytest.mark.skipif(not DOORS.is_dir(), reason="the small inputs are not here"),
    pytest.mark.slow(
        "each network is defined, proved on every engine and trained, in processes of their own"
    ),
]


def place(name: str) -> str:
    return str(DOORS / name) if "." in name else f"{DOORS / 'networks.py'}:{name}"


def arrays_for(name: str, definition: Definition) -> dict[str, np.ndarray]:
    """Random arrays that fit a network, under the names of an ``arrays:`` data set."""
    graph, loss = definition.graph, definition.loss
    losses = {output: snake_case(each["name"]) for output, each in definition.data["losses"].items()}
    y = targets(graph, loss, losses, EXAMPLES, seed=0)
    if name == "multi_label":
        rows = np.random.default_rng(0).random((EXAMPLES, 6)) < 0.4
        y = {output: rows.astype("float64") for output in y}
    arrays: dict[str, np.ndarray] = {}
    padding = {**padding_of(graph), **padding_of(loss)}
    for kind, values in (("x", features(graph, EXAMPLES, 0, padding)), ("y", y)):
        for key, value in values.items():
            label = "" if len(values) == 1 else "/" + key.removeprefix("target/")
            arrays[kind + label] = value.astype("float32") if value.dtype.kind == "f" else value
    return arrays


@pytest.mark.parametrize("name", NETWORKS + FILES)
def test_is_defined_proved_and_trained(name: str, tmp_path: Path) -> None:
    output, shapes = OUTPUTS.get(name, ""), SHAPES.get(name)
    definition = define(place(name), folder=tmp_path / "network", input_shapes=shapes, output=output)
    proof = prove(definition, INSTALLED, ["float64"], work=tmp_path / "proof", steps=2)
    assert [c.status for c in proof] == ["proved"] * len(INSTALLED), list(proof)

    np.savez(tmp_path / "data.npz", **arrays_for(name, definition))
    trained = crosstrain.train(
        place(name), f"arrays:{tmp_path / 'data.npz'}", engine=INSTALLED[0], epochs=1, batch_size=16,
        output=output or None, out=tmp_path / "trained", progress=False,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    if name == "multi_label":
        losses = Definition.load(next((tmp_path / "trained" / "networks").glob("*-s0"))).data["losses"]
        assert [loss["name"] for loss in losses.values()] == ["binary_crossentropy"]


@pytest.mark.parametrize(("name", "sentence"), REFUSED.items())
def test_is_refused_with_what_to_do(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        define(place(name), folder=tmp_path)

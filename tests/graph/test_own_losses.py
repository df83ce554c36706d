"""Losses of label maps: pixels without a class do not count, Dice, weights by frequency; NumPy and Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from crosstrain.comparison.subjects import class_weights
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.keras_import.own_losses import sparse_dice
from crosstrain.graph.reference import run_numpy
from crosstrain.training.recipe import Loss
from crosstrain.training.spelling import class_weight

CLASSES, VOID = 4, 255
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(3, 5, 6, CLASSES))
MAPS = RANDOM.integers(0, CLASSES, (3, 5, 6))
MAPS[RANDOM.random(MAPS.shape) < 0.2] = VOID
TARGET = {"": {"shape": [5, 6], "dtype": "int32", "classes": CLASSES, "void": VOID}}
LOG_P = SCORES - np.log(np.exp(SCORES).sum(-1, keepdims=True))
KNOWN = MAPS != VOID
PICKED = -np.take_along_axis(LOG_P, np.where(KNOWN, MAPS, 0)[..., None], -1)[..., 0]


def network(classes: int = CLASSES) -> Graph:
    inputs = keras.Input((5, 6, 2))
    return import_model(keras.Model(inputs, keras.layers.Conv2D(classes, 1)(inputs)), None)[0]


def computed(loss: Loss | None = None, **more: Any) -> tuple[float, Loss]:
    losses = {"": loss} if loss else None
    graph, constants, chosen, _ = import_loss(losses, network(), TARGET, **more)
    (name,) = chosen
    values = {f"output/{name}": SCORES, f"target/{name}": MAPS.astype("int32")}
    constants = {k: np.asarray(v, "float64") if v.dtype.kind == "f" else v for k, v in constants.items()}
    outputs, _ = run_numpy(graph, constants, values)
    return float(outputs["loss"]), chosen[name]


def test_the_cross_entropy_is_the_mean_over_pixels_with_a_class() -> None:
    value, chosen = computed()
    assert chosen.settings == {"from_logits": True, "ignore_class": VOID}
    assert value == pytest.approx(PICKED[KNOWN].mean())
    # So it is where the user names it.
    assert computed(Loss("SparseCategoricalCrossentropy", {"from_logits": True}))[0] == pytest.approx(value)


def test_weights_of_classes() -> None:
    weights = {"0": 2.0, "3": 0.25}
    factor = np.array([2.0, 1, 1, 0.25])[np.where(KNOWN, MAPS, 1)]
    assert computed(class_weight=weights)[0] == pytest.approx((factor * PICKED)[KNOWN].mean(), rel=1e-6)


def test_label_smoothing_leaves_void_out_too() -> None:
    expected = 0.9 * PICKED[KNOWN] - 0.1 * LOG_P.mean(-1)[KNOWN]
    assert computed(label_smoothing=0.1)[0] == pytest.approx(expected.mean(), rel=1e-6)


@pytest.mark.parametrize("smooth", [1.0, 0.1])
def test_dice_by_class_and_picture(smooth: float) -> None:
    p, truth = np.exp(LOG_P) * KNOWN[..., None], np.eye(CLASSES)[np.where(KNOWN, MAPS, 0)] * KNOWN[..., None]
    dice = (2 * (p * truth).sum((1, 2)) + smooth) / (p.sum((1, 2)) + truth.sum((1, 2)) + smooth)
    value, chosen = computed(Loss("dice", {"smooth": smooth}))
    assert chosen.name == "sparse_dice"
    assert value == pytest.approx(1 - dice.mean())
    rows = np.eye(CLASSES, dtype="float32")[np.where(KNOWN, MAPS, 0)]
    perfect = sparse_dice(MAPS.astype("int32"), rows, ignore_class=VOID)
    assert keras.ops.convert_to_numpy(perfect) == pytest.approx(np.zeros(3), abs=1e-6)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(
        CrosstrainError, match="one number for all pixels of a picture, so its classes cannot"
    ):
        computed(Loss("dice"), class_weight={"1": 2.0})
    with pytest.raises(CrosstrainError, match="'mean_squared_error' does not leave out"):
        computed(Loss("mean_squared_error"))
    with pytest.raises(CrosstrainError, match="'binary_crossentropy' does not leave out"):
        import_loss(None, network(1), {"": {**TARGET[""], "classes": 2}})
    with pytest.raises(CrosstrainError, match="no loss fits the output"):
        import_loss(None, network(5), {"": {**TARGET[""], "shape": [4, 4]}})


def test_median_frequency_and_balanced_weights() -> None:
    manifest = {
        "spec": "segmentation:here", "class_frequency": [0.5, 0.1, 0.0, 0.3],
        "class_counts": {}, "pixel_counts": {"train": [50, 10, 0, 40]},
    }  # fmt: skip
    asked = class_weight("median-frequency")
    assert class_weights(asked, manifest) == pytest.approx({"0": 0.6, "1": 3.0, "3": 1.0})
    assert class_weights(class_weight("balanced"), manifest) == pytest.approx(
        {"0": 100 / 150, "1": 100 / 30, "3": 100 / 120}
    )
    with pytest.raises(CrosstrainError, match="has no label maps, so classes have no frequency"):
        class_weights(asked, {"spec": "digits", "class_counts": {"train": [5, 5]}})

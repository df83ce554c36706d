"""Overlaps, codes and anchors of boxes, against slow obvious ones, on NumPy's arrays and Keras's tensors."""

from __future__ import annotations

from types import ModuleType

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.detection.anchors import anchor_grid
from crosstrain.detection.boxes import (
    LARGEST_LOG,
    areas,
    centres,
    clipped,
    corners,
    decoded,
    encoded,
    iou,
    paired_iou,
)  # fmt: skip
from crosstrain.detection.truths import compacted, padded, present

OPS = pytest.mark.parametrize("ops", [np, keras.ops], ids=["numpy", "keras"])


def some_boxes(count: int, seed: int = 0, size: float = 50.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    corner = generator.uniform(0, size, (count, 2))
    return np.concatenate([corner, corner + generator.uniform(1, size, (count, 2))], axis=1)


def pixels(box: np.ndarray) -> set[tuple[int, int]]:
    """The pixels of a box of whole numbers."""
    top, left, bottom, right = box.astype(int).tolist()
    return {(y, x) for y in range(top, bottom) for x in range(left, right)}


whole_boxes = st.tuples(*[st.integers(0, 12)] * 4).map(lambda each: np.asarray(each, np.float64))


@given(st.lists(whole_boxes, min_size=1, max_size=4), st.lists(whole_boxes, min_size=1, max_size=4))
def test_overlaps_are_those_of_counted_pixels(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    computed = iou(np.stack(first), np.stack(second))
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            both, union = len(pixels(a) & pixels(b)), len(pixels(a) | pixels(b))
            assert computed[row, column] == pytest.approx(both / union if union else 0.0)


@OPS
def test_numpy_and_keras_agree(ops: ModuleType) -> None:
    first, second = some_boxes(5).astype("float32"), some_boxes(5, seed=1).astype("float32")
    assert np.allclose(np.asarray(iou(first, second, ops)), iou(first, second), atol=1e-6)
    assert np.allclose(np.asarray(paired_iou(first, second, ops)), np.diag(iou(first, second)), atol=1e-6)
    assert np.allclose(np.asarray(areas(first, ops)), areas(first))
    assert np.allclose(np.asarray(clipped(first * 2 - 9, (40, 30), ops)), clipped(first * 2 - 9, (40, 30)))
    codes = np.asarray(encoded(first, second, (0.1, 0.1, 0.2, 0.2), ops))
    assert np.allclose(codes, encoded(first, second, (0.1, 0.1, 0.2, 0.2)), atol=1e-4)


@OPS
def test_decoding_undoes_encoding(ops: ModuleType) -> None:
    boxes, anchors = some_boxes(20).astype("float32"), some_boxes(20, seed=1).astype("float32")
    variances = (0.1, 0.1, 0.2, 0.2)
    codes = encoded(boxes, anchors, variances, ops)
    assert np.allclose(np.asarray(decoded(codes, anchors, variances, ops)), boxes, atol=1e-3)
    assert np.allclose(np.asarray(corners(centres(boxes, ops), ops)), boxes, atol=1e-4)


def test_codes_are_those_of_the_paper() -> None:
    """Girshick et al. 2014, equations 6 to 9: (x - x_a) / w_a, (y - y_a) / h_a, log w / w_a, log h / h_a."""
    anchor, box = np.asarray([0.0, 0.0, 10.0, 20.0]), np.asarray([5.0, 10.0, 25.0, 50.0])
    assert np.allclose(
        encoded(box, anchor), [(30 - 10) / 20, (15 - 5) / 10, np.log(40 / 20), np.log(20 / 10)]
    )


def test_decoding_does_not_overflow() -> None:
    box = decoded(np.asarray([0.0, 0.0, 1e9, 1e9]), np.asarray([0.0, 0.0, 2.0, 2.0]))
    assert np.isclose(box[2] - box[0], 2 * np.exp(LARGEST_LOG))


def test_anchors_stand_around_their_cells() -> None:
    anchors = anchor_grid((40, 80), (2, 4), sizes=(8, 16), ratios=(1.0, 4.0))
    assert anchors.shape == (2 * 4 * 4, 4)
    assert anchors.dtype == np.float32
    centred = centres(anchors)
    assert np.allclose(centred[:4, :2], (10, 10))
    assert np.allclose(centred[4:8, :2], (10, 30))
    assert np.allclose(centred[:4, 2:], [(8, 8), (16, 4), (16, 16), (32, 8)])


def test_truths_are_padded_and_found_again() -> None:
    rows = [np.asarray([[1, 2, 3, 4, 0], [5, 6, 7, 8, 2]], np.float32), np.empty((0, 5), np.float32)]
    array = padded(rows, 3)
    assert array.shape == (2, 3, 5)
    assert np.array_equal(present(array[0]), rows[0])
    assert not len(present(array[1]))
    assert array[1].tolist() == [[0, 0, 0, 0, -1]] * 3
    moved = compacted(array[0], np.asarray([False, True, False]))
    assert np.array_equal(moved, padded([rows[0][1:]], 3)[0])

"""Segments and selective search on pictures whose parts are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from crosstrain.data.images.segments import segments
from crosstrain.data.images.selective_search import Strategy, grouped, selective_search
from crosstrain.detection.boxes import iou


def scene(seed: int, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Bright disks and dark squares on grey noise, uint8 RGB (60, 80, 3), and (n, 5): boxes and classes."""
    random = np.random.default_rng(seed)
    picture = random.integers(110, 130, (60, 80, 3)).astype(np.uint8)
    places = [(row, column) for row in (15, 44) for column in (14, 40, 66)]
    rows = []
    for place in random.permutation(len(places))[:count]:
        (row, column), radius, kind = places[place], int(random.integers(6, 10)), int(random.integers(0, 2))
        if kind:
            cv2.rectangle(
                picture, (column - radius, row - radius), (column + radius, row + radius), (30, 40, 190), -1
            )
        else:
            cv2.circle(picture, (column, row), radius, (235, 90, 60), -1)
        rows.append([row - radius, column - radius, row + radius + 1, column + radius + 1, kind])
    return picture, np.array(rows, np.float32)


def test_segments_are_the_parts_of_a_picture() -> None:
    values = np.zeros((20, 30, 3), np.uint8)
    values[:, 15:] = 200
    values[5:9, 3:8] = (0, 255, 0)
    labels = segments(values, 10, 5)
    assert labels.max() == 2
    assert len(np.unique(labels[:, 15:])) == len(np.unique(labels[5:9, 3:8])) == 1
    assert len({int(labels[0, 0]), int(labels[0, 20]), int(labels[6, 5])}) == 3
    values[12, 12] = 255  # a pixel alone joins what is around it
    assert segments(values, 0.01, 5).max() == 2
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3))
    assert segments(noise, 5000, 1).max() <= segments(noise, 50, 1).max()


def test_a_hierarchy_ends_in_the_whole_picture() -> None:
    picture, _ = scene(0)
    labels = segments(picture, 100, 20)
    boxes = grouped(picture, labels, "ctsf")
    count = labels.max() + 1
    assert len(boxes) == 2 * count - 1
    assert boxes[-1] == (0, 0, 60, 80)
    for number in range(count):
        rows, columns = np.nonzero(labels == number)
        assert boxes[number] == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


@pytest.mark.parametrize("seed", range(3))
def test_every_object_has_a_proposal(seed: int) -> None:
    picture, rows = scene(seed, 5)
    boxes = selective_search(picture)
    assert boxes.dtype == np.float32
    assert len(boxes) == len(np.unique(boxes, axis=0))
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert iou(rows[:, :4], boxes).max(axis=1).min() > 0.7  # the blur may take a rim away
    assert np.array_equal(selective_search(picture, 7), boxes[:7])
    assert not np.array_equal(selective_search(picture, seed=1), boxes)


def test_a_picture_of_one_colour_has_itself_alone() -> None:
    flat = np.full((10, 12, 3), 77, np.uint8)
    assert selective_search(flat, strategy=Strategy(spaces=("lab",))).tolist() == [[0, 0, 10, 12]]

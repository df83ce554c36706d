"""R-CNN finds disks and squares with pixels as features, and says where its time goes."""

from __future__ import annotations

import numpy as np
import pytest

from crosstrain.classic.regions import RCNN, warped
from crosstrain.detection.boxes import iou
from tests.data.test_selective_search import scene


def pixels(pictures: np.ndarray) -> np.ndarray:
    """Means of blocks of 4×4 pixels, as features."""
    count = len(pictures)
    blocks = pictures.reshape(count, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    return np.asarray(blocks.reshape(count, -1) / 255)


def test_it_finds_what_it_has_learnt() -> None:
    scenes = [scene(seed) for seed in range(14)]
    pictures, rows = [picture for picture, _ in scenes], [each for _, each in scenes]
    model = RCNN(pixels, (16, 16), proposals=120, penalty=0.1, ridge=1.0).fit(pictures[:10], rows[:10])
    assert model.classes_.tolist() == [0, 1]
    assert model.seconds_["proposals"] > 0
    right = total = 0
    for found, truth in zip(model.predict(pictures[10:]), rows[10:], strict=True):
        good = found.at_least(0.5)
        total += len(truth)
        for box in truth:
            same = good.classes == box[4]
            right += bool(same.any()) and float(iou(box[None, :4], good.boxes[same]).max()) > 0.6
    assert right >= 0.8 * total
    assert set(model.seconds_) == {"proposals", "features", "decisions"}


def test_regions_are_warped_whatever_their_shape() -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[4:8, 10:30] = 200
    exact = warped(picture, np.array([[4.0, 10, 8, 30]]), (8, 8))
    assert (exact[0, 1:-1, 1:-1] == 200).all()  # at the edge a value lies between two pixels
    assert exact.min() > 100
    around = warped(picture, np.array([[4.0, 10, 8, 30]]), (12, 12), context=2)
    assert (around[0, 3:-3, 3:-3] == 200).all()
    assert around[0, 0].max() < 200
    whole = warped(picture, np.array([[0.0, 0, 20, 40]]), (20, 40))
    assert np.array_equal(whole[0], picture)


def test_what_does_not_fit_is_said() -> None:
    picture, rows = scene(0)
    with pytest.raises(ValueError, match="there are 1 pictures and boxes of 2"):
        RCNN(pixels).fit([picture], [rows, rows])
    with pytest.raises(ValueError, match="no box in any picture"):
        RCNN(pixels).fit([picture], [np.zeros((0, 5))])
    with pytest.raises(ValueError, match="features gives an array of shape"):
        RCNN(lambda pictures: pictures, (16, 16)).fit([picture], [rows])

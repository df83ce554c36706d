"""Average precision against pycocotools, on the same boxes."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from crosstrain.detection.detections import Detections
from crosstrain.detection.precision import THRESHOLDS, Tally, average_precisions
from crosstrain.detection.truths import padded
from crosstrain.training.metrics import Reading
from crosstrain.training.quality import quality_metrics
from crosstrain.training.scores.boxes import Judged, class_ap_50, limits, map_50, map_all, precision_recall
from crosstrain.training.tasks import DETECTION, measure_of, task_of

CLASSES, PICTURES, MOST = 4, 12, 9


def scene(seed: int, ties: bool) -> tuple[list[np.ndarray], list[Detections]]:
    """True boxes, and detections near them and elsewhere; the last class never occurs among truths, and a
    picture is empty. With ``ties`` boxes are whole numbers and scores tenths."""
    random = np.random.default_rng(seed)
    truths, found = [], []
    for number in range(PICTURES):
        count = 0 if number == 3 else int(random.integers(1, MOST + 1))
        corner, side = random.uniform(0, 60, (count, 2)), random.uniform(4, 40, (count, 2))
        labels = random.integers(0, CLASSES - 1, count)
        rows = np.concatenate([corner, corner + side, labels[:, None]], axis=1)
        near = np.repeat(rows, 2, axis=0)
        near[:, :4] += random.normal(0, 3, (len(near), 4))
        corner = random.uniform(0, 60, (5, 2))
        other = np.concatenate(
            [corner, corner + random.uniform(4, 40, (5, 2)), random.integers(0, CLASSES, (5, 1))], axis=1
        )
        every = np.concatenate([near, other])
        every[:, 2:4] = np.maximum(every[:, 2:4], every[:, :2] + 1)
        scores = random.uniform(0.05, 1, len(every))
        if ties:
            rows, every, scores = np.round(rows), np.round(every), np.round(scores, 1)
        rows = rows.astype(np.float32)
        # A class in the wrong place, one time in six.
        every[random.random(len(every)) < 1 / 6, 4] = 0
        order = np.argsort(-scores, kind="stable")
        truths.append(rows)
        found.append(
            Detections(
                every[order, :4].astype(np.float32), scores[order].astype(np.float32),
                every[order, 4].astype(np.int32),
            )
        )  # fmt: skip
    return truths, found


def by_pycocotools(truths: list[np.ndarray], found: list[Detections]) -> np.ndarray:
    """Average precision (classes, thresholds), -1 for a class without a true box; and the precision
    curves."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    def box(row: np.ndarray) -> list[float]:
        y, x, bottom, right = map(float, row[:4])
        return [x, y, right - x, bottom - y]

    names = [{"id": n + 1, "name": str(n)} for n in range(CLASSES)]
    images = [{"id": n + 1, "width": 200, "height": 200} for n in range(len(truths))]
    real = [
        {"image_id": n + 1, "category_id": int(row[4]) + 1, "bbox": box(row), "iscrowd": 0,
         "area": float((row[2] - row[0]) * (row[3] - row[1]))}
        for n, rows in enumerate(truths)
        for row in rows
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {}, "images": images, "categories": names,
            "annotations": [{**each, "id": n + 1} for n, each in enumerate(real)],
        }  # fmt: skip
        truth.createIndex()
        answers = truth.loadRes(
            [
                {"image_id": n + 1, "category_id": int(c) + 1, "bbox": box(b), "score": float(s)}
                for n, each in enumerate(found)
                for b, s, c in zip(each.boxes, each.scores, each.classes, strict=True)
            ]
        )
        evaluation = COCOeval(truth, answers, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision: np.ndarray = evaluation.eval["precision"]
    return precision[:, :, :, 0, 2]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed: int, ties: bool) -> None:
    truths, found = scene(seed, ties)
    expected = by_pycocotools(truths, found)  # (thresholds, recalls, classes)
    tally = Tally()
    for rows, each in zip(truths, found, strict=True):
        tally.add(each, padded([rows], MOST)[0], CLASSES)
    computed = average_precisions(tally, CLASSES)
    for number in range(CLASSES):
        if (expected[:, :, number] == -1).all():
            assert np.isnan(computed[number]).all()
            continue
        assert computed[number] == pytest.approx(expected[:, :, number].mean(axis=1), abs=1e-9)
        curve = tally.ranked(number).precision()
        assert curve == pytest.approx(expected[0, :, number], abs=1e-9)
    assert np.isnan(computed).any(), "a class without a true box is among them"
    assert len(THRESHOLDS) == len(expected)


def test_metrics_of_a_split() -> None:
    truths, found = scene(0, ties=False)
    judged = Judged(Reading(CLASSES, head="yolo"))
    for rows, each in zip(truths, found, strict=True):
        judged.tally.add(each, padded([rows], MOST)[0], CLASSES)
    values = judged.precisions()
    assert map_50(judged) == pytest.approx(np.nanmean(values[:, 0]))
    assert map_all(judged) == pytest.approx(np.nanmean(np.nanmean(values[:-1], axis=1)))
    assert class_ap_50(judged)[-1] is None
    assert precision_recall(judged)[-1] is None
    low, high = limits(judged) or (0, 0)
    assert low < (map_50(judged) or 0) < high


def test_perfect_answers_and_none() -> None:
    truths, _ = scene(1, ties=False)
    judged = Judged(Reading(CLASSES, head="yolo"))
    for rows in truths:
        judged.tally.add(Detections.of_truths(rows), padded([rows], MOST)[0], CLASSES)
    assert map_50(judged) == map_all(judged) == 1.0
    empty = Judged(Reading(CLASSES, head="yolo"))
    assert map_50(empty) is None
    assert limits(empty) is None
    nothing = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, int))
    empty.tally.add(nothing, padded([truths[0]], MOST)[0], CLASSES)
    assert map_50(empty) == 0.0


def test_a_grid_of_yolo_is_judged_batch_by_batch() -> None:
    """One cell answers for a box, with the numbers that the paper's equations give."""
    reading = Reading.of("yolo", {"height": 64, "width": 32, "classes": 2}, 2, 12)
    outputs = np.zeros((2, 4, 2, 12), np.float32)
    # Row 1, column 0 of cells of 16×16: centre (24, 4); a quarter of the width, an eighth of the height.
    outputs[0, 1, 0] = [0.25, 0.5, 0.5, np.sqrt(1 / 8), 0.9, 0, 0, 0, 0, 0, 0.1, 0.8]
    (first, second) = reading.detections(outputs)
    assert first.boxes[0].tolist() == pytest.approx([20, 0, 28, 8])
    assert first.scores.tolist() == pytest.approx([0.72, 0.09])
    assert first.classes.tolist() == [1, 0]
    assert not len(second)
    targets = padded([np.asarray([[20, 0, 28, 8, 1]]), np.empty((0, 5))], 3)
    metrics = quality_metrics(reading, outputs)
    for metric in metrics.values():
        metric.update(outputs[:1], targets[:1])
        metric.update(outputs[1:], targets[1:])
    results = {name: metric.result() for name, metric in metrics.items()}
    assert results["class_ap_50"] == [None, 1.0]


def test_detection_is_a_task() -> None:
    results = {"loss": 1.0, "map_50": 0.5, "map": 0.25, "map_50_limits": [0.4, 0.6]}
    assert task_of(results) is DETECTION
    assert measure_of(results) == {
        "name": "map_50", "title": "mAP@0.5", "value": 0.5, "low": 0.4, "high": 0.6
    }  # fmt: skip

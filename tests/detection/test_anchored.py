"""Detectors that correct boxes: matching, sampling, suppression in the graph, losses and reading, each
against a slow, obvious one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.detection.anchored import VARIANCES, roi_candidates, roi_classes, ssd_candidates, ssd_classes
from crosstrain.detection.boxes import UNIT, encoded, iou
from crosstrain.detection.heads import HEADS, detections
from crosstrain.detection.suppression import suppressed as slowly_suppressed
from crosstrain.detection.truths import padded
from crosstrain.graph.keras_import.detection.matching import matched, sampled
from crosstrain.graph.keras_import.detection.ssd import hardest, ssd
from crosstrain.graph.keras_import.detection.two_stage import rois, rpn
from crosstrain.zoo.detection.regions import Proposals, suppressed

PICTURE = (60, 80)
SIZE: dict[str, Any] = {"height": PICTURE[0], "width": PICTURE[1]}


def array(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


def tensor(x: Any) -> Any:
    return keras.ops.convert_to_tensor(np.asarray(x, "float32"))


def some_boxes(random: np.random.Generator, count: int, smallest: float = 6.0) -> np.ndarray:
    """(count, 4) within the picture."""
    sides = random.uniform(smallest, 30, (count, 2))
    corner = random.uniform(0, 1, (count, 2)) * (np.asarray(PICTURE) - sides)
    return np.concatenate([corner, corner + sides], axis=1).astype("float32")


def some_truths(random: np.random.Generator, pictures: int, most: int, classes: int) -> np.ndarray:
    rows = []
    for _ in range(pictures):
        count = int(random.integers(0, most + 1))
        labels = random.integers(0, classes, (count, 1))
        rows.append(np.concatenate([some_boxes(random, count), labels], axis=1))
    return padded(rows, most)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_matched_as_the_paper_says(seed: int, every: bool) -> None:
    random = np.random.default_rng(seed)
    boxes = np.stack([some_boxes(random, 25) for _ in range(3)])
    truths = some_truths(random, 3, 5, 4)
    match = matched(tensor(boxes), tensor(truths), 0.5, every=every)
    for n in range(3):
        real = truths[n][truths[n, :, 4] >= 0]
        overlaps = iou(boxes[n], real[:, :4]) if len(real) else np.zeros((25, 1))
        owner = {i: int(np.argmax(overlaps[i])) for i in range(25) if len(real) and overlaps[i].max() >= 0.5}
        if every:
            for number in reversed(range(len(real))):  # of several that claim one anchor the first counts
                if overlaps[:, number].max() > 0:
                    owner[int(np.argmax(overlaps[:, number]))] = number
        assert array(match.overlap)[n] == pytest.approx(overlaps.max(axis=1), abs=1e-6)
        assert np.flatnonzero(array(match.positive)[n]).tolist() == sorted(owner)
        for i in range(25):
            if i in owner:
                assert array(match.labels)[n, i] == real[owner[i], 4]
                assert array(match.boxes)[n, i] == pytest.approx(real[owner[i], :4])
            else:
                assert array(match.labels)[n, i] == 0
                assert array(match.boxes)[n, i] == pytest.approx(boxes[n, i])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.25, 0.5]), st.floats(0, 0.999))
def test_samples_have_their_size_and_share(seed: int, size: int, share: float, offset: float) -> None:
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, (2, 30))  # positive, negative, neither
    positive, negative = (kinds == 0).astype("float32"), (kinds == 1).astype("float32")
    offsets = np.full((2, 30), offset)
    first, second = (
        array(x) for x in sampled(tensor(positive), tensor(negative), tensor(offsets), size, share, 0)
    )
    for n in range(2):
        expected = min(int(size * share), int(positive[n].sum()))
        assert first[n].sum() == expected
        assert second[n].sum() == min(size - expected, int(negative[n].sum()))
    assert (first <= positive).all()
    assert (second <= negative).all()
    again = sampled(tensor(positive), tensor(negative), tensor(offsets), size, share, 0)
    assert np.array_equal(array(again[0]), first)


def test_samples_go_by_lot_and_by_seed() -> None:
    everything, nothing = tensor(np.ones((1, 200))), tensor(np.zeros((1, 200)))
    chosen = {
        (seed, offset): array(
            sampled(nothing, everything, tensor(np.full((1, 200), offset)), 20, 0.5, seed)[1]
        )
        for seed in (0, 1)
        for offset in (0.0, 0.3, 0.9)
    }
    assert all(value.sum() == 20 for value in chosen.values())
    assert len({value.tobytes() for value in chosen.values()}) == 6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 24), st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_in_rounds_is_suppression_of_one_after_the_other(
    seed: int, count: int, over: float
) -> None:
    boxes = some_boxes(np.random.default_rng(seed), count, 15)
    scores = -np.arange(count)
    counts = (np.random.default_rng(seed + 1).random(count) < 0.8).astype("float32")
    own = np.flatnonzero(counts)
    expected = own[slowly_suppressed(boxes[own], scores[own], over)]
    staying = array(suppressed(tensor(boxes[None]), tensor(counts[None]), over, count))[0]
    assert np.flatnonzero(staying).tolist() == sorted(expected.tolist())


def test_proposals_are_the_best_boxes_that_none_better_overlaps() -> None:
    random = np.random.default_rng(0)
    anchors = np.stack([some_boxes(random, 40, 15) for _ in range(2)])
    logits = random.normal(size=(2, 40, 1))
    codes = random.normal(size=(2, 40, 4)) * 0.2
    layer = Proposals(PICTURE, considered=30, count=12, overlap=0.5)
    boxes, counts = (array(x) for x in layer(tensor(anchors), tensor(logits), tensor(codes)))
    assert (boxes.shape, counts.shape) == ((2, 12, 4), (2, 12, 1))
    from crosstrain.detection.boxes import clipped, decoded

    for n in range(2):
        order = np.argsort(-logits[n, :, 0])[:30]
        whole = clipped(decoded(codes[n, order], anchors[n, order]), PICTURE)
        kept = whole[slowly_suppressed(whole, -np.arange(30), 0.5)][:12]
        assert int(counts[n].sum()) == len(kept)
        assert boxes[n, : len(kept)] == pytest.approx(kept, rel=1e-4, abs=1e-3)


def rows_of(kind: str, boxes: np.ndarray, logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    one, offset = np.ones((*boxes.shape[:2], 1)), np.full((*boxes.shape[:2], 1), 0.5)
    parts = {
        "rpn": [boxes, offset, logits, codes],
        "rois": [boxes, one, offset, logits, codes.reshape(*boxes.shape[:2], -1)],
        "ssd": [boxes, logits, codes],
    }
    return np.concatenate(parts[kind], axis=-1)


def entropy(logits: np.ndarray, label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


def smooth(x: np.ndarray, edge: float) -> float:
    size = np.abs(x)
    return float(np.where(size < edge, 0.5 * x * x / edge, size - 0.5 * edge).sum())


def test_the_loss_of_regions_is_the_paper_s() -> None:
    random = np.random.default_rng(3)
    boxes, truths = some_boxes(random, 30)[None], some_truths(random, 1, 4, 2)
    truths[0, 0] = [*boxes[0, 4], 1]
    logits, codes = random.normal(size=(1, 30, 1)), random.normal(size=(1, 30, 4))
    found = float(
        array(rpn(tensor(truths), tensor(rows_of("rpn", boxes, logits, codes)), **SIZE, classes=2))[0]
    )
    match = matched(tensor(boxes), tensor(truths), 0.7, every=True)
    positive, overlap = array(match.positive)[0] > 0, array(match.overlap)[0]
    counted = positive | (overlap < 0.3)  # all fit into a sample of 256
    total = 0.0
    for i in np.flatnonzero(counted):
        z = logits[0, i, 0]
        total += np.log1p(np.exp(-z)) if positive[i] else np.log1p(np.exp(z))
        if positive[i]:
            target = encoded(array(match.boxes)[0, i].astype("float64"), boxes[0, i].astype("float64"), UNIT)
            total += smooth(codes[0, i] - target, 1 / 9)
    assert found == pytest.approx(total / counted.sum(), rel=1e-4)


def test_the_loss_of_the_second_stage_is_the_paper_s() -> None:
    random = np.random.default_rng(4)
    boxes, truths = some_boxes(random, 12)[None], some_truths(random, 1, 4, 3)
    truths[0, 0] = [*(boxes[0, 4] + [1, -1, 1, 1]), 2]
    logits, codes = random.normal(size=(1, 12, 4)), random.normal(size=(1, 12, 3, 4))
    rows = rows_of("rois", boxes, logits, codes)
    rows[0, 7, 4] = 0  # one that does not count
    found = float(array(rois(tensor(truths), tensor(rows), **SIZE, classes=3, share=1.0))[0])
    match = matched(tensor(boxes), tensor(truths), 0.5, every=False)
    total, number = 0.0, 0
    for i in range(12):
        if i == 7:
            continue
        number += 1
        label = int(array(match.labels)[0, i]) if array(match.positive)[0, i] else 3
        total += entropy(logits[0, i], label)
        if label < 3:
            target = encoded(
                array(match.boxes)[0, i].astype("float64"), boxes[0, i].astype("float64"), VARIANCES
            )
            total += smooth(codes[0, i, label] - target, 1.0)
    assert found == pytest.approx(total / number, rel=1e-4)


def test_hard_negatives_are_the_largest_losses() -> None:
    values = np.array([[0.5, 3.0, 2.0, 0.1, 9.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    positive = np.array([[0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0]], float)
    chosen = array(hardest(tensor(values), tensor(positive), 2.0))
    assert chosen.tolist() == [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 1]]


@pytest.mark.parametrize("focus", [0.0, 2.0])
def test_the_single_shot_loss_is_the_papers(focus: float) -> None:
    random = np.random.default_rng(5)
    boxes, truths = some_boxes(random, 20)[None], some_truths(random, 1, 3, 3)
    truths[0, 0] = [*(boxes[0, 4] + [1, -1, 1, 1]), 2]
    logits, codes = random.normal(size=(1, 20, 4)), random.normal(size=(1, 20, 4))
    rows = tensor(rows_of("ssd", boxes, logits, codes))
    found = float(array(ssd(tensor(truths), rows, **SIZE, classes=3, focus=focus))[0])
    match = matched(tensor(boxes), tensor(truths), 0.5, every=True)
    positive = array(match.positive)[0] > 0
    labels = np.where(positive, array(match.labels)[0], 3)
    values = np.array([entropy(logits[0, i], labels[i]) for i in range(20)])
    if focus:
        total = float((values * (1 - np.exp(-values)) ** focus).sum())
    else:
        hard = np.sort(values[~positive])[::-1][: 3 * int(positive.sum())]
        total = float(values[positive].sum() + hard.sum())
    for i in np.flatnonzero(positive):
        target = encoded(array(match.boxes)[0, i].astype("float64"), boxes[0, i].astype("float64"), VARIANCES)
        total += smooth(codes[0, i] - target, 1.0)
    assert found == pytest.approx(total / positive.sum(), rel=1e-4)


def test_a_picture_without_boxes_and_outputs_far_off_give_finite_losses() -> None:
    truths, random = padded([np.zeros((0, 5))], 3), np.random.default_rng(6)
    boxes = some_boxes(random, 10)[None]
    for kind, loss, shapes in (
        ("rpn", rpn, ((1, 10, 1), (1, 10, 4))),
        ("rois", rois, ((1, 10, 3), (1, 10, 2, 4))),
        ("ssd", ssd, ((1, 10, 3), (1, 10, 4))),
    ):
        logits, codes = (random.normal(size=shape) * 1e3 for shape in shapes)
        value = array(loss(tensor(truths), tensor(rows_of(kind, boxes, logits, codes)), **SIZE, classes=2))
        assert value.shape == (1,)
        assert np.isfinite(value).all(), kind


@pytest.mark.parametrize("kind", ["rois", "ssd"])
def test_rows_that_say_the_truth_are_read_as_the_truth(kind: str) -> None:
    random = np.random.default_rng(7)
    references = some_boxes(random, 6)
    references[:, 0] = np.linspace(0, 45, 6)  # apart, so that suppression leaves all
    references[:, 1] = np.linspace(0, 50, 6)
    references[:, 2:] = references[:, :2] + [8, 12]
    truths = references + np.array([1, 2, 0.5, 3])
    labels = np.arange(6) % 3
    logits = np.full((1, 6, 4), -9.0)
    logits[0, np.arange(6), labels] = 9.0
    codes = encoded(truths, references, VARIANCES)
    if kind == "rois":
        codes = np.where((np.arange(3) == labels[:, None])[..., None], codes[:, None], 0.0)
    rows = rows_of(kind, references[None], logits, codes[None])
    (found,) = detections(kind, rows, {**SIZE, "classes": 3})
    found = found.at_least(0.5)
    order = np.argsort(found.boxes[:, 0])
    assert found.boxes[order] == pytest.approx(truths, rel=1e-4, abs=1e-3)
    assert found.classes[order].tolist() == labels.tolist()
    if kind == "rois":
        rows[0, :, 4] = 0  # proposals that fill up are no detections
        assert not len(detections(kind, rows, {**SIZE, "classes": 3})[0].at_least(0.01))


def test_the_number_of_classes_follows_from_a_row() -> None:
    assert [roi_classes(7 + 5 * n, {}) for n in (1, 3, 20)] == [1, 3, 20]
    assert roi_classes(24, {}) == -1
    assert ssd_classes(12, {}) == 3
    assert HEADS["rpn"].candidates is None
    assert HEADS["rois"].candidates is roi_candidates
    assert HEADS["ssd"].candidates is ssd_candidates

"""Detectors that correct boxes learn to find disks and squares: losses, samples and readers fit together."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from tests.data.test_selective_search import scene

from crosstrain.detection.heads import detections
from crosstrain.detection.precision import Tally, average_precisions
from crosstrain.detection.truths import padded
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.keras_initial import set_seed
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer
from crosstrain.zoo.detection.rcnn import faster_rcnn_small
from crosstrain.zoo.detection.ssd import ssd_lite

SHAPE, CLASSES, MOST = (60, 80, 3), 2, 5
BATCH, STEPS, RATE = 8, 120, 3e-3


def scenes(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [scene(first + number, MOST) for number in range(count)]
    pictures = np.stack([picture for picture, _ in pairs]).astype("float32") / 127.5 - 1
    return pictures, padded([rows for _, rows in pairs], MOST)


def network(name: str) -> keras.Model:
    if name == "ssd":
        return ssd_lite(SHAPE, CLASSES, width=0.5, stages=2, smallest=0.2, largest=0.4)
    return faster_rcnn_small(
        SHAPE, CLASSES, width=0.5, anchor=12.0, scales=2, maps=32, hidden=64, grid=5, considered=60,
        proposals=24,
    )  # fmt: skip


@pytest.mark.parametrize("output", ["rois", "ssd"])
def test_it_finds_what_it_has_learnt(output: str) -> None:
    pytest.importorskip("torch")
    set_seed(0)
    graph, weights = import_model(network(output), None)
    target = {"": {"shape": [MOST, 5], "dtype": "float32", "classes": CLASSES, "boxes": True}}
    loss, constants, chosen, _ = import_loss(None, graph, target)
    program = Program(graph, loss, Optimizer("adam", learning_rate=RATE))
    trained = engines()["torch"].load().build(program, {**weights, **constants}, Setting())
    name = next(key for key in graph.inputs if key != "seed")
    pictures, truths = scenes(0, 48)
    random = np.random.default_rng(0)
    losses = []
    for step in range(STEPS):
        rows = random.permutation(len(pictures))[:BATCH]
        batch = {name: pictures[rows], **{f"target/{key}": truths[rows] for key in chosen}}
        if "seed" in program.training.inputs:
            batch["seed"] = np.int32(step)  # type: ignore[assignment]
        losses.append(float(trained.train(batch, RATE * min(1.0, 2 * (1 - step / STEPS)))))
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    pictures, truths = scenes(100, 16)
    outputs = trained.predict({name: pictures})[output]
    tally = Tally()
    for found, rows in zip(detections(output, outputs, chosen[output].settings), truths, strict=True):
        tally.add(found, rows, CLASSES)
    precision = float(np.mean(average_precisions(tally, CLASSES)[:, 0]))
    assert precision > 0.6, f"mean average precision {precision:.3f}"

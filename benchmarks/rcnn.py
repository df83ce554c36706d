"""R-CNN on a detection data set: what it finds, and where its time goes, selective search apart.

    python benchmarks/rcnn.py --data voc:bccd_voc.tar [--size 120x160] [--network resnet20] [--engine torch]
        [--epochs 5] [--proposals 500] [--json FILE]

As in Girshick et al. 2014, section 2.3: a network learns to tell the regions of the training pictures apart
(a region that overlaps an object by half or more is of its class, others are background); its last layer is
taken away; linear classifiers and the correction of boxes learn from the features that are left. Average
precision is that of the test part, in COCO's way.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import crosstrain
from crosstrain.classic.regions import RCNN, warped
from crosstrain.data.images.selective_search import selective_search
from crosstrain.detection.boxes import iou
from crosstrain.detection.precision import Tally, average_precisions, mean_of_known
from crosstrain.detection.truths import present
from crosstrain.training import spelling

Pictures = list[np.ndarray]
FOREGROUND = 0.5
"""A region that overlaps an object by less is background to the network (section 2.3)."""
REGION = (32, 32)
POSITIVES, NEGATIVES = 32, 96
"""Regions of a picture that the network learns, at most; the paper's shares."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--size", default="120x160")
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--proposals", type=int, default=500)
    parser.add_argument("--limit", type=int, help="of each part only so many pictures, for trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    (size,) = spelling.sizes(arguments.size)
    data = crosstrain.prepare(arguments.data, size=size, channels=3)
    classes: list[str] = data.manifest["classes"]
    train, validation, test = (
        pictures_and_boxes(data, split, arguments.limit) for split in ("train", "validation", "test")
    )

    began = time.perf_counter()
    regions = [labelled_regions(*part, arguments.proposals, len(classes)) for part in (train, validation)]
    made = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trained = crosstrain.train(
            arguments.network, (*regions[0], *regions[1]), engine=arguments.engine, size=REGION[0],
            epochs=arguments.epochs, batch_size=128, optimizer="sgd", learning_rate=0.05,
            schedule="cosine:decay_share=1", out=Path(folder) / "run",
        )  # fmt: skip
        features = penultimate(crosstrain.load(trained.folder))
    learnt = time.perf_counter()

    model = RCNN(features, REGION, proposals=arguments.proposals).fit(
        train[0] + validation[0], train[1] + validation[1]
    )
    fitted = time.perf_counter()
    tally, totals = Tally(), dict.fromkeys(model.seconds_, 0.0)
    for picture, truth in track(list(zip(*test, strict=True)), "Detecting", transient=True):
        tally.add(model.predict([picture])[0], truth, len(classes))
        for stage, seconds in model.seconds_.items():
            totals[stage] += seconds
    precisions = average_precisions(tally, len(classes))
    figures = {
        "regions": len(regions[0][0]),
        "regions_seconds": made - began,
        "network_seconds": learnt - made,
        "fit_seconds": fitted - learnt,
        "seconds_per_picture": {stage: seconds / len(test[0]) for stage, seconds in totals.items()},
        "map_50": mean_of_known(precisions[:, 0]),
        "map": mean_of_known(precisions.ravel()),
        "ap_50": {name: float(value) for name, value in zip(classes, precisions[:, 0], strict=True)},
    }
    show(figures, len(test[0]))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def pictures_and_boxes(data: crosstrain.Prepared, split: str, limit: int | None) -> tuple[Pictures, Pictures]:
    """uint8 (H, W, 3) and boxes (n, 5) of each picture."""
    (x,), (y,) = (list(part.values()) for part in data.arrays(split))
    pictures = [np.round(255 * picture).astype(np.uint8) for picture in x[:limit]]
    return pictures, [present(rows) for rows in y[:limit]]


def labelled_regions(
    pictures: Pictures, truths: Pictures, proposals: int, background: int
) -> tuple[np.ndarray, np.ndarray]:
    """Regions to train the network on, uint8 (n, *REGION, 3), and their classes."""
    random = np.random.default_rng(0)
    regions, labels = [], []
    for picture, truth in track(list(zip(pictures, truths, strict=True)), "Proposing", transient=True):
        boxes = np.concatenate([truth[:, :4], selective_search(picture, proposals)])
        own = np.full(len(boxes), background)
        if len(truth):
            overlaps = iou(boxes, truth[:, :4])
            own = np.where(overlaps.max(axis=1) >= FOREGROUND, truth[overlaps.argmax(axis=1), 4], background)
        chosen = np.concatenate(
            [
                random.permutation(np.flatnonzero((own == background) == far))[:most]
                for far, most in ((False, POSITIVES), (True, NEGATIVES))
            ]
        )
        regions.append(warped(picture, boxes[chosen], REGION, context=2))
        labels.append(own[chosen].astype(np.int64))
    return np.concatenate(regions), np.concatenate(labels)


def penultimate(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """What the layer before the last dense one gives of pictures, uint8 (n, H, W, 3)."""
    import keras

    dense = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    before = keras.Model(model.inputs, dense.input)
    return lambda pictures: np.asarray(before.predict(pictures / np.float32(255), batch_size=256, verbose=0))


def show(figures: dict[str, Any], pictures: int) -> None:
    table = Table(title=f"R-CNN, {pictures} test pictures")
    table.add_column("")
    table.add_column("", justify="right")
    for name, seconds in figures["seconds_per_picture"].items():
        table.add_row(f"{name}, s a picture", f"{seconds:.3f}")
    table.add_row("mAP@0.5", f"{figures['map_50']:.3f}")
    table.add_row("mAP@0.5:0.95", f"{figures['map']:.3f}")
    for name, value in figures["ap_50"].items():
        table.add_row(f"AP@0.5 of {name}", f"{value:.3f}")
    table.add_row(f"making {figures['regions']:,} regions, s", f"{figures['regions_seconds']:.0f}")
    table.add_row("training the network on them, s", f"{figures['network_seconds']:.0f}")
    table.add_row("fitting classifiers and corrections, proposals anew, s", f"{figures['fit_seconds']:.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

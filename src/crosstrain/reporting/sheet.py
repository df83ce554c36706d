"""Contact sheets: examples of a data set as they are, and as training will see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.augmentation.augmenter import Augmenter
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.data.prepared import Prepared
from crosstrain.detection.detections import Detections
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.boxes import outlined
from crosstrain.reporting.montage import LINE, beside, fitted, grid, png, side_of, stacked, text
from crosstrain.reporting.pictures import RANGE_FROM, displayed, value_range
from crosstrain.system.files import write_bytes
from crosstrain.training.augmentation import spelled

NUMBERS = ("rescale", "center-sample", "standardize-sample", "center", "standardize", "zca")
"""Augmentations after which a picture is one no more."""


@dataclass(frozen=True)
class Sheet:
    """A contact sheet that was written. ``examples`` are positions in the training part, ``labels`` what is
    written beside them; ``draws`` counts the augmented pictures of each, ``size`` is [H, W, C]."""

    path: Path
    examples: tuple[int, ...]
    labels: tuple[str, ...]
    draws: int
    augmentation: str
    size: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def write_sheet(
    data: Prepared, augmentation: Mapping[str, Any], path: Path, *, examples: int, draws: int, seed: int
) -> Sheet:
    """Write a sheet (PNG) of ``data``, which is the form for ``augmentation`` that ``data.prepare`` gives.

    A row has an example as it is, then as the epochs 1, 2, … of a training with this seed see it; without an
    augmentation, rows are filled with examples. What normalises numbers is left out, since what comes of it
    is no picture. Raises ``CrosstrainError`` for data without pictures.
    """
    source, statistics = training_form(data)
    array, labels_of = _pictures_of(source), _labels(source)
    chosen = _chosen(source, examples)
    shown = {n: v for n, v in augmentation.items() if n not in NUMBERS}
    low, high = value_range(np.asarray(array[:RANGE_FROM], np.float64))
    truths = {name: data_of for name, data_of in source.arrays("train")[1].items() if name in source.boxes()}
    classes = len(source.manifest["classes"])
    columns = [_outlined(_bytes(np.asarray(array[chosen]), low, high), _at(truths, chosen), classes)]
    augmenter = Augmenter(shown, statistics, seed, truths)
    for epoch in range(draws if augmentation else 0):
        changed, moved = augmenter.batch({"": array}, truths, epoch, chosen)
        columns.append(_outlined(_bytes(changed[""], low, high), moved, classes))
    labels = tuple(labels_of(example) for example in chosen.tolist())
    steps = [str(step).partition(":")[0] for step in source.manifest.get("steps", ())]
    rows = [[displayed(column[row], steps) for column in columns] for row in range(len(chosen))]
    picture = _table(rows, labels) if augmentation else grid([row[0] for row in rows], labels)
    write_bytes(path, png(picture))
    return Sheet(
        path, tuple(chosen.tolist()), labels, len(columns) - 1, spelled(augmentation), array.shape[1:]
    )


# -- what is shown ------------------------------------------------------------------------------------
def _pictures_of(data: Prepared) -> np.ndarray:
    shapes = data.pictures()
    if len(shapes) != 1 or next(iter(shapes.values()))[-1] not in (1, 3):
        raise CrosstrainError(
            f"{data.manifest['spec']} has no single input of grey or colour pictures to show"
        )
    return data.arrays("train")[0][next(iter(shapes))]


def _chosen(data: Prepared, count: int) -> np.ndarray:
    """Positions of ``count`` training examples: classes take turns, each from its first example on."""
    labels = _class_numbers(data)
    if labels is None:
        return np.arange(min(count, data.examples("train")))
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    turn = np.arange(len(order)) - np.searchsorted(sorted_labels, sorted_labels)
    return np.asarray(order[np.argsort(turn, kind="stable")][:count])


def _class_numbers(data: Prepared) -> np.ndarray | None:
    """The class of each training example, where there is one."""
    targets = data.arrays("train")[1]
    if len(targets) != 1 or not data.manifest["classes"]:
        return None
    (target,) = targets.values()
    if target.ndim == 2 and target.shape[1] == len(data.manifest["classes"]):
        return np.asarray(target.argmax(axis=1))
    return np.asarray(target) if target.ndim == 1 and target.dtype.kind == "i" else None


def _labels(data: Prepared) -> Any:
    classes, numbers = list(data.manifest["classes"]), _class_numbers(data)

    def label(example: int) -> str:
        return f"no. {example}" if numbers is None else str(classes[int(numbers[example])])

    return label


def _bytes(pictures: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(np.rint((pictures - low) / (high - low) * 255), 0, 255).astype(np.uint8)


def _at(truths: Mapping[str, np.ndarray], examples: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(array[examples]) for name, array in truths.items()}


def _outlined(pictures: np.ndarray, truths: Mapping[str, np.ndarray], classes: int) -> np.ndarray:
    """Pictures (N, H, W, C) with their boxes in the colours of their classes, where there are any."""
    if not truths:
        return pictures
    rgb = np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures
    return np.stack(
        [
            outlined(picture, Detections.of_truths(rows), classes)
            for picture, rows in zip(rgb, next(iter(truths.values())), strict=True)
        ]
    )


# -- drawing ------------------------------------------------------------------------------------------
def _table(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str]) -> np.ndarray:
    """A row for each example under its label; the first column, the originals, stands apart."""
    side = side_of(rows[0][0])
    heading = [text("as it is", side), *(text(f"epoch {n}", side) for n in range(1, len(rows[0])))]
    strips = [beside(heading, LINE, apart=True)]
    for row, label in zip(rows, labels, strict=True):
        cells = [fitted(picture, side) for picture in row]
        strip = beside(cells, side, apart=True)
        strips += [text(label, strip.shape[1]), strip]
    return stacked(strips)

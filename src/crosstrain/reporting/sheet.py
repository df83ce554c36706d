"""Contact sheets: examples of a data set as they are, and as training will see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.data.augmentation.augmenter import Augmenter
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.pictures import RANGE_FROM, displayed, value_range
from crosstrain.system.files import write_bytes
from crosstrain.training.augmentation import spelled

SMALLEST, LARGEST = 64, 192
"""Pixels of a shown picture's longer side: small ones are enlarged by whole factors, large ones reduced."""
GAP, LINE = 4, 16
"""Pixels between pictures, and of a line of text."""
LETTERS = 0.38
"""Of OpenCV's Hershey font: about 7 pixels a letter."""
PAPER, INK = 255, 40
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
    columns = [_bytes(np.asarray(array[chosen]), low, high)]
    augmenter = Augmenter(shown, statistics, seed)
    for epoch in range(draws if augmentation else 0):
        changed, _ = augmenter.batch({"": array}, {}, epoch, chosen)
        columns.append(_bytes(changed[""], low, high))
    labels = tuple(labels_of(example) for example in chosen.tolist())
    steps = [str(step).partition(":")[0] for step in source.manifest.get("steps", ())]
    rows = [[displayed(column[row], steps) for column in columns] for row in range(len(chosen))]
    picture = _table(rows, labels) if augmentation else _grid([row[0] for row in rows], labels)
    write_bytes(path, _png(picture))
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


# -- drawing ------------------------------------------------------------------------------------------
def _table(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str]) -> np.ndarray:
    """A row for each example under its label; the first column, the originals, stands apart."""
    side = _side(rows[0][0])
    heading = [_text("as it is", side), *(_text(f"epoch {n}", side) for n in range(1, len(rows[0])))]
    strips = [_beside(heading, LINE)]
    for row, label in zip(rows, labels, strict=True):
        cells = [_fitted(picture, side) for picture in row]
        strip = _beside(cells, side)
        strips += [_text(label, strip.shape[1]), strip]
    return _stacked(strips)


def _grid(pictures: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
    """About as many columns as rows, each picture under its label."""
    side = _side(pictures[0])
    columns = int(np.ceil(np.sqrt(len(pictures))))
    cells = [
        np.concatenate([_text(label, side), _fitted(picture, side)])
        for picture, label in zip(pictures, labels, strict=True)
    ]
    return _stacked(
        [_beside(cells[start : start + columns], side + LINE) for start in range(0, len(cells), columns)]
    )


def _side(picture: np.ndarray) -> int:
    longer = int(max(picture.shape[:2]))
    return min(LARGEST, longer * -(-SMALLEST // longer))


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture in RGB, scaled into the corner of a square of ``side``."""
    colours = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    height, width = colours.shape[:2]
    factor = side / max(height, width)
    factor = np.floor(factor) if factor >= 1 else factor
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA
    scaled = cv2.resize(colours, size, interpolation=how)
    cell = np.full((side, side, 3), PAPER, np.uint8)
    cell[: size[1], : size[0]] = scaled
    return cell


def _text(text: str, width: int) -> np.ndarray:
    """A line of text, as much as fits. The font has no letters beyond ASCII."""
    line = np.full((LINE, width, 3), PAPER, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(line, plain, (1, LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, LETTERS, (INK,) * 3, 1, cv2.LINE_AA)
    return line


def _beside(cells: Sequence[np.ndarray], height: int) -> np.ndarray:
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    # The first one, an original, has a wider gap behind it.
    parts = [gap, cells[0], gap, gap] + [part for cell in cells[1:] for part in (cell, gap)]
    return np.concatenate(parts, axis=1)


def _stacked(strips: Sequence[np.ndarray]) -> np.ndarray:
    width = max(strip.shape[1] for strip in strips)
    padded = [
        np.pad(strip, ((0, GAP), (0, width - strip.shape[1]), (0, 0)), constant_values=PAPER)
        for strip in strips
    ]
    return np.concatenate(padded)


def _png(picture: np.ndarray) -> bytes:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(encoded.tobytes())

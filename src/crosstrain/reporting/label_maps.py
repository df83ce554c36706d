"""Label maps as people look at them: a colour for each class, beside the picture and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from crosstrain.data.prepared import VOID
from crosstrain.reporting.montage import GAP, LARGEST, LINE, PAPER, beside, fitted, stacked, text

SMALLEST = 144
"""Pixels of a shown map's longer side, at least: small ones are enlarged by whole factors."""
SWATCH = 12
"""Pixels of a colour in the legend."""
ENTRY = 118
"""Pixels of an entry of the legend."""
STRONG = 0.55
"""How much of the class's colour an overlay has."""


def palette(classes: int) -> np.ndarray:
    """Colours of the classes, uint8 (classes, 3) RGB, far from each other; as those of Pascal VOC's devkit,
    without its black, which is void here."""
    numbers = np.arange(1, classes + 1)
    colours = np.zeros((classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((numbers >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def coloured(labels: np.ndarray, classes: int) -> np.ndarray:
    """A label map (H, W) as RGB, uint8 (H, W, 3); what has no class is black."""
    table = np.zeros((max(classes, VOID) + 1, 3), np.uint8)
    table[:classes] = palette(classes)
    table[VOID] = 0
    return np.asarray(table[labels])


def overlaid(picture: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The picture, uint8 RGB or grey (H, W, C), with the classes' colours over it; the map is enlarged to
    it."""
    rgb = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    if labels.shape != rgb.shape[:2]:
        size = rgb.shape[1], rgb.shape[0]
        labels = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    mixed = cv2.addWeighted(rgb, 1 - STRONG, coloured(labels, classes), STRONG, 0)
    return np.asarray(np.where((labels == VOID)[..., None], rgb, mixed))


def legend(classes: Sequence[str], width: int, present: Sequence[int] | None = None) -> np.ndarray:
    """The classes' names with their colours, in as many lines as ``width`` needs, those ``present`` alone."""
    colours = palette(len(classes))
    numbers = list(range(len(classes)) if present is None else present)
    columns = max(1, width // ENTRY)
    lines = []
    for start in range(0, len(numbers), columns):
        line = np.full((LINE, width, 3), PAPER, np.uint8)
        for column, number in enumerate(numbers[start : start + columns]):
            left = column * ENTRY
            line[2 : 2 + SWATCH, left + 2 : left + 2 + SWATCH] = colours[number]
            room = min(ENTRY - SWATCH - 6, width - left - SWATCH - 6)
            if room > 0:
                line[:, left + SWATCH + 6 : left + SWATCH + 6 + room] = text(classes[number], room)
        lines.append(line)
    return np.concatenate(lines) if lines else np.full((LINE, width, 3), PAPER, np.uint8)


def beside_truth(
    pictures: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    answers: Sequence[np.ndarray],
    classes: Sequence[str],
    labels: Sequence[str],
) -> np.ndarray:
    """A row for each example under its label: the picture, the true map, the network's, and where they differ
    (white: wrong); the legend below."""
    longer, count = max(pictures[0].shape[:2]), len(classes)
    side = min(LARGEST, longer * -(-SMALLEST // longer))
    heading = beside([text(word, side) for word in ("picture", "truth", "answer", "wrong")], LINE)
    strips = [heading]
    for picture, truth, answer, label in zip(pictures, truths, answers, labels, strict=True):
        shown = np.where(truth == VOID, VOID, answer)
        wrong = np.where((truth != VOID) & (truth != answer), 255, 0).astype(np.uint8)
        cells = [picture, coloured(truth, count), coloured(shown, count), wrong[..., None]]
        squares = [fitted(cell, side) for cell in cells]
        height = max(1, int(np.ceil(side * picture.shape[0] / max(picture.shape[:2]))))
        strip = beside([square[:height] for square in squares], height)
        strips += [text(label, strip.shape[1]), strip]
    strips.append(legend(classes, heading.shape[1] - 2 * GAP))
    return stacked(strips)

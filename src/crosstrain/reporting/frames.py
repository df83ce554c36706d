"""What a network sees, drawn on the picture itself: boxes, a map of classes, or the likeliest classes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from crosstrain.prediction.predict import DetectedBox
from crosstrain.prediction.seen import Seen
from crosstrain.reporting.boxes import labelled
from crosstrain.reporting.label_maps import overlaid, palette
from crosstrain.reporting.terminal.text import share

FONT = cv2.FONT_HERSHEY_SIMPLEX
"""OpenCV's Hershey font, which has no letters beyond ASCII."""
LETTERS, LINE, MARGIN = 0.45, 18, 4
PAPER, INK = (255, 255, 255), (30, 30, 30)
SHOWN = 5
"""Lines in the corner of a picture."""


def draw_seen(picture: np.ndarray, seen: Seen, classes: tuple[str, ...]) -> np.ndarray:
    """``picture``, uint8 RGB (H, W, 3), with what was seen on it, as large as it was."""
    drawn = np.ascontiguousarray(picture).copy()
    if seen.detects:
        return with_boxes(drawn, seen.boxes, len(classes))
    if seen.labels is not None:
        r = seen.region
        part = drawn[r.top : r.top + r.height, r.left : r.left + r.width]
        part[:] = overlaid(part, seen.labels, len(classes))
        colours = palette(len(classes))
        shown = [n for n in np.unique(seen.labels).tolist() if n < len(classes)]
        return _listed(drawn, [(classes[n], colours[n].tolist()) for n in shown])
    lines = [
        choice.label if choice.probability is None else f"{share(choice.probability)}  {choice.label}"
        for answer in seen.answers
        for choice in answer.choices
    ]
    lines += [
        words if p is None else f"{share(p)}  {words}" for answer in seen.answers for words, p in answer.texts
    ]
    lines += [
        " ".join(f"{value:.4g}" for value in answer.values[:4]) for answer in seen.answers if answer.values
    ]
    return _listed(drawn, [(line, INK) for line in lines])


def with_boxes(picture: np.ndarray, boxes: Sequence[DetectedBox], classes: int) -> np.ndarray:
    """Draws boxes with class and score onto ``picture``, uint8 RGB (H, W, 3), contiguous; returns it."""
    colours = palette(classes)
    thick = max(1, round(max(picture.shape[:2]) / 400))
    for each in reversed(boxes):
        top, left, bottom, right = (round(edge) for edge in each.box)
        colour = colours[each.number].tolist()
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, thick)
        labelled(picture, f"{each.label} {each.score:.2f}", left, top, colour)
    return picture


def _listed(picture: np.ndarray, lines: Sequence[tuple[str, Sequence[int]]]) -> np.ndarray:
    """Lines of text in the upper left corner, on white, each in its colour."""
    for number, (line, colour) in enumerate(lines[:SHOWN]):
        text, top = _plain(line), number * LINE
        (width, _), _ = cv2.getTextSize(text, FONT, LETTERS, 1)
        cv2.rectangle(picture, (0, top), (width + 2 * MARGIN, top + LINE), PAPER, -1)
        cv2.putText(picture, text, (MARGIN, top + LINE - 5), FONT, LETTERS, tuple(colour), 1, cv2.LINE_AA)
    return picture


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()

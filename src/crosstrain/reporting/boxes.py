"""Boxes as people look at them: drawn on the picture with class and score, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.reporting.label_maps import legend, palette
from crosstrain.reporting.montage import GAP, beside, stacked, text

SMALLEST, LARGEST = 320, 640
"""Pixels of a shown picture's longer side: small ones are enlarged by whole factors, large ones reduced."""
LETTERS = 0.4
SHOWN = 0.25
"""Detections below this score are not drawn."""


def scaled(picture: np.ndarray) -> np.ndarray:
    """The picture, uint8 (H, W, C), in RGB at the size that it is shown at."""
    rgb = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    height, width = rgb.shape[:2]
    longer = max(height, width)
    factor = LARGEST / longer if longer > LARGEST else float(-(-SMALLEST // longer))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return np.ascontiguousarray(cv2.resize(rgb, size, interpolation=how))


def drawn_boxes(
    picture: np.ndarray,
    detections: Detections,
    classes: Sequence[str],
    size: tuple[int, int] | None = None,
    *,
    scores: bool = True,
) -> np.ndarray:
    """The picture, uint8 RGB or grey (H, W, C), enlarged or reduced, with its boxes in the colours of their
    classes. Boxes are in pixels of a picture of ``size`` (height, width), the picture's own where none is
    given."""
    page = scaled(picture)
    height, width = size or picture.shape[:2]
    colours = palette(len(classes))
    factor = np.asarray([page.shape[0] / height, page.shape[1] / width] * 2)
    for box, score, number in zip(
        detections.boxes[::-1], detections.scores[::-1], detections.classes[::-1], strict=True
    ):
        top, left, bottom, right = np.rint(box * factor).astype(int).tolist()
        colour = colours[number].tolist()
        cv2.rectangle(page, (left, top), (right - 1, bottom - 1), colour, 2)
        words = f"{classes[number]} {score:.2f}" if scores else str(classes[number])
        labelled(page, words, left, top, colour)
    return page


def outlined(picture: np.ndarray, detections: Detections, classes: int) -> np.ndarray:
    """The picture, uint8 RGB (H, W, 3), as it is, with lines of a pixel around its boxes."""
    page, colours = np.ascontiguousarray(picture).copy(), palette(classes)
    for box, number in zip(detections.boxes, detections.classes, strict=True):
        top, left, bottom, right = np.rint(box).astype(int).tolist()
        cv2.rectangle(page, (left, top), (right - 1, bottom - 1), colours[number].tolist(), 1)
    return page


def labelled(page: np.ndarray, words: str, left: int, top: int, colour: list[int]) -> None:
    """Words on the colour at the upper left corner, within the picture."""
    plain = words.encode("ascii", "replace").decode()
    (width, height), base = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, LETTERS, 1)
    low = max(top, height + base)
    start = max(0, min(left, page.shape[1] - width))
    cv2.rectangle(page, (start, low - height - base), (start + width, low), colour, -1)
    ink = (0, 0, 0) if sum(colour) > 300 else (255, 255, 255)
    cv2.putText(page, plain, (start, low - base // 2), cv2.FONT_HERSHEY_SIMPLEX, LETTERS, ink, 1, cv2.LINE_AA)


def boxes_beside_truth(
    pictures: Sequence[np.ndarray],
    truths: Sequence[Detections],
    answers: Sequence[Detections],
    classes: Sequence[str],
    labels: Sequence[str],
) -> np.ndarray:
    """A row for each example under its label: the picture with its true boxes, and with the network's; the
    legend below."""
    strips = []
    for picture, truth, answer, label in zip(pictures, truths, answers, labels, strict=True):
        own = [
            drawn_boxes(picture, truth, classes, scores=False),
            drawn_boxes(picture, answer.at_least(SHOWN), classes),
        ]
        strip = beside(own, own[0].shape[0])
        strips += [text(f"{label}: truth, answer", strip.shape[1]), strip]
    strips.append(legend(classes, strips[-1].shape[1] - 2 * GAP))
    return stacked(strips)

"""Pictures with what a network says of them drawn below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.prediction.predict import Answer, DetectedBox, Prediction
from crosstrain.reporting.boxes import drawn_boxes
from crosstrain.reporting.label_maps import legend, overlaid
from crosstrain.reporting.terminal.text import share
from crosstrain.system.files import slug, storage_errors, write_bytes

SMALLEST, LARGEST = 192, 640
"""Pixels of a drawn picture's longer side: small ones are enlarged by whole factors, large ones reduced."""
LINE, LETTERS, MARGIN = 20, 0.45, 4
"""Pixels of a line of text; of OpenCV's Hershey font, which has no letters beyond ASCII; around it."""
PAPER, INK, BAR = 255, 30, (196, 214, 240)
SHOWN = 5
"""Lines below a picture."""


def draw_answers(folder: Path, prediction: Prediction, picture: Callable[[int], np.ndarray | None]) -> int:
    """Write a PNG into ``folder`` for every input that is a picture; returns how many. Its choices are below
    it, each with a bar as long as its probability. Boxes are drawn on it. Where every pixel has a class, it
    is beside its label map, which is also written as it is (``….labels.png``, grey, class numbers)."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    per_input = len(prediction.answers) // max(len(prediction.rows), 1)
    digits, count = len(str(len(prediction.rows))), 0
    for position, row in enumerate(prediction.rows.tolist()):
        original = picture(row)
        if original is None:
            continue
        answers = prediction.answers[position * per_input : (position + 1) * per_input]
        name = f"{position + 1:0{digits}d}-{slug(Path(answers[0].input).stem)}"
        boxes = [box for answer in answers for box in answer.boxes]
        maps = [prediction.outputs[a.output][position].argmax(axis=-1) for a in answers if a.areas]
        if maps:
            write_bytes(folder / f"{name}.png", _png(drawn_map(original, maps[0], prediction.classes)))
            write_bytes(folder / f"{name}.labels.png", _png_of_labels(maps[0]))
        elif boxes or _detects(prediction):
            write_bytes(folder / f"{name}.png", _png(_boxed(original, boxes, prediction.classes)))
        else:
            write_bytes(folder / f"{name}.png", _png(drawn(original, answers)))
        count += 1
    return count


def drawn(picture: np.ndarray, answers: Sequence[Answer]) -> np.ndarray:
    """The picture, uint8 RGB (H, W, 3), with the answers below it."""
    scaled = _scaled(picture)
    width = max(scaled.shape[1], SMALLEST)
    page = np.full((scaled.shape[0], width, 3), PAPER, np.uint8)
    left = (width - scaled.shape[1]) // 2
    page[:, left : left + scaled.shape[1]] = scaled
    lines = [line for answer in answers for line in _lines(answer)]
    return np.concatenate([page, *(_line(text, part, width) for text, part in lines[:SHOWN])])


def _detects(prediction: Prediction) -> bool:
    """Whether the answers are boxes, though one picture may have none."""
    return any(answer.boxes for answer in prediction.answers)


def _boxed(picture: np.ndarray, boxes: Sequence[DetectedBox], classes: Sequence[str]) -> np.ndarray:
    """The picture, uint8 RGB (H, W, 3), with its boxes, their classes and scores."""
    detections = Detections(
        np.asarray([box.box for box in boxes], np.float32).reshape(-1, 4),
        np.asarray([box.score for box in boxes], np.float32),
        np.asarray([box.number for box in boxes], np.int32),
    )
    return drawn_boxes(picture, detections, classes)


def drawn_map(picture: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The picture, uint8 RGB (H, W, 3), the same under the colours of the label map, and the classes'
    names."""
    scaled = _scaled(picture)
    page = np.concatenate([scaled, overlaid(scaled, labels, len(classes))], axis=1)
    return np.concatenate([page, legend(classes, page.shape[1], np.unique(labels).tolist())])


def _lines(answer: Answer) -> list[tuple[str, float]]:
    """What is written, each with the part of the line that is shaded."""
    front = f"{answer.output}: " if answer.output not in ("", "output") and not answer.choices else ""
    if answer.texts:
        return [
            (front + (words if p is None else f"{share(p)}  {words}"), p or 0.0) for words, p in answer.texts
        ]
    if not answer.choices:
        return [(front + ", ".join(f"{value:.4g}" for value in answer.values[:4]), 0.0)]
    return [
        (c.label if c.probability is None else f"{share(c.probability)}  {c.label}", c.probability or 0.0)
        for c in answer.choices
    ]


def _line(text: str, part: float, width: int) -> np.ndarray:
    line = np.full((LINE, width, 3), PAPER, np.uint8)
    line[2:-2, : round(part * width)] = BAR
    plain = text.encode("ascii", "replace").decode()
    place = (MARGIN, LINE - 6)
    cv2.putText(line, plain, place, cv2.FONT_HERSHEY_SIMPLEX, LETTERS, (INK,) * 3, 1, cv2.LINE_AA)
    return line


def _scaled(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    longer = max(height, width)
    if longer > LARGEST:
        size = max(1, round(width * LARGEST / longer)), max(1, round(height * LARGEST / longer))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    factor = -(-SMALLEST // longer)
    size = width * factor, height * factor
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST))


def _png_of_labels(labels: np.ndarray) -> bytes:
    _, encoded = cv2.imencode(".png", labels.astype(np.uint8))
    return bytes(encoded.tobytes())


def _png(picture: np.ndarray) -> bytes:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(encoded.tobytes())

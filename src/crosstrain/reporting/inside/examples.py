"""Test examples with what a network makes of them, pixel by pixel or box by box, written as ``look`` writes
its views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.examples import Examples
from crosstrain.reporting.boxes import SHOWN, boxes_beside_truth
from crosstrain.reporting.label_maps import beside_truth
from crosstrain.reporting.montage import png
from crosstrain.reporting.page.insides import RECORD
from crosstrain.reporting.pictures import as_pictures
from crosstrain.system.files import storage_errors, write_bytes, write_json
from crosstrain.training.metrics import Reading
from crosstrain.training.scores.boxes import map_of_picture
from crosstrain.training.scores.pixels import mean_iou, picture_counts

Pictures = Sequence[np.ndarray]
Scores = tuple[float | None, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of answers: what a network ``gives``, what they are called (``what``), which readings give
    them, the score of each example and its ``title``, and how they are drawn with a label for each; ``name``
    is that of the file."""

    gives: str
    what: str
    name: str
    title: str
    caption: str
    fits: Callable[[Reading], bool]
    scores: Callable[[Examples], Scores]
    draw: Callable[[Examples, Pictures, Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class ExamplesSheet:
    """Answers beside the truth that were written to ``path``: of which test ``examples``, with the score of
    each, which is the ``measure``."""

    path: Path
    network: str
    weights: str
    examples: tuple[int, ...]
    scores: Scores
    measure: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def _map_scores(asked: Examples) -> Scores:
    answers = asked.reading.answers(asked.outputs)
    return tuple(
        mean_iou(picture_counts(asked.reading, *pair)) for pair in zip(answers, asked.targets, strict=True)
    )


def _drawn_maps(asked: Examples, pictures: Pictures, labels: Sequence[str]) -> np.ndarray:
    answers = asked.reading.answers(asked.outputs).astype(np.int64)
    return beside_truth(pictures, list(asked.targets), list(answers), asked.classes, labels)


def _box_scores(asked: Examples) -> Scores:
    detections = asked.reading.detections(asked.outputs)
    return tuple(
        map_of_picture(each, rows, len(asked.classes))
        for each, rows in zip(detections, asked.targets, strict=True)
    )


def _drawn_boxes(asked: Examples, pictures: Pictures, labels: Sequence[str]) -> np.ndarray:
    truths = [Detections.of_truths(rows) for rows in asked.targets]
    detections = asked.reading.detections(asked.outputs)
    return boxes_beside_truth(pictures, truths, detections, asked.classes, labels)


KINDS = (
    Kind(
        "gives every pixel a class", "label maps", "label-maps", "mean IoU",
        "Picture, truth, answer, and where they differ; what has no class is black.",
        lambda reading: reading.maps, _map_scores, _drawn_maps,
    ),
    Kind(
        "gives boxes", "boxes", "boxes", "mAP@0.5",
        f"Truth, and answer with its scores; boxes of a score below {SHOWN} are not drawn.",
        lambda reading: reading.boxes, _box_scores, _drawn_boxes,
    ),
)  # fmt: skip


def kind_of(readings: Sequence[Reading]) -> Kind | None:
    """The kind that a network's answers are looked at as; None where they are of neither."""
    return next((kind for kind in KINDS if any(map(kind.fits, readings))), None)


def write_examples(kind: Kind, asked: Examples, weights: str, folder: Path) -> ExamplesSheet:
    """Write the picture, and the record that a report shows it by, to ``folder``. ``CrosstrainError`` for
    inputs that are no pictures."""
    pictures = as_pictures(asked.data, asked.positions)
    if isinstance(pictures, str):
        raise CrosstrainError(pictures)
    scores = kind.scores(asked)
    labels = [
        f"test example {position}" + ("" if score is None else f", {kind.title} {score:.3f}")
        for position, score in zip(asked.positions.tolist(), scores, strict=True)
    ]
    sheet = kind.draw(asked, pictures, labels)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    file = f"{kind.name}.png"
    write_bytes(folder / file, png(sheet))
    view = {
        "name": kind.name, "title": kind.what.capitalize(), "file": file, "caption": kind.caption,
    }  # fmt: skip
    write_json(
        folder / RECORD,
        {"network": asked.network, "weights": weights, "picture": "test examples", "views": [view]},
    )
    return ExamplesSheet(
        folder / file, asked.network, weights, tuple(asked.positions.tolist()), scores, kind.title
    )

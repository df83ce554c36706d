"""Test examples with what a network makes of them, pixel by pixel, written as ``look`` writes its views."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.prediction.maps import MapAnswers
from crosstrain.reporting.label_maps import beside_truth
from crosstrain.reporting.montage import png
from crosstrain.reporting.page.insides import RECORD
from crosstrain.reporting.pictures import as_pictures
from crosstrain.system.files import storage_errors, write_bytes, write_json

FILE = "label-maps.png"


@dataclass(frozen=True)
class MapsSheet:
    """Label maps beside the truth that were written to ``path``: of which test ``examples``, with the mean
    IoU of each."""

    path: Path
    network: str
    weights: str
    examples: tuple[int, ...]
    scores: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def write_maps(answered: MapAnswers, weights: str, folder: Path) -> MapsSheet:
    """Write ``label-maps.png``, and the record that a report shows it by, to ``folder``. ``CrosstrainError``
    for inputs that are no pictures."""
    pictures = as_pictures(answered.data, answered.positions)
    if isinstance(pictures, str):
        raise CrosstrainError(pictures)
    labels = [
        f"test example {position}" + ("" if score is None else f", mean IoU {score:.3f}")
        for position, score in zip(answered.positions.tolist(), answered.scores, strict=True)
    ]
    sheet = beside_truth(
        pictures, list(answered.truths), list(answered.answers.astype(np.int64)), answered.classes, labels
    )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / FILE, png(sheet))
    view = {
        "name": "label-maps", "title": "Label maps", "file": FILE,
        "caption": "Picture, truth, answer, and where they differ; what has no class is black.",
    }  # fmt: skip
    write_json(
        folder / RECORD,
        {"network": answered.network, "weights": weights, "picture": "test examples", "views": [view]},
    )
    return MapsSheet(
        folder / FILE, answered.network, weights, tuple(answered.positions.tolist()), answered.scores
    )

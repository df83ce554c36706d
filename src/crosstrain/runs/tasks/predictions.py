"""What a trained network answered on each test example, kept beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crosstrain.system.files import arrays_if_whole
from crosstrain.training.metrics import Reading

SUFFIX = ".test.npz"
"""How the names of these files end."""
MOST_PIXELS = 1 << 26
"""Of kept label maps, a byte each."""
MOST_NUMBERS = 10_000_000
"""Of predicted numbers; a test set with more keeps none."""


def predictions_file(cells: Path, name: str) -> Path:
    """Where the answers of the cell ``name`` lie, ``cells`` being the folder of a comparison's cells."""
    return cells / f"{name}{SUFFIX}"


def read_predictions(cells: Path, name: str) -> dict[str, np.ndarray]:
    """What ``Predictions`` kept of the cell ``name``; empty where the file is missing or torn."""
    return arrays_if_whole(predictions_file(cells, name))


class Predictions:
    """Gathers, batch by batch, the answers of the first output that has one class for each example, or one
    for each of its pixels, or boxes, or one row of numbers.

    Of classes a few numbers for each example are kept, or a label map, never the outputs themselves; of label
    maps the first ones, up to ``MOST_PIXELS``; of numbers to predict the outputs, as long as they are not too
    many.
    """

    def __init__(self) -> None:
        self._output: str | None = None
        self._parts: list[dict[str, np.ndarray]] = []
        self._pixels = 0
        self._numbers = 0
        self._further: dict[str, np.ndarray] = {}
        self._pictures = 0

    def update(self, output: str, reading: Reading, outputs: np.ndarray, targets: np.ndarray) -> None:
        """One batch of ``output``; outputs that are read otherwise, or come second, are passed over."""
        if self._output not in (None, output):
            return
        if reading.head:
            self._add_detections(output, reading, outputs)
            return
        if reading.classes is None:
            self._add_numbers(output, outputs, targets)
            return
        if reading.transcription is not None:
            return
        predicted = reading.answers(outputs)
        if reading.maps:
            self._output = output
            self._pixels += predicted.size
            if not self._parts or self._pixels <= MOST_PIXELS:
                self._parts.append({"label_maps": predicted.astype(np.uint8)})
            return
        if predicted.ndim != 1:
            return
        self._output = output
        true = reading.truths(outputs, targets)
        probabilities = reading.probabilities(outputs)
        self._parts.append(
            {
                "predicted": predicted.astype(np.int32),
                "true": true.astype(np.int32),
                "probability": _at(probabilities, predicted),
                "true_probability": _at(probabilities, true),
            }
        )

    def _add_detections(self, output: str, reading: Reading, outputs: np.ndarray) -> None:
        if not reading.boxes:
            return
        self._output = output
        for each in reading.detections(outputs):
            picture = np.full(len(each), self._pictures, np.int32)
            self._pictures += 1
            rows = {"boxes": each.boxes, "scores": each.scores, "classes": each.classes}
            self._parts.append({**rows, "pictures": picture})

    def _add_numbers(self, output: str, outputs: np.ndarray, targets: np.ndarray) -> None:
        if outputs.ndim != 2 or targets.size != outputs.size or self._numbers > MOST_NUMBERS:
            return
        self._output = output
        self._numbers += outputs.size
        if self._numbers > MOST_NUMBERS:
            self._parts.clear()
            return
        rows = {"output": outputs, "target": targets.reshape(outputs.shape)}
        self._parts.append({name: each.astype(np.float32) for name, each in rows.items()})

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Further arrays to keep: what was ``said`` of the pictures in ``rows``."""
        self._further.update(arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """``predicted`` and ``true``, int32 (N,), classes; ``probability`` and ``true_probability``, float32
        (N,), what the network gave those two, NaN where its outputs are no probabilities. Of label maps
        ``label_maps``, uint8 (N, H, W). Of detectors ``boxes``, float32 (M, 4), ``scores``, ``classes`` and
        the positions of the ``pictures`` that they are of, (M,). In the order of the test set. Of numbers to
        predict ``output`` and ``target``, float32 (N, numbers). Of captions ``said``, int64 (pictures,
        length), and ``rows``. Empty where no output is any of these."""
        names = self._parts[0] if self._parts else ()
        return {name: np.concatenate([part[name] for part in self._parts]) for name in names} | self._further


def _at(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Each row's probability of its class; NaN for a label that the network has no output for."""
    known = (classes >= 0) & (classes < probabilities.shape[-1])
    picked = probabilities[np.arange(len(classes)), np.where(known, classes, 0)]
    return np.where(known, picked, np.nan).astype(np.float32)

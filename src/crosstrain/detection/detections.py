"""What a detector says of a picture, once suppression has been at work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """``boxes`` float32 (n, 4), in pixels of the prepared picture, ``scores`` float32 (n,) in [0, 1],
    ``classes`` int32 (n,); the best score first."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def at_least(self, score: float) -> Detections:
        """Those of at least this score."""
        return self.take(np.flatnonzero(self.scores >= score))

    def take(self, rows: np.ndarray) -> Detections:
        return Detections(self.boxes[rows], self.scores[rows], self.classes[rows])

    @classmethod
    def of_truths(cls, rows: np.ndarray) -> Detections:
        """True boxes (n, 5), padding left out, each of score 1."""
        own = rows[rows[:, 4] >= 0]
        return cls(own[:, :4].astype(np.float32), np.ones(len(own), np.float32), own[:, 4].astype(np.int32))

"""Cross-entropies and the CTC loss."""

from __future__ import annotations

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, truth, whole, within


def cases() -> list[OpCase]:
    classes, rows = whole(4, 5), whole(4, 2, 3)
    logits = normal(5, 4)
    spelled, lengths = (
        np.array([[1, 2, 2], [3, 1, 0]]),
        (np.array([3, 2], "int32"), np.array([7, 5], "int32")),
    )
    probabilities = within(0.1, 1, 5, 4)
    return [
        OpCase("categorical_crossentropy", (np.eye(4)[classes], logits), {"from_logits": True}),
        OpCase(
            "categorical_crossentropy",
            (np.eye(4)[classes], probabilities),
            {"from_logits": False},
            "probabilities",
        ),
        OpCase("sparse_categorical_crossentropy", (classes, logits), {"from_logits": True}),
        OpCase(
            "sparse_categorical_crossentropy",
            (classes.astype("int32"), logits),
            {"from_logits": True},
            "int32",
        ),
        OpCase("sparse_categorical_crossentropy", (rows, normal(2, 3, 4)), {"from_logits": True}, "pixels"),
        OpCase(
            "sparse_categorical_crossentropy",
            (classes, probabilities),
            {"from_logits": False},
            "probabilities",
        ),
        OpCase("ctc_loss", (spelled, normal(2, 7, 4), *lengths), {"blank": 0}),
        OpCase(
            "binary_crossentropy", (truth(3, 2).astype("float64"), normal(3, 2) * 3), {"from_logits": True}
        ),
        OpCase(
            "binary_crossentropy",
            (within(0, 1, 3, 2), within(0.1, 0.9, 3, 2)),
            {"from_logits": False},
            "probabilities",
        ),
    ]

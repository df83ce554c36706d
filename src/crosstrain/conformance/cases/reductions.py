"""Reductions, orderings and products."""

from __future__ import annotations

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, spread, truth, whole


def cases() -> list[OpCase]:
    cases = []
    for op in ("sum", "mean", "max", "min", "prod", "variance", "logsumexp"):
        cases += [
            OpCase(op, (spread(2, 3, 4),), {"axis": (0, 2)}),
            OpCase(op, (spread(2, 3, 4),), {"axis": None}, "all"),
            OpCase(op, (spread(2, 3, 4),), {"axis": -2, "keepdims": True}, "kept"),
        ]
    for op in ("any", "all"):
        cases += [OpCase(op, (truth(3, 4),), {"axis": 1}), OpCase(op, (truth(3, 4),), {"axis": None}, "all")]
    ties = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 0.0, 0.0, 2.0]])
    return [
        *cases,
        OpCase("sum", (whole(9, 3, 4),), {"axis": 0}, "whole"),
        OpCase("argmax", (ties,), {"axis": -1}),
        OpCase("argmax", (ties,), {"axis": 0, "keepdims": True}, "kept"),
        OpCase("argmin", (ties,), {"axis": -1}),
        OpCase("cumsum", (normal(3, 4),), {"axis": 1}),
        OpCase("sort", (spread(3, 5),)),
        OpCase("sort", (spread(3, 5),), {"axis": 0}, "first"),
        OpCase("top_k", (spread(3, 6),), {"k": 2}),
        OpCase("top_k", (ties,), {"k": 3}, "ties", (0,)),
        OpCase("matmul", (normal(2, 3, 4), normal(4, 5))),
        OpCase("matmul", (normal(2, 1, 3, 4), normal(5, 4, 2)), label="broadcast"),
        OpCase("matmul", (normal(3, 4), normal(4)), label="vector"),
        OpCase("einsum", (normal(2, 3, 4), normal(4, 5, 3)), {"equation": "abc,cde->abde"}),
        OpCase("einsum", (normal(3, 4),), {"equation": "ab->ba"}, "one"),
    ]

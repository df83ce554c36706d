"""Activations, with their far ends and over other axes."""

from __future__ import annotations

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, spread


def cases() -> list[OpCase]:
    x = spread(5, 6)
    return [
        OpCase("softmax", (normal(2, 3, 4),)),
        OpCase("softmax", (normal(2, 3, 4),), {"axis": 1}, "middle"),
        OpCase("softmax", (normal(2, 3, 4),), {"axis": (1, 2)}, "two_axes"),
        OpCase("softmax", (np.array([[900.0, -900.0, 899.0]]),), {}, "far"),
        OpCase("log_softmax", (normal(2, 3, 4),)),
        OpCase("log_softmax", (200 * normal(2, 3, 4),), {}, "far"),
        OpCase("log_softmax", (normal(2, 3, 4),), {"axis": (0, 2)}, "two_axes"),
        OpCase("leaky_relu", (x,), {"negative_slope": 0.3}),
        OpCase("elu", (x,)),
        OpCase("elu", (x,), {"alpha": 0.7}, "alpha"),
        OpCase("celu", (x,), {"alpha": 0.7}),
        OpCase("gelu", (normal(3, 4),), {"approximate": True}, "tanh"),
        OpCase("soft_shrink", (x,), {"threshold": 0.6}),
        OpCase("hard_shrink", (x,), {"threshold": 0.6}),
        OpCase("threshold", (x,), {"threshold": 0.6, "value": 20.0}),
        OpCase("squareplus", (x,), {"b": 3.0}),
        OpCase("glu", (normal(3, 4),)),
        OpCase("glu", (normal(4, 3, 2),), {"axis": 1 - 1}, "first"),
    ]

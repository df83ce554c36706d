"""What moves, cuts, repeats and gathers."""

from __future__ import annotations

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, whole


def cases() -> list[OpCase]:
    x = normal(3, 4, 5)
    cut = {"starts": (None, 1, -4), "stops": (None, 4, None), "strides": (1, 2, 1)}
    turned = {"starts": (None, 3, -2), "stops": (None, None, 0), "strides": (-1, -2, -1)}
    hollow = {"starts": (0, 2, 0), "stops": (3, 1, 5), "strides": (1, 1, 1)}
    pairs = ((0, 0), (2, 1), (1, 2))
    return [
        OpCase("reshape", (x,), {"shape": (-1, 10)}),
        OpCase("transpose", (x,), {"axes": (2, 0, 1)}),
        OpCase("expand_dims", (x,), {"axis": 1}),
        OpCase("expand_dims", (x,), {"axis": -1}, "last"),
        OpCase("squeeze", (normal(3, 1, 2, 1),), {"axis": (1, 3)}),
        OpCase("squeeze", (normal(3, 1, 2),), {"axis": 1}, "one"),
        OpCase("concatenate", (x, normal(3, 2, 5)), {"axis": 1}),
        OpCase("stack", (x, normal(3, 4, 5)), {"axis": 1}),
        OpCase("split", (x,), {"sizes": (1, 3, 1), "axis": 2}),
        OpCase("slice", (x,), cut),
        OpCase("slice", (x,), turned, "turned"),
        OpCase("slice", (whole(9, 3, 4, 5),), hollow, "hollow"),
        OpCase("tile", (x,), {"repeats": (1, 2, 3)}),
        OpCase("repeat", (x,), {"repeats": 2, "axis": 1}),
        OpCase("broadcast_to", (normal(3, 1),), {"shape": (2, -1, 4)}),
        OpCase("full_like", (x,), {"value": 2.5}),
        OpCase("flip", (x,), {"axis": 1}),
        OpCase("flip", (x,), {"axis": (0, 2)}, "two"),
        OpCase("roll", (x,), {"shift": -2, "axis": 1}),
        OpCase("roll", (x,), {"shift": 4, "axis": 1}, "all_round"),
        OpCase("pad", (x,), {"padding": pairs, "mode": "constant", "value": -1.5}),
        OpCase("pad", (x,), {"padding": pairs, "mode": "reflect"}, "reflect"),
        OpCase("pad", (x,), {"padding": pairs, "mode": "symmetric"}, "symmetric"),
        OpCase("take", (normal(6, 4), whole(6, 2, 3)), {"axis": 0}),
        OpCase("take", (normal(3, 6, 2), np.array([0, 5, 5, -1], "int32")), {"axis": 1}, "middle"),
        OpCase("take_along_axis", (normal(3, 5), whole(5, 3, 2)), {"axis": 1}),
        OpCase("one_hot", (np.array([[0, 3], [7, -1]]),), {"classes": 4, "axis": -1}),
        OpCase("one_hot", (whole(3, 5).astype("int32"),), {"classes": 3, "axis": 0}, "first"),
    ]

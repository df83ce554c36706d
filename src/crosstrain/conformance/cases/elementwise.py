"""Operations entry by entry, comparisons and casts."""

from __future__ import annotations

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, spread, truth, whole, within


def cases() -> list[OpCase]:
    smooth = [
        "negative",
        "exp",
        "expm1",
        "sin",
        "cos",
        "tan",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "erf",
        "sigmoid",
        "softplus",
        "square",
        "linear",
        "gelu",
        "silu",
        "softsign",
        "log_sigmoid",
        "tanh_shrink",
    ]
    kinked = [
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "relu",
        "relu6",
        "selu",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "isnan",
        "isfinite",
    ]
    cases = [OpCase(op, (normal(3, 4),), {"approximate": False} if op == "gelu" else {}) for op in smooth]
    cases += [OpCase(op, (spread(4, 5) * 2,)) for op in kinked]
    cases += [OpCase(op, (within(0.2, 3, 3, 4),)) for op in ("log", "log1p", "sqrt", "rsqrt", "reciprocal")]
    cases += [OpCase(op, (within(-0.9, 0.9, 3, 4),)) for op in ("arcsin", "arccos", "arctanh")]
    cases += [OpCase("arccosh", (within(1.2, 3, 3, 4),))]
    cases += [
        OpCase(op, (normal(3, 1), normal(2, 1, 4)))
        for op in ("add", "subtract", "multiply", "logaddexp", "squared_difference")
    ]
    cases += [OpCase(op, (normal(3, 4), within(0.5, 2, 4))) for op in ("divide", "arctan2")]
    cases += [OpCase(op, (spread(3, 4), spread(3, 4) + 0.02)) for op in ("maximum", "minimum")]
    cases += [OpCase("power", (within(0.3, 2, 3, 4), normal(3, 4)))]
    cases += [
        OpCase(op, (spread(4, 5), np.array([1.5, -1.5, 0.7, -0.7, 2.0]))) for op in ("mod", "floor_divide")
    ]
    cases += [OpCase("floor_divide", (whole(20, 5) - 10, np.full(5, 3)), label="whole")]
    cases += [OpCase("mod", (whole(20, 5) - 10, np.full(5, 3)), label="whole")]
    for op in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
        cases += [
            OpCase(op, (whole(3, 4, 5), whole(3, 5))),
            OpCase(op, (normal(3, 4), normal(4)), label="floats"),
        ]
    cases += [OpCase(op, (truth(4, 5), truth(4, 5))) for op in ("logical_and", "logical_or", "logical_xor")]
    cases += [OpCase("logical_not", (truth(4, 5),))]
    cases += [
        OpCase("where", (truth(3, 4), normal(3, 4), normal(4))),
        OpCase("clip", (spread(4, 5),), {"minimum": -1.0, "maximum": 2.0}),
        OpCase("clip", (spread(4, 5),), {"minimum": None, "maximum": 2.0}, "above"),
        OpCase("cast", (normal(3, 4),), {"dtype": "float32"}),
        OpCase("cast", (whole(9, 4),), {"dtype": "float32"}, "whole"),
        OpCase("cast", (truth(3, 4),), {"dtype": "int32"}, "truth"),
        OpCase("cast", (spread(3, 4),), {"dtype": "int32"}, "to_whole"),
        OpCase("stop_gradient", (normal(3),)),
        OpCase("constant", (), {"value": ((1.5, -2.0), (0.0, 1e-9)), "dtype": "float32"}),
        OpCase("constant", (), {"value": 3, "dtype": "int64"}, "whole"),
        OpCase("softplus", (np.array([-900.0, -40.0, 21.0, 60.0, 900.0]),), label="far"),
        OpCase("sigmoid", (np.array([-900.0, -40.0, 21.0, 60.0, 900.0]),), label="far"),
        OpCase("log_sigmoid", (np.array([-900.0, -40.0, 21.0, 60.0, 900.0]),), label="far"),
    ]
    return cases

"""For every op of the vocabulary: inputs and attributes to try it on, also those that take an engine's
own form off its usual path (uneven padding, other axes, other activations)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OpCase:
    """One application. ``constant`` inputs, by number, have no gradient; other floats have, if the op has."""

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    constant: tuple[int, ...] = ()

    def differentiable(self, index: int) -> bool:
        array = self.inputs[index]
        has = array is not None and array.dtype.kind == "f"
        return has and self.op not in WITHOUT_GRADIENT and index not in self.constant

    @property
    def name(self) -> str:
        return f"{self.op}_{self.label}" if self.label else self.op


NOT_IN_GRAPHS = {"scan", "phase_select", "augment_select"}
"""Ops that no node names when it runs: a helper of the namespace, and those that ``Graph.phase`` resolves."""

NOISE = {
    "random_uniform",
    "random_normal",
    "dropout",
    "alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "uniform_noise",
}
"""Ops whose numbers are each framework's own; the contract tests look at their statistics."""

WITHOUT_GRADIENT = {
    "sign", "floor", "ceil", "round", "floor_divide", "mod", "argmax", "argmin", "isnan", "isfinite",
    "logical_not", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal",
    "logical_and", "logical_or", "logical_xor",
    "any", "all", "stop_gradient", "full_like", "constant", "one_hot",
}  # fmt: skip

STOPPED_OUTPUTS = {"batch_norm": {1, 2}}
"""Outputs, by number, through which no gradient flows: the next moving statistics."""

_random = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return _random.standard_normal(shape)


def within(low: float, high: float, *shape: int) -> np.ndarray:
    return _random.uniform(low, high, shape)


def spread(*shape: int) -> np.ndarray:
    """Numbers with gaps between them, so that a small step changes no order; none within 0.01 of a kink."""
    count = int(np.prod(shape))
    values = np.linspace(-4.03, 4.09, count)
    return _random.permutation(values).reshape(shape)


def whole(high: int, *shape: int) -> np.ndarray:
    return _random.integers(0, high, shape)


def truth(*shape: int) -> np.ndarray:
    return _random.random(shape) < 0.5


def _elementwise() -> list[OpCase]:
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


def _activations() -> list[OpCase]:
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


def _reductions() -> list[OpCase]:
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


def _windows() -> list[OpCase]:
    def conv(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        spatial = x.ndim - 2
        plain = {
            "strides": (1,) * spatial,
            "padding": ((0, 0),) * spatial,
            "dilation": (1,) * spatial,
            "groups": 1,
        }
        return OpCase("conv", (x, kernel, normal(kernel.shape[-1])), plain | changes, label)

    def depthwise(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
        bias = normal(kernel.shape[-1] * kernel.shape[-2])
        return OpCase("depthwise_conv", (x, kernel, bias), plain | changes, label)

    def transposed(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        spatial = x.ndim - 2
        plain = {"strides": (2,) * spatial, "crop": ((0, 0),) * spatial, "dilation": (1,) * spatial}
        return OpCase("conv_transpose", (x, kernel, normal(kernel.shape[-2])), plain | changes, label)

    def pools(label: str, x: Any, **attributes: Any) -> list[OpCase]:
        return [OpCase(op, (x,), attributes, label) for op in ("max_pool", "average_pool")]

    image = normal(2, 6, 5, 4)
    return [
        conv("", image, normal(3, 2, 4, 3)),
        conv("even", image, normal(3, 3, 4, 3), padding=((1, 1), (1, 1))),
        conv("uneven", image, normal(3, 3, 4, 3), padding=((0, 1), (2, 1)), strides=(2, 1)),
        conv("dilated", image, normal(2, 2, 4, 3), dilation=(2, 3)),
        conv("groups", image, normal(2, 2, 2, 6), groups=2, strides=(1, 2)),
        conv("one", normal(2, 7, 3), normal(3, 3, 5), padding=((2, 0),), strides=(2,)),
        conv("one_axis_even", normal(2, 7, 3), normal(3, 3, 5), padding=((1, 1),), dilation=(2,)),
        conv(
            "three",
            normal(2, 4, 3, 5, 2),
            normal(2, 2, 2, 2, 3),
            padding=((1, 0), (0, 0), (1, 1)),
            strides=(1, 1, 2),
        ),
        conv("grey", normal(2, 5, 5, 1), normal(3, 3, 1, 2)),
        OpCase(
            "conv",
            (image, normal(1, 1, 4, 2)),
            {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)},
            "no_bias",
        ),
        depthwise("", image, normal(3, 3, 4, 1), padding=((1, 1), (1, 1))),
        depthwise("multiplied", image, normal(2, 3, 4, 2), padding=((0, 1), (1, 1)), strides=(2, 2)),
        transposed("", normal(2, 3, 4, 3), normal(3, 2, 5, 3)),
        transposed("cropped", normal(2, 3, 4, 3), normal(3, 3, 2, 3), crop=((0, 1), (1, 1))),
        transposed("grown", normal(2, 3, 4, 3), normal(2, 3, 2, 3), crop=((0, -1), (1, -2)), strides=(3, 2)),
        transposed(
            "dilated",
            normal(2, 3, 4, 3),
            normal(2, 2, 2, 3),
            dilation=(2, 2),
            strides=(1, 1),
            crop=((1, 0), (0, 0)),
        ),
        transposed("one_axis", normal(2, 5, 3), normal(4, 2, 3), crop=((1, 1),)),
        transposed("three_axes", normal(1, 2, 3, 2, 2), normal(2, 2, 3, 2, 2)),
        *pools("", spread(2, 4, 6, 3), window=(2, 3), strides=(2, 2), padding=((0, 0), (0, 0))),
        *pools("even", spread(2, 5, 5, 2), window=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))),
        *pools("uneven", spread(2, 5, 4, 2), window=(3, 2), strides=(2, 2), padding=((0, 1), (1, 0))),
        *pools("wide", spread(1, 3, 3, 2), window=(3, 3), strides=(1, 1), padding=((2, 2), (2, 1))),
        *pools("one_axis", spread(2, 7, 2), window=(3,), strides=(2,), padding=((0, 1),)),
        *pools(
            "three_axes",
            spread(1, 4, 3, 4, 2),
            window=(2, 2, 2),
            strides=(2, 1, 2),
            padding=((0, 0), (0, 1), (0, 0)),
        ),
        OpCase("dense", (normal(3, 4), normal(4, 2), normal(2))),
        OpCase("dense", (normal(2, 3, 4), normal(4, 2)), label="no_bias"),
        OpCase("dense", (normal(2, 3, 4), normal(4, 2), normal(2)), label="series"),
        OpCase("upsample_nearest", (normal(2, 3, 2, 3),), {"size": (2, 3)}),
        OpCase("upsample_nearest", (normal(2, 3, 2),), {"size": (3,)}, "one_axis"),
        OpCase("upsample_nearest", (whole(9, 2, 3, 2, 1),), {"size": (2, 1)}, "whole"),
    ]


def _normalizations() -> list[OpCase]:
    def norm(label: str, x: Any, axis: int, parts: str = "gb") -> list[OpCase]:
        n = x.shape[axis]
        gamma, beta = (normal(n) if part in parts else None for part in "gb")
        mean, variance = normal(n), within(0.5, 2, n)
        return [
            OpCase(
                "batch_norm",
                (x, gamma, beta, mean, variance),
                {"axis": axis, "momentum": 0.8, "epsilon": 1e-3},
                label,
                (3, 4),
            ),
            OpCase("normalize", (x, gamma, beta, mean, variance), {"axis": axis, "epsilon": 1e-3}, label),
        ]

    return [
        *norm("", normal(3, 4, 5, 2), -1),
        *norm("dense", normal(6, 3), -1, "b"),
        *norm("series", normal(3, 4, 2), 2, "g"),
        *norm("volume", normal(2, 2, 3, 2, 2), -1),
        *norm("channels_first", normal(3, 2, 4, 5), 1),
        *norm("middle", normal(3, 4, 2, 5), 2, ""),
        OpCase("layer_norm", (normal(3, 4), normal(4), normal(4)), {"axes": (-1,), "epsilon": 1e-3}),
        OpCase(
            "layer_norm",
            (normal(3, 4, 5), normal(4, 5), normal(4, 5)),
            {"axes": (1, 2), "epsilon": 1e-3},
            "two_axes",
        ),
        OpCase(
            "layer_norm", (normal(3, 4, 5), normal(4, 1), None), {"axes": (1,), "epsilon": 1e-3}, "middle"
        ),
        OpCase("layer_norm", (normal(3, 4),), {"axes": (-1,), "epsilon": 1e-3}, "bare"),
        OpCase("rms_norm", (normal(3, 4), normal(4)), {"axes": (-1,), "epsilon": 1e-6}),
        OpCase("rms_norm", (normal(3, 4, 2), normal(4, 1)), {"axes": (1,), "epsilon": 1e-6}, "middle"),
    ]


def _recurrences() -> list[OpCase]:
    def layer(
        op: str,
        gates: int,
        states: int,
        label: str,
        *,
        bias: Any = True,
        start: bool = False,
        **attributes: Any,
    ) -> OpCase:
        units = 3
        shape = (2, gates * units) if attributes.get("reset_after") else (gates * units,)
        inputs = (
            normal(2, 4, 5),
            normal(5, gates * units),
            normal(units, gates * units),
            normal(*shape) if bias else None,
            *(normal(2, units) if start else None for _ in range(states)),
        )
        return OpCase(op, inputs, attributes, label)

    def masked(case: OpCase) -> OpCase:
        """The same with a mask, and with what recurrent dropout multiplies the state by."""
        x, *weights = case.inputs
        there = np.array([[True, False, True, True], [False, True, True, False]])
        noise = np.abs(normal(2, weights[1].shape[1]))
        return OpCase(f"stepwise_{case.op}", (x, there, noise, *weights), case.attributes, case.label)

    usual = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    other = {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}
    return [
        masked(layer("simple_rnn", 1, 1, "", activation="tanh", zero_output=True)),
        masked(layer("lstm", 4, 2, "", **usual)),
        masked(layer("gru", 3, 1, "", **usual, reset_after=True)),
        layer("simple_rnn", 1, 1, "", activation="tanh"),
        layer("simple_rnn", 1, 1, "backwards", activation="tanh", backwards=True, start=True, bias=False),
        layer("simple_rnn", 1, 1, "sigmoid", activation="sigmoid"),
        layer("lstm", 4, 2, "", **usual),
        layer("lstm", 4, 2, "backwards", **usual, backwards=True, start=True, bias=False),
        layer("lstm", 4, 2, "other", **other, start=True),
        layer("gru", 3, 1, "", **usual, reset_after=True),
        layer("gru", 3, 1, "backwards", **usual, reset_after=True, backwards=True, start=True, bias=False),
        layer("gru", 3, 1, "reset_before", **usual, reset_after=False),
        layer("gru", 3, 1, "other", **other, reset_after=True, start=True),
    ]


def _losses() -> list[OpCase]:
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


def _shaping() -> list[OpCase]:
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


OP_CASES = {
    case.name: case
    for group in (
        _elementwise(),
        _activations(),
        _reductions(),
        _windows(),
        _normalizations(),
        _recurrences(),
        _losses(),
        _shaping(),
    )
    for case in group
}

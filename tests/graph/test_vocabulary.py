"""Every op's shape rule against what its NumPy meaning makes, on shapes that hypothesis chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import NUMPY, VOCABULARY
from crosstrain.graph.ops.elementwise import BINARY, COMPARISON, TEST, UNARY

XP = Ops(NUMPY, "numpy")
RNG = np.random.default_rng(0)
Call = tuple[str, list[Any], dict[str, Any]]


def real(*shape: int) -> np.ndarray:
    return RNG.uniform(0.1, 0.9, shape)


def agrees(op: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    """The rule gives shape and kind of dtype of what the op makes; with the batch unknown, only it is."""
    outputs = getattr(XP, op)(*inputs, **attributes)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    specs = [None if i is None else spec_of(i) for i in inputs]
    inferred = VOCABULARY[op].shape(*specs, **attributes)
    assert len(inferred) == len(outputs)
    for spec, array in zip(inferred, outputs, strict=True):
        assert spec.shape == np.shape(array), (op, spec, np.shape(array))
        assert spec.dtype == spec_of(array).dtype, (op, spec, np.asarray(array).dtype)


def spec_of(array: Any) -> TensorSpec:
    array = np.asarray(array)
    return TensorSpec(array.shape, "float32" if array.dtype.kind == "f" else array.dtype.name)


lengths = st.integers(1, 5)


@st.composite
def shapes(draw: Any, minimum: int = 1, maximum: int = 4) -> tuple[int, ...]:
    return tuple(draw(st.lists(lengths, min_size=minimum, max_size=maximum)))


@given(
    shapes(),
    st.sampled_from(sorted([*UNARY, *TEST, "erf", "sigmoid", "relu", "square", "rsqrt", "reciprocal"])),
)
def test_unary(shape: tuple[int, ...], op: str) -> None:
    x = real(*shape) > 0.5 if op == "logical_not" else real(*shape) + (1 if op == "arccosh" else 0)
    agrees(op, [x], {})


@given(
    shapes(0), st.data(), st.sampled_from(sorted([*BINARY, *COMPARISON, "logaddexp", "squared_difference"]))
)
def test_binary_broadcasts(shape: tuple[int, ...], data: Any, op: str) -> None:
    other = tuple(data.draw(st.sampled_from([s, 1])) for s in shape[data.draw(st.integers(0, len(shape))) :])
    arrays = [real(*shape), real(*other)]
    agrees(op, [a > 0.5 for a in arrays] if op.startswith("logical") else arrays, {})


@given(
    shapes(),
    st.data(),
    st.sampled_from(["sum", "mean", "max", "min", "prod", "any", "all", "variance", "logsumexp"]),
)
def test_reductions(shape: tuple[int, ...], data: Any, op: str) -> None:
    rank = len(shape)
    axis = data.draw(
        st.one_of(st.none(), st.integers(-rank, rank - 1), st.sets(st.integers(0, rank - 1)).map(tuple))
    )
    x = real(*shape) > 0.5 if op in ("any", "all") else real(*shape)
    if axis == () and op == "logsumexp":
        return
    agrees(op, [x], {"axis": axis, "keepdims": data.draw(st.booleans())})


@given(shapes(), st.data())
def test_integers_keep_their_dtype(shape: tuple[int, ...], data: Any) -> None:
    x = RNG.integers(0, 4, shape).astype(data.draw(st.sampled_from(["int32", "int64"])))
    axis = data.draw(st.integers(0, len(shape) - 1))
    for op in ("sum", "prod", "max", "cumsum", "sort"):
        agrees(op, [x], {"axis": axis})
    agrees("argmax", [x], {"axis": axis})


@given(shapes(2, 4), st.data())
def test_moving(shape: tuple[int, ...], data: Any) -> None:
    x, rank = real(*shape), len(shape)
    axis = data.draw(st.integers(-rank, rank - 1))
    axes = data.draw(st.permutations(range(rank)))
    pads = tuple(tuple(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))) for _ in shape)
    pick = st.one_of(st.none(), st.integers(-3, 3))
    cuts = [data.draw(st.tuples(pick, pick, st.sampled_from([1, 2, -1, -2]))) for _ in shape]
    calls: list[Call] = [
        ("transpose", [x], {"axes": tuple(axes)}),
        ("expand_dims", [x], {"axis": axis}),
        ("concatenate", [x, x, x], {"axis": axis}),
        ("stack", [x, x], {"axis": axis}),
        ("repeat", [x], {"repeats": 3, "axis": axis}),
        ("tile", [x], {"repeats": (2,) * rank}),
        ("flip", [x], {"axis": axis}),
        ("roll", [x], {"shift": 2, "axis": axis}),
        ("pad", [x], {"padding": pads}),
        ("full_like", [x], {"value": 2.0}),
        ("reshape", [x], {"shape": (-1,)}),
        ("reshape", [x], {"shape": (-1, shape[-1])}),
        ("broadcast_to", [x], {"shape": (4, *shape)}),
        ("broadcast_to", [x[:1]], {"shape": (3, *[-1] * (rank - 1))}),
        ("take", [x, np.zeros((2, 3), "int64")], {"axis": axis}),
        ("take_along_axis", [x, np.zeros(shape, "int64")], {"axis": axis}),
        ("one_hot", [RNG.integers(0, 3, shape)], {"classes": 4, "axis": -1}),
        ("top_k", [x], {"k": 1}),
        ("softmax", [x], {"axis": axis}),
        ("log_softmax", [x], {"axis": axis}),
        ("upsample_nearest", [real(2, 3, 4, 2)], {"size": (2, 3)}),
        (
            "slice",
            [x],
            {"starts": [c[0] for c in cuts], "stops": [c[1] for c in cuts], "strides": [c[2] for c in cuts]},
        ),
    ]
    for call in calls:
        agrees(*call)
    sizes = [1] * shape[axis]
    if len(sizes) > 1:
        agrees("split", [x], {"sizes": tuple(sizes), "axis": axis})


window = st.tuples(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(0, 2)
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(5, 7), window), min_size=1, max_size=3))
def test_windows(axes: list[Any]) -> None:
    spatial = tuple(n for n, _ in axes)
    size, strides, dilation = ([w[i] for _, w in axes] for i in range(3))
    padding = tuple((w[3], w[4]) for _, w in axes)
    x = real(2, *spatial, 4)
    common = {"strides": tuple(strides), "padding": padding, "dilation": tuple(dilation)}
    agrees("conv", [x, real(*size, 2, 6), real(6)], {**common, "groups": 2})
    agrees("depthwise_conv", [x, real(*size, 4, 3), None], common)
    crop = {"strides": tuple(strides), "crop": padding, "dilation": tuple(dilation)}
    agrees("conv_transpose", [x, real(*size, 5, 4)], crop)
    reach = all(sum(p) < k for p, k in zip(padding, size, strict=True))
    if reach:  # a window of padding alone has no mean
        pooled = {"window": tuple(size), "strides": tuple(strides), "padding": padding}
        agrees("max_pool", [x], pooled)
        agrees("average_pool", [x], pooled)


def test_products_and_layers() -> None:
    agrees("matmul", [real(2, 1, 3, 4), real(5, 4, 2)], {})
    agrees("matmul", [real(4), real(5, 4, 2)], {})
    agrees("matmul", [real(3, 4), real(4)], {})
    agrees("einsum", [real(2, 3, 4), real(4, 5)], {"equation": "abc,cd->adb"})
    agrees("dense", [real(2, 3, 4), real(4, 5), real(5)], {})
    x, kernel, units = real(2, 6, 3), real, 4
    agrees(
        "simple_rnn", [x, kernel(3, units), kernel(units, units), real(units), None], {"activation": "tanh"}
    )
    gates = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    agrees("lstm", [x, kernel(3, 4 * units), kernel(units, 4 * units), None, None, None], gates)
    agrees(
        "gru",
        [x, kernel(3, 3 * units), kernel(units, 3 * units), real(2, 3 * units), None],
        {**gates, "reset_after": True},
    )
    vectors = [real(3) for _ in range(4)]
    agrees("batch_norm", [x, *vectors], {"axis": 2, "momentum": 0.9, "epsilon": 1e-3})
    agrees("normalize", [x, *vectors], {"axis": 2, "epsilon": 1e-3})
    agrees("layer_norm", [x, None, None], {"axes": (1, 2), "epsilon": 1e-3})
    agrees("ctc_loss", [np.ones((2, 2), "int64"), x, np.full(2, 2), np.full(2, 6)], {"blank": 0})


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("reshape", [(None, 6)], {"shape": (3, 4)}),
        ("reshape", [(2, 6)], {"shape": (5, -1)}),
        ("add", [(2, 3), (2, 4)], {}),
        ("einsum", [(2, 3), (3,)], {"equation": "ab,cb->a"}),
    ],
)
def test_misfits_are_refused(op: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    rule: Callable[..., Any] = VOCABULARY[op].shape
    with pytest.raises(ValueError, match=r".+"):
        rule(*[TensorSpec(shape) for shape in inputs], **attributes)


def test_the_batch_stays_unknown() -> None:
    x = TensorSpec((None, 6, 5, 4))
    conv = VOCABULARY["conv"].shape(
        x, TensorSpec((3, 3, 4, 8)), strides=(2, 1), padding=((0, 1), (1, 1)), dilation=(1, 1)
    )
    assert conv == [TensorSpec((None, 3, 5, 8))]
    assert VOCABULARY["reshape"].shape(x, shape=(-1, 120)) == [TensorSpec((None, 120))]
    assert VOCABULARY["mean"].shape(x, axis=(1, 2)) == [TensorSpec((None, 4))]
    assert VOCABULARY["add"].shape(x, TensorSpec((4,))) == [x]

"""The op vocabulary on MindSpore's primitives. Where a CPU kernel computes float64 in float32 (softplus,
log-softmax, sorting, average pooling, layer norm), the op is built from kernels that do not."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from mindspore import ops

from crosstrain.engines.mindspore import windows
from crosstrain.engines.mindspore.einsum import einsum, matmul
from crosstrain.engines.mindspore.trace import DTYPES, Value, call, elementwise, tape
from crosstrain.engines.mindspore.windows import padded, reshaped, transposed
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of


# -- elementwise --------------------------------------------------------------------------------------
def _elementwise(function: Any) -> Implementation:
    return lambda *operands: elementwise(function, *operands)


def _unary(function: Any) -> Implementation:
    return lambda x: call(function, x, axes=x.axes)


def cast(x: Value, *, dtype: str) -> Value:
    dtype = dtype.lower()
    return x if x.dtype == dtype else call(CAST, x, DTYPES[dtype], axes=x.axes)  # type: ignore[no-any-return]


def _logical(function: Any) -> Implementation:
    return lambda *operands: elementwise(function, *(cast(o, dtype="bool") for o in operands))


def stop_gradient(x: Value) -> Value:
    return call(ops.stop_gradient, x, axes=x.axes)  # type: ignore[no-any-return]


def absolute(x: Value) -> Value:
    """|x| with slope 0 at 0."""
    return x * stop_gradient(call(SIGN, x, axes=x.axes))  # type: ignore[operator,no-any-return]


def relu(x: Value) -> Value:
    return call(RELU, x, axes=x.axes)  # type: ignore[no-any-return]


def where(condition: Value, a: Any, b: Any) -> Value:
    return elementwise(SELECT, cast(condition, dtype="bool"), *_alike(a, b))


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Numbers as constants of the other's dtype."""
    if isinstance(a, Value) and not isinstance(b, Value):
        b = tape().constant(b, a.dtype)
    elif isinstance(b, Value) and not isinstance(a, Value):
        a = tape().constant(a, b.dtype)
    return a, b


def softplus(x: Value) -> Value:
    """log(1 + exp(x)) as max(x, 0) - log(sigmoid(|x|)), written so that the slope at 0 is 1/2."""
    positive = where(x > 0, x, 0.0)  # type: ignore[operator]
    fall = where(x > 0, -x, x)  # type: ignore[operator]
    return positive + call(LOG1P, call(EXP, fall, axes=fall.axes), axes=fall.axes)  # type: ignore[operator,no-any-return]


def full_like(x: Value, *, value: float) -> Value:
    return tape().constant(np.full(x.shape, value), x.dtype)


# -- reductions ---------------------------------------------------------------------------------------
@cache
def _reducer(kind: Any, keepdims: bool) -> Any:
    return kind(keepdims)


def _reduction(kind: Any, truth: bool = False) -> Implementation:
    def reduce(x: Value, *, axis: Any = None, keepdims: bool = False) -> Value:
        x, reduced = cast(x, dtype="bool") if truth else x, axes_of(x.ndim, axis)
        if not reduced:
            return x
        order = tuple(range(x.ndim)) if x.axes is None else x.axes
        remaining = [a for a in order if a not in reduced]
        if x.axes is not None and remaining != sorted(remaining) and not keepdims:
            x, order = x.to_layout(None), tuple(range(x.ndim))
        stored = tuple(i for i, a in enumerate(order) if a in reduced)
        return call(_reducer(kind, keepdims), x, stored, axes=x.axes if keepdims else None)  # type: ignore[no-any-return]

    return reduce


reduce_sum, reduce_max = _reduction(ops.ReduceSum), _reduction(ops.ReduceMax)


def softmax(x: Value, *, axis: Any = -1) -> Value:
    if isinstance(axis, int):
        return call(_along(ops.Softmax, axis % x.ndim), x.to_layout(None))  # type: ignore[no-any-return]
    powers = call(EXP, x - stop_gradient(reduce_max(x, axis=axis, keepdims=True)))  # type: ignore[operator]
    return powers / reduce_sum(powers, axis=axis, keepdims=True)  # type: ignore[no-any-return]


def log_softmax(x: Value, *, axis: Any = -1) -> Value:
    if isinstance(axis, int) and x.dtype == "float32":
        return call(_along(ops.LogSoftmax, axis % x.ndim), x.to_layout(None))  # type: ignore[no-any-return]
    x = x.to_layout(None)
    shifted = x - stop_gradient(reduce_max(x, axis=axis, keepdims=True))  # type: ignore[operator]
    return shifted - call(LOG, reduce_sum(call(EXP, shifted), axis=axis, keepdims=True))  # type: ignore[no-any-return]


@cache
def _along(kind: Any, *settings: Any) -> Any:
    return kind(*settings)


def argmax(x: Value, *, axis: int, keepdims: bool = False) -> Value:
    index = call(_along(ops.Argmax, axis % x.ndim), x.to_layout(None))
    return expand_dims(index, axis=axis % x.ndim) if keepdims else index


def top_k(x: Value, *, k: int) -> tuple[Value, Value]:
    return call(TOP_K, x.to_layout(None), k)  # type: ignore[no-any-return]


def sort(x: Value, *, axis: int = -1) -> Value:
    """By TopK of all: MindSpore's Sort gives float64 in the precision of float32."""
    order = _swapped(x.ndim, axis)
    largest_first, _ = top_k(transposed(x, order), k=x.shape[axis])
    return transposed(flip(largest_first, axis=-1), order)


def _swapped(rank: int, axis: int) -> tuple[int, ...]:
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return tuple(order)


# -- shapes, cutting and joining ------------------------------------------------------------------------
def reshape(x: Value, *, shape: tuple[int, ...]) -> Value:
    known = math.prod(s for s in shape if s != -1)
    return reshaped(x, [math.prod(x.shape) // known if s == -1 else s for s in shape])


def expand_dims(x: Value, *, axis: int) -> Value:
    shape = list(x.shape)
    shape.insert(axis % (x.ndim + 1), 1)
    return reshaped(x, shape)


def squeeze(x: Value, *, axis: Any) -> Value:
    dropped = axes_of(x.ndim, axis)
    return reshaped(x, [n for i, n in enumerate(x.shape) if i not in dropped])


def concatenate(*inputs: Value, axis: int) -> Value:
    axes = next((i.axes for i in inputs if i.axes is not None), None)
    along = axis % inputs[0].ndim
    stored = along if axes is None else axes.index(along)
    full = [i.to_layout(axes) for i in inputs if 0 not in i.shape]
    return full[0] if len(full) == 1 else call(_along(ops.Concat, stored), tuple(full), axes=axes)  # type: ignore[no-any-return]


def split(x: Value, *, sizes: tuple[int, ...], axis: int) -> tuple[Value, ...]:
    along = axis % x.ndim
    if len(set(sizes)) == 1:
        return call(_along(ops.Split, along, len(sizes)), x.to_layout(None))  # type: ignore[no-any-return]
    ends = np.cumsum(sizes)
    lead = (slice(None),) * along
    return tuple(x[(*lead, slice(int(e - n), int(e)))] for n, e in zip(sizes, ends, strict=True))


def slice_(x: Value, *, starts: Any, stops: Any, strides: Any) -> Value:
    cuts, backward = [], []
    for axis, limits in enumerate(zip(starts, stops, strides, strict=True)):
        start, stop, stride = slice(*limits).indices(x.shape[axis])
        if stride < 0:  # turn the axis round and count from its end
            backward.append(axis)
            start, stop, stride = x.shape[axis] - 1 - start, x.shape[axis] - 1 - stop, -stride
        cuts.append(slice(start, max(stop, start), stride))
    return (flip(x, axis=tuple(backward)) if backward else x)[tuple(cuts)]


def flip(x: Value, *, axis: Any) -> Value:
    return call(_along(ops.ReverseV2, axes_of(x.ndim, axis)), x.to_layout(None))  # type: ignore[no-any-return]


def broadcast_to(x: Value, *, shape: tuple[int, ...]) -> Value:
    lead = len(shape) - x.ndim
    full = tuple(x.shape[i - lead] if s == -1 else int(s) for i, s in enumerate(shape))
    return x if full == x.shape else call(_along(ops.BroadcastTo, full), x.to_layout(None))  # type: ignore[no-any-return]


def tile(x: Value, *, repeats: tuple[int, ...]) -> Value:
    return call(TILE, x.to_layout(None), tuple(map(int, repeats)))  # type: ignore[no-any-return]


def repeat(x: Value, *, repeats: int, axis: int) -> Value:
    axis %= x.ndim
    expanded = reshaped(x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
    expanded = tile(expanded, repeats=tuple(repeats if a == axis + 1 else 1 for a in range(expanded.ndim)))
    return reshaped(expanded, [n * repeats if i == axis else n for i, n in enumerate(x.shape)])


def pad(x: Value, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Value:
    if mode == "constant":
        return padded(x, padding, value)
    for axis, pair in enumerate(padding):
        if any(pair):
            order: np.ndarray = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
            x = call(GATHER, x.to_layout(None), tape().constant(order, "int32"), axis)
    return x


def stack(*inputs: Value, axis: int) -> Value:
    return concatenate(*[expand_dims(i, axis=axis) for i in inputs], axis=axis)


# -- gathering ------------------------------------------------------------------------------------------
def _wrapped(indices: Value, length: int) -> Value:
    """Negative indices counted from the end."""
    return where(indices < 0, indices + length, indices)  # type: ignore[operator]


def take(x: Value, indices: Value, *, axis: int) -> Value:
    axis %= x.ndim
    return call(GATHER, x.to_layout(None), _wrapped(indices, x.shape[axis]), axis)  # type: ignore[no-any-return]


def take_along_axis(x: Value, indices: Value, *, axis: int) -> Value:
    axis %= x.ndim
    pairs = zip(x.shape, indices.shape, strict=True)
    common = [max(n, m) for n, m in pairs]
    x = broadcast_to(x, shape=tuple(x.shape[a] if a == axis else n for a, n in enumerate(common)))
    positions = _wrapped(indices, x.shape[axis])
    positions = broadcast_to(
        positions, shape=tuple(indices.shape[a] if a == axis else n for a, n in enumerate(common))
    )
    return call(GATHER_ALONG, x.to_layout(None), axis, positions.to_layout(None))  # type: ignore[no-any-return]


def one_hot(x: Value, *, classes: int, axis: int = -1, dtype: str = "float32") -> Value:
    rank = x.ndim + 1
    shape = [classes if a == axis % rank else 1 for a in range(rank)]
    places = tape().constant(np.arange(classes).reshape(shape), x.dtype)
    return cast(elementwise(EQUAL, expand_dims(x, axis=axis), places), dtype=dtype)


# -- layers ---------------------------------------------------------------------------------------------
def dense(x: Value, kernel: Value, bias: Value | None = None) -> Value:
    y = matmul(x, kernel)
    return y if bias is None else elementwise(ADD, y, bias)


def batch_norm(
    x: Value, gamma: Value, beta: Value, mean: Value, variance: Value,
    *, axis: int, momentum: float, epsilon: float,
) -> Any:  # fmt: skip
    """oneDNN's kernel for pictures in float32, with Keras's moving statistics; else the op's meaning."""
    if x.ndim != 4 or axis % 4 != 3 or x.dtype != "float32":
        meaning = VOCABULARY["batch_norm"].meaning
        assert meaning is not None
        return meaning(_PLAIN, x, gamma, beta, mean, variance, axis=axis, momentum=momentum, epsilon=epsilon)
    y, batch_mean, batch_variance = windows.native_batch_norm(x, gamma, beta, epsilon)
    blend = lambda old, new: old * momentum + stop_gradient(new) * (1 - momentum)
    return y, blend(mean, batch_mean), blend(variance, batch_variance)


def scan(step: Any, state: tuple[Value, ...], xs: Value, *, reverse: bool = False) -> Any:
    """Unrolled: MindSpore compiles and differentiates straight code best."""
    ys = []
    rows = call(_along(ops.Unstack, 0, len(xs)), xs.to_layout(None))
    for row in rows[:: -1 if reverse else 1]:
        state, y = step(state, row)
        ys.append(y.to_layout(None))
    return state, call(_along(ops.Stack, 0), tuple(ys))


# -- noise ------------------------------------------------------------------------------------------
# Drawn by the host and given to each step: MindSpore's own generators have no seed inside compiled code.
def random_uniform(x: Value, seed: Any, *, salt: int, noise_shape: Any = None) -> Value:
    shape = (
        x.shape
        if noise_shape is None
        else tuple(x.shape[i] if n is None else n for i, n in enumerate(noise_shape))
    )
    return tape().drawn("uniform", salt, shape)


def random_normal(x: Value, seed: Any, *, salt: int) -> Value:
    return tape().drawn("normal", salt, x.shape)


# -- the table ----------------------------------------------------------------------------------------
ADD, EXP, LOG, LOG1P, SIGN, RELU, SELECT = (
    ops.Add(), ops.Exp(), ops.Log(), ops.Log1p(), ops.Sign(), ops.ReLU(), ops.Select(),
)  # fmt: skip
CAST, EQUAL, TILE, GATHER, GATHER_ALONG, TOP_K, CUMSUM = (
    ops.Cast(), ops.Equal(), ops.Tile(), ops.Gather(), ops.GatherD(), ops.TopK(True), ops.CumSum(),
)  # fmt: skip

_UNARY = {
    "negative": ops.Neg(), "exp": EXP, "expm1": ops.Expm1(), "log": LOG, "log1p": LOG1P,
    "sqrt": ops.Sqrt(), "rsqrt": ops.Rsqrt(), "square": ops.Square(), "reciprocal": ops.Reciprocal(),
    "sin": ops.Sin(), "cos": ops.Cos(), "tan": ops.Tan(), "arcsin": ops.Asin(), "arccos": ops.ACos(),
    "arctan": ops.Atan(), "sinh": ops.Sinh(), "cosh": ops.Cosh(), "tanh": ops.Tanh(),
    "arcsinh": ops.Asinh(), "arccosh": ops.Acosh(), "arctanh": ops.Atanh(), "sign": SIGN,
    "floor": ops.Floor(), "ceil": ops.Ceil(), "round": ops.Round(), "erf": ops.Erf(),
    "sigmoid": ops.Sigmoid(), "isnan": ops.IsNan(), "isfinite": ops.IsFinite(),
}  # fmt: skip
_BINARY = {
    "add": ADD, "subtract": ops.Sub(), "multiply": ops.Mul(), "divide": ops.Div(), "power": ops.Pow(),
    "maximum": ops.Maximum(), "minimum": ops.Minimum(), "mod": ops.FloorMod(), "floor_divide": ops.FloorDiv(),
    "arctan2": ops.Atan2(), "equal": EQUAL, "not_equal": ops.NotEqual(), "greater": ops.Greater(),
    "greater_equal": ops.GreaterEqual(), "less": ops.Less(), "less_equal": ops.LessEqual(),
}  # fmt: skip

TABLE: dict[str, Implementation] = {
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _elementwise(function) for name, function in _BINARY.items()},
    "logical_and": _logical(ops.LogicalAnd()),
    "logical_or": _logical(ops.LogicalOr()),
    "logical_not": _logical(ops.LogicalNot()),
    "abs": absolute,
    "relu": relu,
    "softplus": softplus,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "where": where,
    "cast": cast,
    "constant": lambda *, value, dtype: tape().constant(value, dtype),
    "stop_gradient": stop_gradient,
    "full_like": full_like,
    "sum": reduce_sum,
    "mean": _reduction(ops.ReduceMean),
    "max": reduce_max,
    "min": _reduction(ops.ReduceMin),
    "prod": _reduction(ops.ReduceProd),
    "any": _reduction(ops.ReduceAny, truth=True),
    "all": _reduction(ops.ReduceAll, truth=True),
    "argmax": argmax,
    "cumsum": lambda x, *, axis: call(CUMSUM, x.to_layout(None), axis % x.ndim),
    "sort": sort,
    "top_k": top_k,
    "matmul": matmul,
    "einsum": einsum,
    "reshape": reshape,
    "transpose": lambda x, *, axes: transposed(x, axes),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concatenate": concatenate,
    "stack": stack,
    "split": split,
    "slice": slice_,
    "tile": tile,
    "repeat": repeat,
    "broadcast_to": broadcast_to,
    "flip": flip,
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "dense": dense,
    "conv": windows.conv,
    "conv_transpose": windows.conv_transpose,
    "max_pool": windows.max_pool,
    "average_pool": windows.average_pool,
    "batch_norm": batch_norm,
    "scan": scan,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
}

_PLAIN = Ops(TABLE, "mindspore")


def operations() -> Ops:
    """The whole vocabulary on MindSpore."""
    return Ops(TABLE, "mindspore")

"""The op vocabulary on Theano's tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import theano
import theano.tensor as T
from theano.tensor import extra_ops

from crosstrain.engines.theano import windows
from crosstrain.engines.theano.values import Value, lifted
from crosstrain.graph.evaluate import Implementation, Ops

Variable = Any


# -- numbers ----------------------------------------------------------------------------------------
def constant(*, value: Any, dtype: str) -> Variable:
    return T.constant(np.asarray(value, dtype))


def _wide(*inputs: Any) -> list[Any]:
    """Inputs in the widest of their dtypes, in the vocabulary's order: Theano would make float64 of float32
    and int32. Python's numbers stay as they are."""
    order = ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64"]
    dtypes = [i.dtype for i in inputs if hasattr(i, "dtype")]
    widest = max(dtypes, key=order.index) if dtypes else "float32"
    return [_as(i, widest) for i in inputs]


def _as(value: Any, dtype: str) -> Any:
    """A variable, or a Python number, in the dtype of its company (a number stays one beside integers)."""
    if hasattr(value, "dtype"):
        return value if value.dtype == dtype else value.astype(dtype)
    return np.asarray(value, dtype) if dtype.startswith("float") else value


def _binary(function: Callable[..., Variable]) -> Implementation:
    return lambda a, b: function(*_wide(a, b))


def divide(a: Any, b: Any) -> Variable:
    return T.true_div(*_wide(a, b))


def where(condition: Variable, a: Any, b: Any) -> Variable:
    return T.switch(condition, *_wide(a, b))


def relu(x: Variable) -> Variable:
    return T.switch(T.gt(x, 0), x, np.asarray(0, x.dtype))


def sigmoid(x: Variable) -> Variable:
    """1 / (1 + exp(-x)), both its parts shifted by the larger of x and 0: Theano's own is 1 from 19 on."""
    shift = theano.gradient.disconnected_grad(relu(x))
    part = T.exp(x - shift)
    return part / (part + T.exp(-shift))


def softplus(x: Variable) -> Variable:
    """log(1 + exp(x)), shifted by the larger of x and 0: Theano's own is x itself from 16 on."""
    shift = theano.gradient.disconnected_grad(relu(x))
    return shift + T.log1p(T.expm1(-shift) + T.exp(x - shift))


def isfinite(x: Variable) -> Variable:
    return T.invert(T.or_(T.isnan(x), T.isinf(x)))


def softmax(x: Variable, *, axis: int = -1) -> Variable:
    exponentials = T.exp(x - theano.gradient.disconnected_grad(x.max(axis, keepdims=True)))
    return exponentials / exponentials.sum(axis, keepdims=True)


def log_softmax(x: Variable, *, axis: int = -1) -> Variable:
    shifted = x - theano.gradient.disconnected_grad(x.max(axis, keepdims=True))
    return shifted - T.log(T.exp(shifted).sum(axis, keepdims=True))


# -- reductions -------------------------------------------------------------------------------------
def _axes(axis: Any) -> Any:
    return list(axis) if isinstance(axis, tuple) else axis


def total(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
    return x.sum(_axes(axis), dtype=x.dtype, acc_dtype=x.dtype, keepdims=keepdims)


def product(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
    return x.prod(_axes(axis), dtype=x.dtype, acc_dtype=x.dtype, keepdims=keepdims)


def mean(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
    axes = (
        range(x.ndim) if axis is None else [a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)]
    )
    count = np.asarray(1, "int64")
    for a in axes:
        count = count * x.shape[a]
    return total(x, axis=axis, keepdims=keepdims) / T.cast(count, x.dtype)


def _extreme(name: str) -> Implementation:
    def reduce(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
        return getattr(x, name)(_axes(axis), keepdims=keepdims)

    return reduce


def every(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
    return T.eq(T.neq(x, 0).astype("int32").min(_axes(axis), keepdims=keepdims), 1)


def some(x: Variable, *, axis: Any = None, keepdims: bool = False) -> Variable:
    return T.eq(T.neq(x, 0).astype("int32").max(_axes(axis), keepdims=keepdims), 1)


def argmax(x: Variable, *, axis: int, keepdims: bool = False) -> Variable:
    return T.argmax(x, axis=axis, keepdims=keepdims).astype("int32")


def sort(x: Variable, *, axis: int = -1) -> Variable:
    return take_along_axis(x, T.argsort(x, axis=axis, kind="mergesort"), axis=axis)


def top_k(x: Variable, *, k: int) -> tuple[Variable, Variable]:
    order = T.argsort(-x, axis=-1, kind="mergesort")[..., :k]
    return take_along_axis(x, order, axis=-1), order.astype("int32")


# -- products ---------------------------------------------------------------------------------------
def matmul(a: Variable, b: Variable) -> Variable:
    if a.ndim <= 2 and b.ndim <= 2:
        return T.dot(a, b)
    if b.ndim <= 2:
        return T.tensordot(a, b, axes=[[a.ndim - 1], [0]])
    if a.ndim == 1:
        return matmul(a.dimshuffle("x", 0), b)[..., 0, :]
    rank = max(a.ndim, b.ndim)
    batch = "abcdefghijkl"[: rank - 2]
    left, right = batch[rank - a.ndim :] + "yz", batch[rank - b.ndim :] + "zx"
    return einsum(a, b, equation=f"{left},{right}->{batch}yx")


def einsum(*inputs: Variable, equation: str) -> Variable:
    """Two at a time, each pair as one batched product."""
    terms, _, result = equation.replace(" ", "").partition("->")
    names, values = terms.split(","), list(inputs)
    while len(values) > 1:
        later = set(result).union(*names[2:])
        output = "".join(c for c in dict.fromkeys(names[0] + names[1]) if c in later)
        values[:2] = [_contracted(values[0], names[0], values[1], names[1], output)]
        names[:2] = [output]
    value, name = _diagonal(values[0], names[0])
    summed = [axis for axis, c in enumerate(name) if c not in result]
    if summed:
        value, name = total(value, axis=tuple(summed)), "".join(c for c in name if c in result)
    return value.dimshuffle(*(name.index(c) for c in result))


def _diagonal(value: Variable, name: str) -> tuple[Variable, str]:
    """Without letters that stand twice."""
    for c in name:
        if name.count(c) == 2:
            first, second = name.index(c), name.rindex(c)
            value = T.diagonal(value, axis1=first, axis2=second)
            name = "".join(k for i, k in enumerate(name) if i not in (first, second)) + c
    return value, name


def _contracted(a: Variable, left: str, b: Variable, right: str, output: str) -> Variable:
    (a, left), (b, right) = _diagonal(a, left), _diagonal(b, right)
    for value, name, other in ((a, left, right), (b, right, left)):
        alone = tuple(i for i, c in enumerate(name) if c not in other and c not in output)
        if alone:  # summed before, in one operand only
            reduced, rest = total(value, axis=alone), "".join(c for i, c in enumerate(name) if i not in alone)
            if value is a:
                return _contracted(reduced, rest, b, right, output)
            return _contracted(a, left, reduced, rest, output)
    batch = [c for c in left if c in right and c in output]
    summed = [c for c in left if c in right and c not in output]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]
    sizes: dict[str, Any] = {}
    for value, name in ((a, left), (b, right)):
        for axis, c in enumerate(name):
            if c not in sizes or not value.broadcastable[axis]:
                sizes[c] = value.shape[axis]
    many = lambda letters: _length([sizes[c] for c in letters])
    x = _spread(a, left, [*batch, *rows, *summed], sizes).reshape((many(batch), many(rows), many(summed)))
    y = _spread(b, right, [*batch, *summed, *columns], sizes).reshape(
        (many(batch), many(summed), many(columns))
    )
    contracted = T.batched_dot(x, y) if batch else T.dot(x[0], y[0])
    letters = [*batch, *rows, *columns]
    contracted = contracted.reshape([sizes[c] for c in letters], ndim=len(letters))
    return contracted.dimshuffle(*(letters.index(c) for c in output))


def _length(sizes: list[Any]) -> Any:
    length: Any = 1
    for size in sizes:
        length = length * size
    return length


def _spread(value: Variable, name: str, letters: list[str], sizes: dict[str, Any]) -> Variable:
    """Axes in the order of ``letters``, those of length 1 repeated where the other operand's are longer."""
    value = value.dimshuffle(*(name.index(c) for c in letters))
    if any(value.broadcastable):
        value = T.alloc(value, *(sizes[c] for c in letters))
    return value


# -- moving values about ----------------------------------------------------------------------------
def reshape(x: Variable, *, shape: tuple[int, ...]) -> Variable:
    return x.reshape(tuple(shape), ndim=len(shape))


def expand_dims(x: Variable, *, axis: int) -> Variable:
    order: list[Any] = list(range(x.ndim))
    order.insert(axis % (x.ndim + 1), "x")
    return x.dimshuffle(*order)


def squeeze(x: Variable, *, axis: Any) -> Variable:
    dropped = {a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)}
    x = T.addbroadcast(x, *dropped)
    return x.dimshuffle(*(a for a in range(x.ndim) if a not in dropped))


def split(x: Variable, *, sizes: tuple[int, ...], axis: int) -> list[Variable]:
    ends = [int(end) for end in np.cumsum(sizes)]
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True)]


def slice_(x: Variable, *, starts: Any, stops: Any, strides: Any) -> Variable:
    return x[tuple(map(slice, starts, stops, strides))]


def tile(x: Variable, *, repeats: tuple[int, ...]) -> Variable:
    for axis, count in enumerate(repeats):
        if count != 1:
            x = T.join(axis, *[x] * count)
    return x


def repeat(x: Variable, *, repeats: int, axis: int) -> Variable:
    axis %= x.ndim
    lengths = [x.shape[a] for a in range(x.ndim)]
    order: list[Any] = list(range(x.ndim))
    order.insert(axis + 1, "x")
    wide = T.alloc(x.dimshuffle(*order), *lengths[: axis + 1], repeats, *lengths[axis + 1 :])
    lengths[axis] = lengths[axis] * repeats
    return wide.reshape(lengths, ndim=x.ndim)


def broadcast_to(x: Variable, *, shape: tuple[int, ...]) -> Variable:
    lead = len(shape) - x.ndim
    return T.alloc(x, *(x.shape[i - lead] if s == -1 else s for i, s in enumerate(shape)))


def full_like(x: Variable, *, value: float) -> Variable:
    return T.alloc(np.asarray(value, x.dtype), *(x.shape[axis] for axis in range(x.ndim)))


def flip(x: Variable, *, axis: Any) -> Variable:
    flipped = {a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)}
    return x[tuple(slice(None, None, -1) if a in flipped else slice(None) for a in range(x.ndim))]


def pad(x: Variable, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Variable:
    if mode == "constant":
        return windows.padded(x, padding, value)
    skip = 1 if mode == "reflect" else 0
    for axis, (before, after) in enumerate(padding):
        lead = (slice(None),) * axis
        parts = [x]
        if before:
            parts.insert(0, x[(*lead, slice(skip, skip + before))][(*lead, slice(None, None, -1))])
        if after:
            end = -skip or None
            parts.append(x[(*lead, slice(-after - skip, end))][(*lead, slice(None, None, -1))])
        x = T.join(axis, *parts) if len(parts) > 1 else x
    return x


def take(x: Variable, indices: Variable, *, axis: int) -> Variable:
    return T.take(x, indices, axis=axis % x.ndim)


def take_along_axis(x: Variable, indices: Variable, *, axis: int) -> Variable:
    axis %= x.ndim
    places: list[Any] = []
    for a in range(x.ndim):
        if a == axis:
            places.append(T.switch(T.lt(indices, 0), indices + x.shape[a], indices))
        else:
            row = T.arange(indices.shape[a])
            places.append(row.dimshuffle(*(0 if b == a else "x" for b in range(x.ndim))))
    lengths = [indices.shape[a] for a in range(x.ndim)]
    places = [T.alloc(p.astype("int64"), *lengths) for p in places]
    return x[tuple(places)]


def one_hot(x: Variable, *, classes: int, axis: int = -1, dtype: str = "float32") -> Variable:
    hot = T.eq(T.shape_padright(x), np.arange(classes)).astype(dtype)
    rank = hot.ndim
    order = list(range(rank - 1))
    order.insert(axis % rank, rank - 1)
    return hot.dimshuffle(*order)


# -- noise ------------------------------------------------------------------------------------------
class HostNoise(theano.Op):
    """Numbers that NumPy draws when the function runs: Theano's own streams keep a state of their own, and a
    step is to be the same whenever it is taken."""

    __props__ = ("kind", "salt", "dtype", "pattern")

    def __init__(self, kind: str, salt: int, dtype: str, pattern: tuple[bool, ...]) -> None:
        self.kind, self.salt, self.dtype, self.pattern = kind, salt, dtype, pattern

    def make_node(self, shape: Variable, seed: Variable) -> Any:
        inputs = [T.as_tensor_variable(shape), T.as_tensor_variable(seed)]
        return theano.Apply(self, inputs, [T.TensorType(self.dtype, self.pattern)()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        shape, seed = inputs
        random = np.random.Generator(np.random.Philox(key=[int(seed) & 0xFFFFFFFF, self.salt]))
        draw = random.random if self.kind == "uniform" else random.standard_normal
        output_storage[0][0] = np.asarray(draw(tuple(shape)), self.dtype)

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[False], [False]]

    def grad(self, inputs: Any, gradients: Any) -> list[Any]:
        return [theano.gradient.DisconnectedType()() for _ in inputs]


def random_uniform(x: Variable, seed: Variable, *, salt: int, noise_shape: Any = None) -> Variable:
    return _drawn("uniform", x, seed, salt, noise_shape)


def random_normal(x: Variable, seed: Variable, *, salt: int) -> Variable:
    return _drawn("normal", x, seed, salt, None)


def _drawn(kind: str, x: Variable, seed: Variable, salt: int, noise_shape: Any) -> Variable:
    noise_lengths = [None] * x.ndim if noise_shape is None else noise_shape
    lengths = [x.shape[axis] if n is None else n for axis, n in enumerate(noise_lengths)]
    pattern = tuple(x.broadcastable[axis] if n is None else n == 1 for axis, n in enumerate(noise_lengths))
    shape = T.stack([T.cast(T.as_tensor_variable(n), "int64") for n in lengths])
    return HostNoise(kind, salt, x.dtype, pattern)(shape, seed)


# -- recurrence -------------------------------------------------------------------------------------
def scan(step: Callable[..., Any], state: Any, xs: Value, *, reverse: bool = False) -> Any:
    """``theano.scan``; values are lifted for the step, which is written in the vocabulary's ops."""
    shapes = [value.shape for value in state]
    of_ys: list[Any] = []

    def body(x: Variable, *old_states: Variable) -> list[Variable]:
        new, y = step(
            tuple(Value(v, shape) for v, shape in zip(old_states, shapes, strict=True)),
            Value(x, xs.shape[1:]),
        )
        of_ys[:] = [y.shape]
        # A state that grew to the batch's length, or out of it, would be another type in the next turn.
        same = [
            T.patternbroadcast(v.variable, old.broadcastable) for v, old in zip(new, old_states, strict=True)
        ]
        return [*same, y.variable]

    start = [T.patternbroadcast(v.variable, [False if s is None else s == 1 for s in v.shape]) for v in state]
    outputs, _ = theano.scan(
        body, sequences=[xs.variable], outputs_info=[*start, None], go_backwards=reverse, strict=False
    )
    *states, ys = outputs if isinstance(outputs, list) else [outputs]
    last = tuple(Value(s[-1], shape) for s, shape in zip(states, shapes, strict=True))
    return last, Value(ys, (xs.shape[0], *of_ys[0]))


# -- the table --------------------------------------------------------------------------------------
_SAME_NAME = (
    "exp expm1 log log1p sqrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh floor "
    "ceil erf"
)

VARIABLES: dict[str, Implementation] = {
    **{name: getattr(T, name) for name in _SAME_NAME.split()},
    **{name: _binary(getattr(T, name)) for name in ("maximum", "minimum", "arctan2")},
    **{ours: _binary(getattr(T, theirs)) for ours, theirs in {
        "add": "add", "subtract": "sub", "multiply": "mul", "power": "pow", "mod": "mod",
        "floor_divide": "int_div", "equal": "eq", "not_equal": "neq", "greater": "gt", "greater_equal": "ge",
        "less": "lt", "less_equal": "le", "logical_and": "and_", "logical_or": "or_",
    }.items()},
    "divide": divide,
    "where": where,
    "negative": T.neg,
    "abs": T.abs_,
    "sign": T.sgn,
    "round": lambda x: T.round(x, mode="half_to_even"),
    "isnan": T.isnan,
    "isfinite": isfinite,
    "logical_not": T.invert,
    "sigmoid": sigmoid,
    "relu": relu,
    "softplus": softplus,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "constant": constant,
    "cast": lambda x, *, dtype: T.neq(x, 0) if dtype == "bool" else T.cast(x, dtype),
    "stop_gradient": theano.gradient.disconnected_grad,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "sum": total,
    "prod": product,
    "mean": mean,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "all": every,
    "any": some,
    "argmax": argmax,
    "cumsum": lambda x, *, axis: extra_ops.cumsum(x, axis=axis % x.ndim),
    "sort": sort,
    "top_k": top_k,
    "matmul": matmul,
    "einsum": einsum,
    "reshape": reshape,
    "transpose": lambda x, *, axes: x.dimshuffle(*axes),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concatenate": lambda *inputs, axis: T.join(axis % inputs[0].ndim, *inputs),
    "split": split,
    "slice": slice_,
    "tile": tile,
    "repeat": repeat,
    "broadcast_to": broadcast_to,
    "full_like": full_like,
    "flip": flip,
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "conv": windows.conv,
    "conv_transpose": windows.conv_transpose,
    "max_pool": windows.max_pool,
    "average_pool": windows.average_pool,
}  # fmt: skip

TABLE: dict[str, Implementation] = {name: lifted(name, function) for name, function in VARIABLES.items()}


def operations() -> Ops:
    """The whole vocabulary on Theano."""
    return Ops({**TABLE, "scan": scan}, "Theano")

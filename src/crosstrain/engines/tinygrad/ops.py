"""The op vocabulary on tinygrad, on channels-last values as the vocabulary has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Tensor, dtypes

from crosstrain.engines.tinygrad import math as functions
from crosstrain.engines.tinygrad import windows
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops.shapes import axes_of

DTYPES: dict[str, Any] = {
    name: getattr(dtypes, name)
    for name in (
        "bool", "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8",
    )
}  # fmt: skip
DTYPES |= {dtype.name: dtype for dtype in DTYPES.values()}  # "double", "unsigned char": tinygrad's own names


# -- elementwise ------------------------------------------------------------------------------------
def _truth(x: Tensor) -> Tensor:
    return x if x.dtype == dtypes.bool else x != 0


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    return _truth(condition).where(a, b)


def modulo(a: Any, b: Any) -> Tensor:
    """With the sign of the divisor."""
    return a - floor_divide(a, b) * b


def floor_divide(a: Any, b: Any) -> Tensor:
    if dtypes.is_float(a.dtype):
        return (a / b).floor()
    quotient: Tensor = a // b
    return quotient


def absolute(x: Tensor) -> Tensor:
    """With the slope 0 at 0."""
    return (x > 0).where(x, (x < 0).where(-x, 0))


def power(a: Any, b: Any) -> Any:
    return a**b


# -- reductions -------------------------------------------------------------------------------------
def _reduction(name: str) -> Implementation:
    def reduce(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        y: Tensor = getattr(x, name)(axis, keepdim=keepdims)
        return y if name in ("any", "all") else y.cast(x.dtype)

    return reduce


def argmax(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return x.argmax(axis, keepdim=keepdims).cast(dtypes.int32)


def cumsum(x: Tensor, *, axis: int) -> Tensor:
    return x.cumsum(axis).cast(x.dtype)


def sort(x: Tensor, *, axis: int = -1) -> Tensor:
    return x.gather(axis % x.ndim, x.detach().argsort(axis))


def top_k(x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    order = x.detach().argsort(-1, descending=True)[(*[slice(None)] * (x.ndim - 1), slice(0, k))]
    return x.gather(x.ndim - 1, order), order.cast(dtypes.int32)


def einsum(*inputs: Tensor, equation: str) -> Tensor:
    return Tensor.einsum(equation, *inputs)


# -- shapes -----------------------------------------------------------------------------------------
def reshape(x: Tensor, *, shape: Any) -> Tensor:
    return x.reshape(tuple(map(int, shape)))


def squeeze(x: Tensor, *, axis: Any) -> Tensor:
    dropped = axes_of(x.ndim, axis)
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if i not in dropped))


def expand_dims(x: Tensor, *, axis: int) -> Tensor:
    return x.unsqueeze(axis)


def concatenate(*inputs: Tensor, axis: int) -> Tensor:
    return inputs[0].cat(*inputs[1:], dim=axis)


def split(x: Tensor, *, sizes: Any, axis: int) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = x.split(list(map(int, sizes)), dim=axis)
    return parts


def cut(x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Tensor:
    return x[tuple(map(slice, starts, stops, strides))]


def tile(x: Tensor, *, repeats: Any) -> Tensor:
    return x.repeat(tuple(map(int, repeats)))


def repeat(x: Tensor, *, repeats: int, axis: int) -> Tensor:
    return x.repeat_interleave(int(repeats), dim=axis)


def broadcast_to(x: Tensor, *, shape: Any) -> Tensor:
    lead = len(shape) - x.ndim
    x = x.reshape((1,) * lead + tuple(x.shape))
    return x.expand(tuple(x.shape[i] if s == -1 else int(s) for i, s in enumerate(shape)))


def flip(x: Tensor, *, axis: Any) -> Tensor:
    return x.flip(axes_of(x.ndim, axis))


def pad(x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    if mode == "constant":
        return x.pad(tuple(tuple(map(int, pair)) for pair in padding), value=value)
    for axis, (before, after) in enumerate(padding):
        x = _mirrored(x, axis, int(before), int(after), 1 if mode == "reflect" else 0)
    return x


def _mirrored(x: Tensor, axis: int, before: int, after: int, skipped: int) -> Tensor:
    """An axis continued by its own mirror image; ``skipped`` 1 where the mirror stands on the last cell."""
    n = x.shape[axis]
    reach = max(n - skipped, 0)
    if (before or after) and not reach:  # a single cell mirrors itself
        return x.expand(tuple(n + before + after if i == axis else s for i, s in enumerate(x.shape)))
    lead = (slice(None),) * axis
    left, right = min(before, reach), min(after, reach)
    parts = [
        x[(*lead, slice(skipped, skipped + left))].flip(axis),
        x,
        x[(*lead, slice(n - skipped - right, n - skipped))].flip(axis),
    ]
    nonempty = [part for part in parts if part.shape[axis]]
    y = nonempty[0].cat(*nonempty[1:], dim=axis)
    if left == before and right == after:
        return y
    return _mirrored(y, axis, before - left, after - right, skipped)


# -- gathering --------------------------------------------------------------------------------------
def _wrapped(indices: Tensor, length: int) -> Tensor:
    """Negative ones counted from the end."""
    return (indices < 0).where(indices + length, indices).cast(dtypes.int32)


def take(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    return x[(*[slice(None)] * axis, _wrapped(indices, x.shape[axis]))]


def take_along_axis(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    shape = [max(a, b) for a, b in zip(x.shape, indices.shape, strict=True)]
    x = x.expand(tuple(x.shape[i] if i == axis else n for i, n in enumerate(shape)))
    indices = indices.expand(tuple(indices.shape[i] if i == axis else n for i, n in enumerate(shape)))
    return x.gather(axis, _wrapped(indices, x.shape[axis]))


def one_hot(x: Tensor, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    hot = (x.cast(dtypes.int32).unsqueeze(-1) == Tensor.arange(classes)).cast(DTYPES[dtype])
    axis %= hot.ndim
    return hot.permute(*range(axis), hot.ndim - 1, *range(axis, hot.ndim - 1))


# -- noise ------------------------------------------------------------------------------------------
def _uniform(x: Tensor, shape: tuple[int, ...], seed: Tensor, salt: int, stream: int) -> Tensor:
    """Threefry's 32-bit numbers of the counters 0, 1, …, keyed by seed and salt, as numbers in [0, 1)."""
    count = math.prod(shape)
    counter = Tensor.arange(count).cast(dtypes.uint64) | (stream << 32)
    key = (seed.reshape(()).cast(dtypes.uint32).cast(dtypes.uint64) << 32) | int(salt)
    bits = counter.threefry(key.reshape(1).expand(count)).cast(dtypes.uint32)
    # 24 bits: the most that float32 holds below 1
    return (bits >> 8).cast(x.dtype).reshape(shape) / 2**24


def random_uniform(x: Tensor, seed: Tensor, *, salt: int, noise_shape: Any = None) -> Tensor:
    lengths = [None] * x.ndim if noise_shape is None else noise_shape
    shape = tuple(x.shape[i] if n is None else int(n) for i, n in enumerate(lengths))
    return _uniform(x, shape, seed, salt, 0).detach()


def random_normal(x: Tensor, seed: Tensor, *, salt: int) -> Tensor:
    """By Box and Muller's method."""
    radius, angle = (_uniform(x, tuple(x.shape), seed, salt, stream) for stream in (0, 1))
    return ((-2 * (1 - radius).log()).sqrt() * (angle * (2 * math.pi)).cos()).detach()


# -- loops ------------------------------------------------------------------------------------------
def scan(step: Callable[..., Any], state: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    """Written out: tinygrad has no loop. Each state is stored, or later steps would compute it anew."""
    ys = []
    for t in range(xs.shape[0])[:: -1 if reverse else 1]:
        state, y = step(state, xs[t])
        state = tuple(s.contiguous() for s in state)
        ys.append(y)
    return state, ys[0].stack(*ys[1:], dim=0)


class Constants:
    """Arrays written into a graph, placed on the device once: a compiled step would copy them each time."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._constants: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, *, value: Any, dtype: str) -> Tensor:
        array = np.asarray(value)
        if array.ndim == 0:
            return Tensor(array.item(), device=self._device, dtype=DTYPES[dtype])
        key = (array.tobytes(), array.dtype.str, array.shape, dtype)
        if key not in self._constants:
            tensor = Tensor(np.ascontiguousarray(array), device=self._device, dtype=DTYPES[dtype])
            self._constants[key] = tensor.contiguous().realize()
        return self._constants[key]


# -- the table --------------------------------------------------------------------------------------
def _method(name: str) -> Implementation:
    return lambda x: getattr(x, name)()


_METHODS = "sign exp log sqrt square floor ceil round sin cos tan isnan isfinite"
_FUNCTIONS = (
    "expm1 log1p tanh sinh cosh sigmoid softplus logaddexp erf "
    "arctan arcsin arccos arctan2 arcsinh arccosh arctanh softmax log_softmax"
)

TABLE: dict[str, Implementation] = {
    **{name: _method(name) for name in _METHODS.split()},
    **{name: getattr(functions, name) for name in _FUNCTIONS.split()},
    **{name: _reduction(name) for name in ("sum", "mean", "max", "min", "prod", "any", "all")},
    "negative": lambda x: -x,
    "abs": absolute,
    "relu": lambda x: (x > 0).where(x, 0),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": power,
    "maximum": lambda a, b: a.maximum(b) if isinstance(a, Tensor) else b.maximum(a),
    "minimum": lambda a, b: a.minimum(b) if isinstance(a, Tensor) else b.minimum(a),
    "mod": modulo,
    "floor_divide": floor_divide,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "logical_and": lambda a, b: _truth(a) & _truth(b),
    "logical_or": lambda a, b: _truth(a) | _truth(b),
    "logical_not": lambda x: _truth(x).logical_not(),
    "stop_gradient": lambda x: x.detach(),
    "cast": lambda x, *, dtype: x.cast(DTYPES[dtype]),
    "where": where,
    "matmul": lambda a, b: a @ b,
    "einsum": einsum,
    "argmax": argmax,
    "cumsum": cumsum,
    "sort": sort,
    "top_k": top_k,
    "reshape": reshape,
    "transpose": lambda x, *, axes: x.permute(tuple(axes)),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concatenate": concatenate,
    "split": split,
    "slice": cut,
    "tile": tile,
    "repeat": repeat,
    "broadcast_to": broadcast_to,
    "full_like": lambda x, *, value: x.detach().const_like(value),
    "flip": flip,
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "scan": scan,
    "conv": windows.conv,
    "conv_transpose": windows.conv_transpose,
    "max_pool": windows.max_pool,
    "average_pool": windows.average_pool,
}


def operations(device: str) -> Ops:
    """The whole vocabulary on tinygrad."""
    return Ops({**TABLE, "constant": Constants(device)}, "tinygrad")

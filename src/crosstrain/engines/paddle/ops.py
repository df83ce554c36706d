"""The op vocabulary on Paddle. Ops on channels-last images turn them; ``layout`` avoids most of that.

Paddle's kernels take most attributes as float32, also where the values are float64 (``leaky_relu(0.3)`` has
the slope 0.30000001). Ops with such attributes are therefore left to their meaning in the vocabulary, or to
runs in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from crosstrain.engines.paddle import images
from crosstrain.engines.paddle.layers import LAYERS
from crosstrain.engines.paddle.layout import ALWAYS, LAY_OUT, first_order, kernel_order, last_order
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of


# -- images ---------------------------------------------------------------------------------------
def _imaged(function: Callable[..., Tensor]) -> Implementation:
    """A function of an image channels-first as an op on channels-last values."""

    def op(x: Tensor, *rest: Any, **attributes: Any) -> Tensor:
        y = function(x.transpose(first_order(x.ndim)), *rest, **attributes)
        return y.transpose(last_order(y.ndim))

    return op


def _convolving(function: Callable[..., Tensor]) -> Implementation:
    """Likewise, with a kernel in Keras's order of axes."""

    def op(x: Tensor, kernel: Tensor, *rest: Any, **attributes: Any) -> Tensor:
        reordered = kernel.transpose(kernel_order(kernel.ndim))
        y = function(x.transpose(first_order(x.ndim)), reordered, *rest, **attributes)
        return y.transpose(last_order(y.ndim))

    return op


_IMAGES: dict[str, Callable[..., Tensor]] = {
    "conv": images.conv,
    "depthwise_conv": images.depthwise_conv,
    "conv_transpose": images.conv_transpose,
    "max_pool": images.max_pool,
    "average_pool": images.average_pool,
    "upsample_nearest": images.upsample_nearest,
}


# -- reductions -----------------------------------------------------------------------------------
def _reduction(function: Callable[..., Tensor]) -> Implementation:
    def reduce(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        axes = axes_of(x.ndim, axis)
        return function(x, axis=list(axes), keepdim=keepdims) if axes else x

    return reduce


def _sum(x: Tensor, axis: list[int], keepdim: bool) -> Tensor:
    return paddle.sum(x, axis, x.dtype, keepdim)


def _mean(x: Tensor, axis: list[int], keepdim: bool) -> Tensor:
    if len(axis) > 1 and not keepdim and sorted(axis) == list(range(x.ndim - len(axis), x.ndim)):
        return paddle.mean(x.flatten(x.ndim - len(axis)), -1)  # the gradient for one axis is 20 times faster
    return paddle.mean(x, axis, keepdim)


def _prod(x: Tensor, axis: list[int], keepdim: bool) -> Tensor:
    return paddle.prod(x, axis, keepdim, x.dtype)


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axis, keepdim: function(x.astype("bool"), axis, keepdim)


def argmax(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return paddle.argmax(x, axis, keepdims, "int32")


def argmin(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return paddle.argmin(x, axis, keepdims, "int32")


def top_k(x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    # paddle.topk orders equal values as it likes; the vocabulary keeps the first ones first.
    indices = paddle.argsort(x, -1, descending=True, stable=True)[..., :k]
    return paddle.take_along_axis(x, indices, -1, broadcast=False), indices.astype("int32")


def matmul(a: Tensor, b: Tensor) -> Tensor:
    if min(a.ndim, b.ndim) > 2 and a.ndim != b.ndim:  # Paddle has no gradient for batch axes of two ranks
        rank = max(a.ndim, b.ndim)
        a, b = (m.reshape([1] * (rank - m.ndim) + m.shape) for m in (a, b))
    return paddle.matmul(a, b)


def softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    return F.softmax(x, axis) if isinstance(axis, int) else paddle.exp(log_softmax(x, axis=axis))


def log_softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    # Paddle's own ends at -64 on a CPU.
    return x - paddle.logsumexp(x, axis if isinstance(axis, int) else list(axis), keepdim=True)


# -- shapes, cutting and gathering ----------------------------------------------------------------
def lay_out(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    return x.transpose(axes).contiguous()


def slice_(x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Tensor:
    everything = all(s is None for s in (*starts, *stops)) and x.ndim == 4 and x.is_floating_point()
    if everything and tuple(strides[:2]) == (1, 1) and min(strides) > 0:
        return F.avg_pool2d(x, 1, list(strides[2:]))  # the same cells, and half the time with its gradient
    cuts, backward = [], []
    for axis, limits in enumerate(zip(starts, stops, strides, strict=True)):
        start, stop, stride = slice(*limits).indices(x.shape[axis])
        if stride < 0:  # turn the axis round and count from its end
            backward.append(axis)
            start, stop, stride = x.shape[axis] - 1 - start, x.shape[axis] - 1 - stop, -stride
        cuts.append(slice(start, max(stop, start), stride))
    return (paddle.flip(x, backward) if backward else x)[tuple(cuts)]


def pad(x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    if mode == "constant":
        return F.pad(x, images.flat(padding), value=value, pad_from_left_axis=True)
    for axis, pair in enumerate(padding):  # F.pad reflects only some ranks, and has no "symmetric"
        if any(pair):
            order: np.ndarray = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
            x = paddle.index_select(x, paddle.to_tensor(order, place=x.place), axis)
    return x


def _wrapped(indices: Tensor, length: int) -> Tensor:
    """As int64, negative ones counted from the end."""
    indices = indices.astype("int64")
    return paddle.where(indices < 0, indices + length, indices)


def take(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    wrapped = _wrapped(indices, x.shape[axis])
    if axis == 0 and x.ndim == 2:
        return F.embedding(wrapped, x)
    picked = paddle.index_select(x, wrapped.reshape([-1]), axis)
    return picked.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def take_along_axis(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    wrapped = _wrapped(indices, x.shape[axis])
    lengths = [max(a, b) for a, b in zip(x.shape, wrapped.shape, strict=True)]
    lengths[axis] = x.shape[axis]
    if lengths != x.shape:
        x = paddle.expand(x, lengths)
    lengths[axis] = wrapped.shape[axis]
    if lengths != wrapped.shape:
        wrapped = paddle.expand(wrapped, lengths)
    return paddle.take_along_axis(x, wrapped, axis, broadcast=False)


def one_hot(x: Tensor, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    hot = (x.unsqueeze(-1) == paddle.arange(classes, dtype=x.dtype)).astype(dtype)
    return paddle.moveaxis(hot, -1, axis)


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    return paddle.where(condition.astype("bool"), a, b)


def constants() -> Implementation:
    """The op ``constant``. Each constant is made once, not once a step."""
    constants: dict[tuple[Any, str], Tensor] = {}

    def constant(*, value: Any, dtype: str) -> Tensor:
        key = (value, dtype)
        if key not in constants:
            constants[key] = paddle.to_tensor(np.asarray(value, dtype))
        return constants[key]

    return constant


# -- recurrence -----------------------------------------------------------------------------------
def scan(step: Callable[..., Any], state: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    ys = []
    for x in paddle.unbind(xs, 0)[:: -1 if reverse else 1]:
        state, y = step(state, x)
        ys.append(y)
    return state, paddle.stack(ys, 0)


# -- noise ----------------------------------------------------------------------------------------
def _key(seed: int, salt: int) -> int:
    """A seed for one op of one step; Paddle takes 31 bits, and 0 for its own generator."""
    (word,) = np.random.SeedSequence((seed, salt)).generate_state(1)
    return 1 + int(word) % (2**31 - 2)


def random_uniform(x: Tensor, seed: int, *, salt: int, noise_shape: Any = None) -> Tensor:
    lengths = [None] * x.ndim if noise_shape is None else noise_shape
    shape = [x.shape[i] if n is None else n for i, n in enumerate(lengths)]
    return paddle.uniform(shape, x.dtype, 0.0, 1.0, seed=_key(seed, salt))


def random_normal(x: Tensor, seed: int, *, salt: int) -> Tensor:
    return paddle.tensor.random.gaussian(x.shape, 0.0, 1.0, _key(seed, salt), x.dtype)


# -- the vocabulary's own meaning --------------------------------------------------------------------
def _where_it_fits(name: str, function: Implementation) -> Implementation:
    """Paddle's own form, and the meaning in the vocabulary where that answers ``NotImplemented``."""
    meaning = VOCABULARY[name].meaning
    assert meaning is not None

    def either(*inputs: Any, **attributes: Any) -> Any:
        result = function(*inputs, **attributes)
        return meaning(_PLAIN, *inputs, **attributes) if result is NotImplemented else result

    return either


# -- the table ------------------------------------------------------------------------------------
_SAME_NAME = (
    "negative abs sign exp expm1 log log1p sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh "
    "floor ceil round erf add subtract multiply divide maximum minimum mod floor_divide logaddexp "
    "equal not_equal greater_equal less_equal logical_and logical_or logical_xor logical_not isnan isfinite"
)
_OTHER_NAME = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "power": "pow", "greater": "greater_than", "less": "less_than",
}  # fmt: skip

TABLE: dict[str, Implementation] = {
    **{name: getattr(paddle, name) for name in _SAME_NAME.split()},
    **{name: getattr(paddle, other) for name, other in _OTHER_NAME.items()},
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "softsign": F.softsign,
    "log_sigmoid": F.log_sigmoid,
    "gelu": lambda x, *, approximate: F.gelu(x, approximate),
    # Beyond 50 it is x itself, which not even float64 can tell apart (beyond Paddle's 20 it can).
    "softplus": lambda x: F.softplus(x, 1.0, 50.0),
    "matmul": matmul,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "where": where,
    "cast": lambda x, *, dtype: x.astype(dtype),
    "stop_gradient": lambda x: x.detach(),
    "dense": lambda x, kernel, bias=None: F.linear(x, kernel, bias),
    "sum": _reduction(_sum),
    "mean": _reduction(_mean),
    "max": _reduction(paddle.amax),
    "min": _reduction(paddle.amin),
    "prod": _reduction(_prod),
    "any": _reduction(_truth(paddle.any)),
    "all": _reduction(_truth(paddle.all)),
    "argmax": argmax,
    "argmin": argmin,
    "cumsum": lambda x, *, axis: paddle.cumsum(x, axis, x.dtype),
    "sort": lambda x, *, axis=-1: paddle.sort(x, axis, stable=True),
    "top_k": top_k,
    "einsum": lambda *inputs, equation: paddle.einsum(equation, *inputs),
    "reshape": lambda x, *, shape: x.reshape(shape),
    "transpose": lambda x, *, axes: x.transpose(axes),
    LAY_OUT: lay_out,
    "expand_dims": lambda x, *, axis: x.unsqueeze(axis),
    "squeeze": lambda x, *, axis: x.squeeze(list(axes_of(x.ndim, axis))),
    "concatenate": lambda *inputs, axis: paddle.concat(inputs, axis),
    "stack": lambda *inputs, axis: paddle.stack(inputs, axis),
    "split": lambda x, *, sizes, axis: paddle.split(x, list(sizes), axis),
    "slice": slice_,
    "tile": lambda x, *, repeats: paddle.tile(x, repeats),
    "repeat": lambda x, *, repeats, axis: paddle.repeat_interleave(x, repeats, axis),
    "broadcast_to": lambda x, *, shape: paddle.expand(x, shape),
    "full_like": lambda x, *, value: paddle.full_like(x, value),
    "flip": lambda x, *, axis: paddle.flip(x, axis),
    "roll": lambda x, *, shift, axis: paddle.roll(x, shift, axis),
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "scan": scan,
    **{name: _convolving(_IMAGES[name]) for name in ("conv", "depthwise_conv", "conv_transpose")},
    **{name: _imaged(_IMAGES[name]) for name in ("max_pool", "average_pool", "upsample_nearest")},
    **{ALWAYS[name]: function for name, function in _IMAGES.items()},
    **{name: _where_it_fits(name, function) for name, function in LAYERS.items()},
}

_PLAIN = Ops({**TABLE, "constant": constants()}, "paddle")


def operations() -> Ops:
    """The whole vocabulary on Paddle, and the ops that ``layout`` adds."""
    return Ops({**TABLE, "constant": constants()}, "paddle")

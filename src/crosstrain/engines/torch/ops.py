"""The op vocabulary on PyTorch. Values are channels-last, as the vocabulary has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crosstrain.engines.torch import images, products
from crosstrain.engines.torch.images import channels_first, channels_last, flat_padding
from crosstrain.engines.torch.layers import LAYERS
from crosstrain.engines.torch.statistics import MovingStatistics
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of

DTYPES = {
    name: getattr(torch, name)
    for name in (
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
    )
}


# -- images ------------------------------------------------------------------------------------
def _imaged(function: Callable[..., Tensor]) -> Implementation:
    """A function of images as an op."""
    return lambda x, *rest, **attributes: channels_last(
        function(channels_first(x), *rest, **attributes), x.ndim
    )


def upsample_nearest(x: Tensor, *, size: tuple[int, ...]) -> Tensor:
    if not x.is_floating_point():
        return _meaning("upsample_nearest", x, size=size)
    return channels_last(images.upsample_nearest(channels_first(x), size=size), x.ndim)


def _normal_view(x: Tensor, axis: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """``x`` with ``axis`` in second place, as batch_norm reads it, and the way back."""
    axis %= x.ndim
    if axis == x.ndim - 1 and x.ndim in (3, 4, 5):
        return channels_first(x), lambda y: channels_last(y, x.ndim)
    if axis == 1:
        return x, lambda y: y
    return x.movedim(axis, 1), lambda y: y.movedim(1, axis)


def _normed(function: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> Implementation:
    """A BatchNorm of images as an op."""

    def batch_norm(x: Tensor, *rest: Any, axis: int, **attributes: Any) -> tuple[Tensor, Tensor, Tensor]:
        image, back = _normal_view(x, axis)
        y, mean, variance = function(image, *rest, **attributes)
        return back(y), mean, variance

    return batch_norm


def normalize(x: Tensor, *rest: Any, axis: int, **attributes: Any) -> Tensor:
    image, back = _normal_view(x, axis)
    return back(images.normalize(image, *rest, **attributes))


def _chain(table: Mapping[str, Implementation]) -> Implementation:
    """The op ``chain``: image ops of ``table`` one after the other on one view (``fusion`` makes such nodes).
    It gives the image, then what its members give besides."""

    def chain(x: Tensor, *rest: Any, steps: Any) -> tuple[Any, ...]:
        image, extra, begin = channels_first(x), [], 0
        for op, count, overwrites, attributes in steps:
            function = _OVERWRITING[op] if overwrites else table[op]
            result = function(image, *rest[begin : begin + count], **dict(attributes))
            begin += count
            if isinstance(result, tuple):
                image, *others = result
                extra += others
            else:
                image = result
        return channels_last(image, x.ndim), *extra

    return chain


def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    if bias is not None and x.ndim == 2:
        return torch.addmm(bias, x, kernel)
    return F.linear(x, kernel.mT, bias)


def scan(
    step: Callable[..., Any], state: tuple[Tensor, ...], xs: Tensor, *, reverse: bool = False
) -> tuple[tuple[Tensor, ...], Tensor]:
    ys = []
    for x in xs.unbind(0)[:: -1 if reverse else 1]:
        state, y = step(state, x)
        ys.append(y)
    return state, torch.stack(ys)


# -- reductions -----------------------------------------------------------------------------------
def _reduction(function: Callable[..., Tensor]) -> Implementation:
    def reduce(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        axes = axes_of(x.ndim, axis)
        return function(x, dim=axes, keepdim=keepdims) if axes else x

    return reduce


def prod(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    for a in sorted(axes_of(x.ndim, axis), reverse=True):  # one axis a time, the last first
        x = torch.prod(x, dim=a, keepdim=keepdims)
    return x


def _variance(x: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return torch.var(x, dim=dim, correction=0, keepdim=keepdim)


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, dim, keepdim: function(x.bool(), dim=dim, keepdim=keepdim)


def argmax(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.argmax(x, dim=axis, keepdim=keepdims).int()


def argmin(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.argmin(x, dim=axis, keepdim=keepdims).int()


def sort(x: Tensor, *, axis: int = -1) -> Tensor:
    return torch.sort(x, dim=axis, stable=True).values


def top_k(x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    # torch.topk orders equal values as it likes; the vocabulary keeps the first ones first.
    values, indices = torch.sort(x, dim=-1, descending=True, stable=True)
    return values[..., :k], indices[..., :k].int()


def softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    if isinstance(axis, int):
        return torch.softmax(x, dim=axis)
    return torch.exp(log_softmax(x, axis=axis))


def log_softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    if isinstance(axis, int):
        return torch.log_softmax(x, dim=axis)
    return x - torch.logsumexp(x, dim=tuple(axis), keepdim=True)


# -- shapes, cutting and gathering ----------------------------------------------------------------
def slice_(x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Tensor:
    cuts, backward = [], []
    for axis, limits in enumerate(zip(starts, stops, strides, strict=True)):
        start, stop, stride = slice(*limits).indices(x.shape[axis])
        if stride < 0:  # PyTorch has no negative strides: turn the axis round and count from its end
            backward.append(axis)
            start, stop, stride = x.shape[axis] - 1 - start, x.shape[axis] - 1 - stop, -stride
        cuts.append(slice(start, max(stop, start), stride))
    return (x.flip(backward) if backward else x)[tuple(cuts)]


def pad(x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    if mode == "constant":
        return F.pad(x, flat_padding(padding), value=value)
    for axis, pair in enumerate(padding):  # F.pad reflects only some ranks, and has no "symmetric"
        if any(pair):
            order: np.ndarray = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
            x = x.index_select(axis, torch.from_numpy(order).to(x.device))
    return x


def _wrapped(indices: Tensor, length: int) -> Tensor:
    """As int64, negative ones counted from the end."""
    indices = indices.long()
    return torch.where(indices < 0, indices + length, indices)


def take(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    positions = _wrapped(indices, x.shape[axis])
    if axis == 0 and x.ndim == 2:
        return F.embedding(positions, x)
    rows = x.index_select(axis, positions.reshape(-1))
    return rows.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def take_along_axis(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    return torch.take_along_dim(x, _wrapped(indices, x.shape[axis]), dim=axis)


def one_hot(x: Tensor, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    hot = (x.unsqueeze(-1) == torch.arange(classes, device=x.device)).to(DTYPES[dtype])
    return hot.movedim(-1, axis)


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    return torch.where(condition if condition.dtype == torch.bool else condition != 0, a, b)


def squeeze(x: Tensor, *, axis: Any) -> Tensor:
    return x.squeeze(axes_of(x.ndim, axis))


def constants(device: torch.device) -> Implementation:
    """The op ``constant`` on a device. Each constant is created once, not at every step."""
    tensors: dict[tuple[Any, str], Tensor] = {}

    def constant(*, value: Any, dtype: str) -> Tensor:
        key = (value, dtype)
        if key not in tensors:
            with torch.inference_mode(False):  # autograd may keep it even if inference asked first
                tensors[key] = torch.tensor(value, dtype=DTYPES[dtype], device=device)
        return tensors[key]

    return constant


# -- noise ----------------------------------------------------------------------------------------
# The network seeds PyTorch's generators with the input ``seed`` before each step; ops draw in turn.
def random_uniform(x: Tensor, seed: Any, *, salt: int, noise_shape: Any = None) -> Tensor:
    shape = (
        x.shape
        if noise_shape is None
        else [x.shape[i] if n is None else n for i, n in enumerate(noise_shape)]
    )
    return torch.rand(shape, dtype=x.dtype, device=x.device)


def random_normal(x: Tensor, seed: Any, *, salt: int) -> Tensor:
    return torch.randn(x.shape, dtype=x.dtype, device=x.device)


# -- the vocabulary's own meaning --------------------------------------------------------------------
def _meaning(name: str, *inputs: Any, **attributes: Any) -> Any:
    """An op by its meaning in the vocabulary, where PyTorch's own form does not cover the case."""
    meaning = VOCABULARY[name].meaning
    assert meaning is not None
    return meaning(_PLAIN, *inputs, **attributes)


def _where_it_fits(name: str, function: Implementation) -> Implementation:
    """PyTorch's own form, and the meaning where that answers ``NotImplemented``."""

    def either(*inputs: Any, **attributes: Any) -> Any:
        result = function(*inputs, **attributes)
        return _meaning(name, *inputs, **attributes) if result is NotImplemented else result

    return either


# -- the table ------------------------------------------------------------------------------------
_SAME_NAME = [
    "negative",
    "abs",
    "sign",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "floor",
    "ceil",
    "round",
    "erf",
    "sigmoid",
    "relu",
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "floor_divide",
    "arctan2",
    "logaddexp",
    "not_equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isnan",
    "isfinite",
    "matmul",
]

TABLE: dict[str, Implementation] = {
    **{name: getattr(torch, name) for name in _SAME_NAME},
    "equal": torch.eq,  # torch.equal is one answer for the whole
    "power": torch.pow,
    "mod": torch.remainder,
    "where": where,
    "clip": lambda x, *, minimum, maximum: torch.clamp(x, minimum, maximum),
    "cast": lambda x, *, dtype: x.to(DTYPES[dtype]),
    "stop_gradient": torch.detach,
    "linear": lambda x: x,
    # Beyond 50 it is x itself, which not even float64 can tell apart (beyond PyTorch's 20 it can).
    "softplus": lambda x: F.softplus(x, 1.0, 50.0),
    "relu6": F.relu6,
    "leaky_relu": lambda x, *, negative_slope: F.leaky_relu(x, negative_slope),
    "elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "selu": F.selu,
    "celu": lambda x, *, alpha=1.0: F.celu(x, alpha),
    "gelu": lambda x, *, approximate: F.gelu(x, approximate="tanh" if approximate else "none"),
    "silu": F.silu,
    "softsign": F.softsign,
    "log_sigmoid": F.logsigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "tanh_shrink": F.tanhshrink,
    "soft_shrink": lambda x, *, threshold=0.5: F.softshrink(x, threshold),
    "hard_shrink": lambda x, *, threshold=0.5: F.hardshrink(x, threshold),
    "threshold": lambda x, *, threshold, value: F.threshold(x, threshold, value),
    "glu": lambda x, *, axis=-1: F.glu(x, axis),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "dense": dense,
    "conv": _imaged(images.conv),
    "depthwise_conv": _imaged(images.depthwise_conv),
    "conv_transpose": _imaged(images.conv_transpose),
    "max_pool": _imaged(images.max_pool),
    "average_pool": _imaged(images.average_pool),
    "upsample_nearest": upsample_nearest,
    "batch_norm": _normed(images.batch_norm),
    "normalize": normalize,
    "scan": scan,
    "sum": _reduction(torch.sum),
    "mean": _reduction(torch.mean),
    "max": _reduction(torch.amax),
    "min": _reduction(torch.amin),
    "any": _reduction(_truth(torch.any)),
    "all": _reduction(_truth(torch.all)),
    "variance": _reduction(_variance),
    "logsumexp": _reduction(torch.logsumexp),
    "prod": prod,
    "argmax": argmax,
    "argmin": argmin,
    "cumsum": lambda x, *, axis: torch.cumsum(x, axis),
    "sort": sort,
    "top_k": top_k,
    "einsum": lambda *inputs, equation: torch.einsum(equation, *inputs),
    "reshape": lambda x, *, shape: x.reshape(shape),
    "transpose": lambda x, *, axes: x.permute(axes),
    "expand_dims": lambda x, *, axis: x.unsqueeze(axis),
    "squeeze": squeeze,
    "concatenate": lambda *inputs, axis: torch.cat(inputs, axis),
    "stack": lambda *inputs, axis: torch.stack(inputs, axis),
    "split": lambda x, *, sizes, axis: torch.split(x, sizes, axis),
    "slice": slice_,
    "tile": lambda x, *, repeats: x.repeat(repeats),
    "repeat": lambda x, *, repeats, axis: torch.repeat_interleave(x, repeats, axis),
    "broadcast_to": lambda x, *, shape: x.expand(shape),
    "full_like": lambda x, *, value: torch.full_like(x, value),
    "flip": lambda x, *, axis: x.flip(axis),
    "roll": lambda x, *, shift, axis: torch.roll(x, shift, axis),
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    **{name: _where_it_fits(name, function) for name, function in LAYERS.items()},
}

_IMAGES: dict[str, Implementation] = {
    **{
        op: TABLE[op] for op in ("relu", "relu6", "leaky_relu", "elu", "silu", "hard_silu", "sigmoid", "tanh")
    },
    "conv": images.conv,
    "depthwise_conv": images.depthwise_conv,
    "max_pool": images.max_pool,
    "average_pool": images.average_pool,
    "batch_norm": images.batch_norm,
    "normalize": images.normalize,
    "add": lambda image, other: image + channels_first(other),
}
_OVERWRITING: dict[str, Implementation] = {
    "relu": torch.relu_,
    "relu6": lambda image: F.relu6(image, inplace=True),
    "add": lambda image, other: image.add_(channels_first(other)),
}

_PLAIN = Ops(TABLE, "torch")


def operations(device: torch.device, statistics: MovingStatistics) -> Ops:
    """The whole vocabulary on PyTorch, constants on ``device``; BatchNorms in place leave to ``statistics``
    what comes after the backward pass."""
    extra = {
        **products.OPS,
        "chain": _chain({**_IMAGES, "batch_norm_in_place": statistics.batch_norm}),
        "batch_norm_in_place": _normed(statistics.batch_norm),
        "constant": constants(device),
    }
    return Ops({**TABLE, **extra}, "torch")

"""The op vocabulary on PyTorch.

Values are channels-last as the vocabulary has them. A convolution or pooling looks at them through a
permuted view, which is what PyTorch calls the memory format ``channels_last``: oneDNN and cuDNN run
their NHWC kernels on it, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.convolution import Pairs
from crosstrain.graph.ops.shapes import axes_of

Tensor = torch.Tensor

DTYPES = {
    name: getattr(torch, name)
    for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
}


# -- views ----------------------------------------------------------------------------------------
# One spatial axis is treated as two, the first of length 1: only so does PyTorch keep channels last.

_FIRST = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
_LAST = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
_KERNEL = {4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2)}
_CONVOLUTIONS = {4: torch.conv2d, 5: torch.conv3d}
_TRANSPOSED = {4: torch.conv_transpose2d, 5: torch.conv_transpose3d}
_MAX_POOLS = {4: F.max_pool2d, 5: F.max_pool3d}
_AVERAGE_POOLS = {4: F.avg_pool2d, 5: F.avg_pool3d}


def _channels_first(x: Tensor) -> Tensor:
    """(N, spatial…, C) as the view (N, C, spatial…)."""
    if x.ndim == 3:
        return x.unsqueeze(1).permute(0, 3, 1, 2)
    return x.permute(_FIRST[x.ndim])


def _channels_last(y: Tensor, rank: int) -> Tensor:
    """The way back, to a value of ``rank`` axes."""
    if rank == 3:
        return y.permute(0, 2, 3, 1).squeeze(1)
    return y.permute(_LAST[rank])


def _kernel_view(kernel: Tensor) -> Tensor:
    """HWIO as the view OIHW."""
    return (kernel.unsqueeze(0) if kernel.ndim == 3 else kernel).permute(_KERNEL[max(kernel.ndim, 4)])


def _spatial(numbers: Iterable[int], missing: int) -> tuple[int, ...]:
    numbers = tuple(numbers)
    return (missing, *numbers) if len(numbers) == 1 else numbers


def _flat_padding(padding: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs by axis, in the order of F.pad: last axis first."""
    return [n for pair in reversed(tuple(padding)) for n in pair]


# -- images: (N, C, spatial…) views ------------------------------------------------------------------
def conv_image(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Tensor:  # fmt: skip
    return _convolved(image, _kernel_view(kernel), bias, strides, padding, dilation, groups)


def depthwise_conv_image(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    if kernel.ndim == 3:
        kernel = kernel.unsqueeze(0)
    *size, channels, multiplier = kernel.shape
    weight = kernel.movedim((-2, -1), (0, 1)).reshape(channels * multiplier, 1, *size)
    return _convolved(image, weight, bias, strides, padding, dilation, channels)


def _convolved(
    image: Tensor, weight: Tensor, bias: Tensor | None, strides: Any, padding: Pairs, dilation: Any, groups: int
) -> Tensor:
    if any(before != after for before, after in padding):
        image = F.pad(image, _flat_padding(padding))
        padding = ((0, 0),) * len(padding)
    return _CONVOLUTIONS[image.ndim](
        image, weight, bias, _spatial(strides, 1), _spatial((b for b, _ in padding), 0), _spatial(dilation, 1), groups
    )


def conv_transpose_image(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    # PyTorch crops the same at both ends. What an end loses beyond that is cut off; zeros that an end gains
    # come before the bias.
    common = tuple(max(min(pair), 0) for pair in crop)
    rest = tuple((b - c, a - c) for (b, a), c in zip(crop, common, strict=True))
    gains = any(n < 0 for pair in rest for n in pair)
    y = _TRANSPOSED[image.ndim](
        image, _kernel_view(kernel), None if gains else bias, _spatial(strides, 1), _spatial(common, 0),
        0, 1, _spatial(dilation, 1),
    )  # fmt: skip
    if any(n for pair in rest for n in pair):
        y = F.pad(y, [-n for n in _flat_padding(rest)])
    if gains and bias is not None:
        y = y + bias.view(-1, *[1] * (y.ndim - 2))
    return y


def _fits(padding: Pairs, window: Any) -> bool:
    """Whether PyTorch's own pooling takes this padding: alike at both ends, at most half the window."""
    return all(b == a and 2 * b <= size for (b, a), size in zip(padding, window, strict=True))


def max_pool_image(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    if not _fits(padding, window):
        image = F.pad(image, _flat_padding(padding), value=float("-inf"))
        padding = ((0, 0),) * len(padding)
    pads = _spatial((b for b, _ in padding), 0)
    return _MAX_POOLS[image.ndim](image, _spatial(window, 1), _spatial(strides, 1), pads)


def average_pool_image(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    pool = _AVERAGE_POOLS[image.ndim]
    size, step = _spatial(window, 1), _spatial(strides, 1)
    if _fits(padding, window):
        return pool(image, size, step, _spatial((b for b, _ in padding), 0), count_include_pad=False)
    pads = _flat_padding(padding)
    valid = F.pad(image.new_ones((1, 1, *image.shape[2:])), pads)
    return pool(F.pad(image, pads), size, step) / pool(valid, size, step)


def upsample_nearest_image(image: Tensor, *, size: tuple[int, ...]) -> Tensor:
    lengths = [n * k for n, k in zip(image.shape[2:], _spatial(size, 1), strict=True)]
    return F.interpolate(image, lengths, mode="nearest-exact")


def batch_norm_image(
    image: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
    *, momentum: float, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    count = image.numel() // image.shape[1]
    # PyTorch moves its running variance towards the unbiased variance, Keras towards the biased one. With
    # the old value made larger by n / (n - 1) before and the result smaller by it after, the biased one is
    # what went in. One value alone has no variance at all.
    unbiased = count / max(count - 1, 1)
    new_mean = mean.clone()
    new_variance = variance * unbiased
    y = torch.batch_norm(
        image, gamma, beta, new_mean, new_variance, True, 1 - momentum, epsilon, torch.backends.cudnn.enabled
    )
    return y, new_mean, new_variance / unbiased if count > 1 else variance * momentum


def normalize_image(
    image: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Tensor:
    if mean.requires_grad or variance.requires_grad:  # PyTorch's own has no gradient for them
        return _meaning("normalize", image, gamma, beta, mean, variance, axis=1, epsilon=epsilon)
    return F.batch_norm(image, mean, variance, gamma, beta, False, 0.0, epsilon)


def _imaged(function: Callable[..., Tensor]) -> Implementation:
    """A function of images as an op."""
    return lambda x, *rest, **attributes: _channels_last(function(_channels_first(x), *rest, **attributes), x.ndim)


def upsample_nearest(x: Tensor, *, size: tuple[int, ...]) -> Tensor:
    if not x.is_floating_point():
        return _meaning("upsample_nearest", x, size=size)
    return _channels_last(upsample_nearest_image(_channels_first(x), size=size), x.ndim)


def _normal_view(x: Tensor, axis: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """``x`` with ``axis`` in second place, as batch_norm reads it, and the way back."""
    axis %= x.ndim
    if axis == x.ndim - 1 and x.ndim in (3, 4, 5):
        return _channels_first(x), lambda y: _channels_last(y, x.ndim)
    if axis == 1:
        return x, lambda y: y
    return x.movedim(axis, 1), lambda y: y.movedim(1, axis)


def batch_norm(x: Tensor, *rest: Any, axis: int, **attributes: Any) -> tuple[Tensor, Tensor, Tensor]:
    image, back = _normal_view(x, axis)
    y, mean, variance = batch_norm_image(image, *rest, **attributes)
    return back(y), mean, variance


def normalize(x: Tensor, *rest: Any, axis: int, **attributes: Any) -> Tensor:
    image, back = _normal_view(x, axis)
    return back(normalize_image(image, *rest, **attributes))


def chain(x: Tensor, *rest: Any, steps: Any) -> tuple[Any, ...]:
    """Image ops one after the other on one view (``torch_fusion`` makes such nodes): the image, then what
    its members give besides."""
    image, extra, begin = _channels_first(x), [], 0
    for op, count, overwrites, attributes in steps:
        function = _OVERWRITING[op] if overwrites else _IMAGES[op]
        made = function(image, *rest[begin : begin + count], **dict(attributes))
        begin += count
        if isinstance(made, tuple):
            image, *besides = made
            extra += besides
        else:
            image = made
    return _channels_last(image, x.ndim), *extra


def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    if bias is not None and x.ndim == 2:
        return torch.addmm(bias, x, kernel)
    return F.linear(x, kernel.mT, bias)


def _over_last(x: Tensor, axes: tuple[int, ...], *scales: Tensor | None) -> list[int] | None:
    """The lengths of ``axes`` where PyTorch's layer norms do this: last axes, scales of just their shape."""
    rank = x.ndim
    if sorted(axes_of(rank, axes)) != list(range(rank - len(axes), rank)):
        return None
    lengths = list(x.shape[rank - len(axes) :])
    return lengths if all(s is None or list(s.shape) == lengths for s in scales) else None


def layer_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, axes: tuple[int, ...], epsilon: float
) -> Tensor:
    lengths = _over_last(x, axes, gamma, beta)
    if lengths is None:
        return _meaning("layer_norm", x, gamma, beta, axes=axes, epsilon=epsilon)
    return F.layer_norm(x, lengths, gamma, beta, epsilon)


def rms_norm(x: Tensor, gamma: Tensor | None = None, *, axes: tuple[int, ...], epsilon: float) -> Tensor:
    lengths = _over_last(x, axes, gamma)
    if lengths is None:
        return _meaning("rms_norm", x, gamma, axes=axes, epsilon=epsilon)
    return F.rms_norm(x, lengths, gamma, epsilon)


# -- recurrent layers -----------------------------------------------------------------------------
def scan(
    step: Callable[..., Any], state: tuple[Tensor, ...], xs: Tensor, *, reverse: bool = False
) -> tuple[tuple[Tensor, ...], Tensor]:
    ys = []
    for x in xs.unbind(0)[:: -1 if reverse else 1]:
        state, y = step(state, x)
        ys.append(y)
    return state, torch.stack(ys)


def _start(x: Tensor, units: int, state: Tensor | None) -> Tensor:
    """The first state as (layers, N, units)."""
    return x.new_zeros((1, x.shape[0], units)) if state is None else state.unsqueeze(0)


def _two_biases(bias: Tensor | None) -> list[Tensor]:
    """PyTorch has a second bias, always 0 here: a trained pair would move twice as fast as Keras's one."""
    return [] if bias is None else [bias, torch.zeros_like(bias, requires_grad=False)]


def _run(layer: Any, x: Tensor, state: Any, weights: list[Tensor], backwards: bool) -> Any:
    x = x.flip(1) if backwards else x
    return layer(x, state, weights, len(weights) == 4, 1, 0.0, torch.is_grad_enabled(), False, True)


def lstm(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    hidden: Tensor | None, cell: Tensor | None,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    if (activation, recurrent_activation) != ("tanh", "sigmoid"):
        return _meaning(
            "lstm", x, kernel, recurrent_kernel, bias, hidden, cell,
            activation=activation, recurrent_activation=recurrent_activation, backwards=backwards,
        )  # fmt: skip
    units = recurrent_kernel.shape[0]
    start = (_start(x, units, hidden), _start(x, units, cell))
    weights = [kernel.t(), recurrent_kernel.t(), *_two_biases(bias)]
    ys, h, c = _run(torch._VF.lstm, x, start, weights, backwards)
    return ys, h[0], c[0]


def _reset_first(parts: Tensor) -> Tensor:
    """Keras's gates z, r, h along the first axis in PyTorch's order r, z, n."""
    z, r, h = parts.chunk(3)
    return torch.cat((r, z, h))


def gru(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    if (activation, recurrent_activation, reset_after) != ("tanh", "sigmoid", True):
        return _meaning(
            "gru", x, kernel, recurrent_kernel, bias, state, activation=activation,
            recurrent_activation=recurrent_activation, reset_after=reset_after, backwards=backwards,
        )  # fmt: skip
    weights = [_reset_first(kernel.t()), _reset_first(recurrent_kernel.t())]
    weights += [] if bias is None else [_reset_first(bias[0]), _reset_first(bias[1])]
    ys, h = _run(torch._VF.gru, x, _start(x, recurrent_kernel.shape[0], state), weights, backwards)
    return ys, h[0]


_SIMPLE_RNNS = {"tanh": torch._VF.rnn_tanh, "relu": torch._VF.rnn_relu}


def simple_rnn(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, backwards: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    layer = _SIMPLE_RNNS.get(activation)
    if layer is None:
        return _meaning(
            "simple_rnn", x, kernel, recurrent_kernel, bias, state, activation=activation, backwards=backwards
        )
    weights = [kernel.t(), recurrent_kernel.t(), *_two_biases(bias)]
    ys, h = _run(layer, x, _start(x, recurrent_kernel.shape[0], state), weights, backwards)
    return ys, h[0]


# -- losses ---------------------------------------------------------------------------------------
def sparse_categorical_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Tensor:
    if not from_logits:
        return _meaning("sparse_categorical_crossentropy", target, output, from_logits=False)
    rows = output.reshape(-1, output.shape[-1])
    return F.cross_entropy(rows, target.reshape(-1).long(), reduction="none").reshape(target.shape)


def binary_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Tensor:
    if not from_logits or target.shape != output.shape:
        return _meaning("binary_crossentropy", target, output, from_logits=from_logits)
    return F.binary_cross_entropy_with_logits(output, target.to(output.dtype), reduction="none")


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
        return F.pad(x, _flat_padding(padding), value=value)
    for axis, pair in enumerate(padding):  # F.pad reflects only some ranks, and has no "symmetric"
        if any(pair):
            order = np.pad(np.arange(x.shape[axis]), pair, mode=mode)
            x = x.index_select(axis, torch.from_numpy(order).to(x.device))
    return x


def _wrapped(indices: Tensor, length: int) -> Tensor:
    """As int64, negative ones counted from the end."""
    indices = indices.long()
    return torch.where(indices < 0, indices + length, indices)


def take(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    wanted = _wrapped(indices, x.shape[axis])
    if axis == 0 and x.ndim == 2:
        return F.embedding(wanted, x)
    picked = x.index_select(axis, wanted.reshape(-1))
    return picked.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


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
    """The op ``constant`` on a device. Each constant is made once, not once a step."""
    made: dict[tuple[Any, str], Tensor] = {}

    def constant(*, value: Any, dtype: str) -> Tensor:
        key = (value, dtype)
        if key not in made:
            with torch.inference_mode(False):  # autograd may keep it even if inference asked first
                made[key] = torch.tensor(value, dtype=DTYPES[dtype], device=device)
        return made[key]

    return constant


# -- noise ----------------------------------------------------------------------------------------
# The network seeds PyTorch's generators with the input ``seed`` before each step; ops draw in turn.
def random_uniform(x: Tensor, seed: Any, *, salt: int, noise_shape: Any = None) -> Tensor:
    shape = x.shape if noise_shape is None else [x.shape[i] if n is None else n for i, n in enumerate(noise_shape)]
    return torch.rand(shape, dtype=x.dtype, device=x.device)


def random_normal(x: Tensor, seed: Any, *, salt: int) -> Tensor:
    return torch.randn(x.shape, dtype=x.dtype, device=x.device)


def dropout(x: Tensor, seed: Any, *, rate: float, salt: int, noise_shape: Any = None) -> Tensor:
    if noise_shape is not None:
        return _meaning("dropout", x, seed, rate=rate, salt=salt, noise_shape=noise_shape)
    return F.dropout(x, rate, training=True)


# -- the table ------------------------------------------------------------------------------------
_SAME_NAME = (
    "negative abs sign exp expm1 log log1p sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh arcsin arccos "
    "arctan arcsinh arccosh arctanh floor ceil round erf sigmoid relu "
    "add subtract multiply divide maximum minimum floor_divide arctan2 logaddexp "
    "not_equal greater greater_equal less less_equal "
    "logical_and logical_or logical_xor logical_not isnan isfinite matmul"
).split()

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
    # Beyond 50 PyTorch's softplus is x itself, which even float64 cannot tell apart (its default, 20, it can).
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
    "conv": _imaged(conv_image),
    "depthwise_conv": _imaged(depthwise_conv_image),
    "conv_transpose": _imaged(conv_transpose_image),
    "max_pool": _imaged(max_pool_image),
    "average_pool": _imaged(average_pool_image),
    "upsample_nearest": upsample_nearest,
    "batch_norm": batch_norm,
    "normalize": normalize,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "scan": scan,
    "lstm": lstm,
    "gru": gru,
    "simple_rnn": simple_rnn,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "binary_crossentropy": binary_crossentropy,
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
    "dropout": dropout,
}

_IMAGES: dict[str, Implementation] = {
    **{op: TABLE[op] for op in ("relu", "relu6", "leaky_relu", "elu", "silu", "hard_silu", "sigmoid", "tanh")},
    "conv": conv_image,
    "depthwise_conv": depthwise_conv_image,
    "max_pool": max_pool_image,
    "average_pool": average_pool_image,
    "batch_norm": batch_norm_image,
    "normalize": normalize_image,
    "add": lambda image, other: image + _channels_first(other),
}
_OVERWRITING: dict[str, Implementation] = {
    "relu": torch.relu_,
    "relu6": lambda image: F.relu6(image, inplace=True),
    "add": lambda image, other: image.add_(_channels_first(other)),
}

_PLAIN = Ops(TABLE, "torch")


def _meaning(name: str, *inputs: Any, **attributes: Any) -> Any:
    """An op by its meaning in the vocabulary, where PyTorch's own form does not cover the case."""
    meaning = VOCABULARY[name].meaning
    assert meaning is not None
    return meaning(_PLAIN, *inputs, **attributes)


def operations(device: torch.device) -> Ops:
    """The whole vocabulary on PyTorch, constants on ``device``."""
    return Ops({**TABLE, "chain": chain, "constant": constants(device)}, "torch")

"""The op vocabulary written as Caffe layers: convolutions, poolings, and whatever moves cells of pictures.

Caffe pads alike on both sides of an axis, and rounds the size of poolings up. What it lacks is written by a
*resampling*: a depthwise convolution whose kernels are 1 in one cell and 0 elsewhere. It pads, cuts and takes
every n-th cell, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.caffe.emit import Blob, Emitter, Shape, form
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.ops.convolution import Pairs

Two = tuple[int, int]


def picture(x: Blob, op: str) -> Blob:
    """``x``, which has to be (N, H, W, C) of a known size."""
    if not x.picture:
        raise UnsupportedOp(
            f"Caffe's {op} works on pictures of a fixed size, (N, height, width, channels), not on "
            f"{_shape_text(x.shape)}"
        )
    return x


def _shape_text(shape: Shape) -> str:
    return f"({', '.join('?' if n is None else str(n) for n in shape)})"


def _geometry(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]) -> dict[str, int]:
    names = ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w")
    return dict(zip(names, map(int, (*kernel, *stride, *pad)), strict=True))


# -- convolutions -----------------------------------------------------------------------------------
def even(length: int, size: int, stride: int, dilation: int, pads: Two, outputs: int) -> tuple[int, int, int]:
    """(padding on both sides, zeros before the kernel, zeros behind it) that give the same outputs.

    A convolution that is padded alike on both sides, its kernel made longer by zeros, reads the same cells as
    one with the padding ``pads``.
    """
    before = pads[0]
    reach = (size - 1) * dilation + 1
    after = max(0, (outputs - 1) * stride + reach - before - length)
    pad = before + -(-max(after - before, 0) // dilation) * dilation
    front = (pad - before) // dilation
    behind = 0
    while (length + 2 * pad - reach - (front + behind) * dilation) // stride + 1 > outputs:
        behind += 1
    if (length + 2 * pad - reach - (front + behind) * dilation) // stride + 1 != outputs:
        raise UnsupportedOp(
            f"Caffe pads alike on both sides, and this convolution's padding {pads} at stride {stride} and "
            f"dilation {dilation} has no such form"
        )
    return pad, front, behind


@form("conv")
def conv(
    e: Emitter, shape: Shape, x: Blob, kernel: Blob, bias: Blob | None = None,
    *, strides: Two, padding: Pairs, dilation: Two, groups: int = 1,
) -> Any:  # fmt: skip
    picture(x, "convolution")
    weight = _constant(kernel, "a convolution's kernel")
    plans = [
        even(n, k, s, d, p, o or 0)
        for n, k, s, d, p, o in zip(
            x.size, weight.shape[:2], strides, dilation, padding, shape[1:3], strict=True
        )
    ]
    weight = np.pad(weight, ((plans[0][1:]), (plans[1][1:]), (0, 0), (0, 0)))
    return _convolution(e, shape, x, weight, bias, strides, [p[0] for p in plans], dilation, groups)


def _convolution(
    e: Emitter, shape: Shape, x: Blob, weight: np.ndarray, bias: Blob | None, strides: Sequence[int],
    pads: Sequence[int], dilation: Sequence[int] = (1, 1), groups: int = 1, kind: str = "Convolution",
) -> Blob:  # fmt: skip
    """``weight`` is (height, width, in / groups, out), of a Deconvolution (…, out / groups, in)."""
    blobs = [np.transpose(weight, (3, 2, 0, 1))]
    blobs += [] if bias is None else [_constant(bias, "a convolution's bias")]
    parameters: dict[str, Any] = {
        "num_output": shape[-1], "bias_term": bias is not None,
        **_geometry(weight.shape[:2], strides, pads),
    }  # fmt: skip
    if groups != 1:
        parameters["group"] = groups
    if tuple(dilation) != (1, 1):
        parameters["dilation"] = list(dilation)
    return e.one(kind, [x], shape, blobs, convolution_param=parameters)


@form("conv_transpose")
def conv_transpose(
    e: Emitter, shape: Shape, x: Blob, kernel: Blob, bias: Blob | None = None,
    *, strides: Two, crop: Pairs, dilation: Two,
) -> Any:  # fmt: skip
    picture(x, "transposed convolution")
    weight = _constant(kernel, "a convolution's kernel")
    if tuple(dilation) != (1, 1):
        raise UnsupportedOp("Caffe's transposed convolution has no dilation that its readers agree on")
    same = all(before == after >= 0 for before, after in crop)
    lengths = [(n - 1) * s + k for n, s, k in zip(x.size, strides, weight.shape[:2], strict=True)]
    pads = [before for before, _ in crop] if same else (0, 0)
    whole = shape if same else (shape[0], *lengths, shape[-1])
    y = _convolution(e, whole, x, weight, bias if same else None, strides, pads, kind="Deconvolution")
    if same:
        return y
    size = [n or 0 for n in shape[1:3]]
    return resampled(e, y, [before for before, _ in crop], (1, 1), size, bias)


@form("upsample_nearest")
def upsample_nearest(e: Emitter, shape: Shape, x: Blob, *, size: Two) -> Any:
    picture(x, "upsampling")
    ones = np.ones((*size, 1, x.channels), "float32")
    return _convolution(e, shape, x, ones, None, size, (0, 0), groups=x.channels, kind="Deconvolution")


def _constant(value: Blob, what: str) -> np.ndarray:
    if value.value is None:
        raise UnsupportedOp(f"in Caffe {what} has to be constant")
    return value.value


# -- resampling -------------------------------------------------------------------------------------
def resampled(
    e: Emitter, x: Blob, starts: Sequence[int], steps: Sequence[int], lengths: Sequence[int],
    bias: Blob | None = None,
) -> Blob:  # fmt: skip
    """Of each axis ``length`` cells, ``step`` apart, from ``start`` on; zeros outside of the picture."""
    if bias is None and all(
        (a, b, c) == (0, 1, d) for a, b, c, d in zip(starts, steps, lengths, x.size, strict=True)
    ):
        return x
    pads, sizes, places = [], [], []
    for start, step, wanted, length in zip(starts, steps, lengths, x.size, strict=True):
        last = start + (wanted - 1) * step
        pad = max(-start, last - (length - 1), 0)
        size = start + pad + 1
        while (length + 2 * pad - size) // step + 1 > wanted:
            size += 1
        pads.append(pad)
        sizes.append(size)
        places.append(start + pad)
    weight = np.zeros((*sizes, 1, x.channels), "float32")
    weight[places[0], places[1]] = 1
    shape = (x.shape[0], *lengths, x.channels)
    return _convolution(e, shape, x, weight, bias, steps, pads, groups=x.channels)


def mixed(e: Emitter, x: Blob, matrix: np.ndarray) -> Blob:
    """New channels out of old ones: ``matrix`` is (in, out)."""
    shape = (*x.shape[:-1], matrix.shape[1])
    return _convolution(e, shape, x, matrix[None, None], None, (1, 1), (0, 0))


@form("pad")
def pad(
    e: Emitter, shape: Shape, x: Blob, *, padding: Any, mode: str = "constant", value: float = 0.0
) -> Any:
    if not any(map(any, padding)):
        return x
    picture(x, "padding")
    if mode != "constant" or value != 0 or any(padding[0]):
        raise UnsupportedOp(
            f"Caffe pads pictures with zeros, not with {value if mode == 'constant' else mode!r}"
        )
    sides = padding[1:3]
    lengths = [n + sum(p) for n, p in zip(x.size, sides, strict=True)]
    y = resampled(e, x, [-before for before, _ in sides], (1, 1), lengths)
    before, after = padding[3]
    if before or after:
        y = mixed(e, y, np.eye(x.channels, x.channels + before + after, before, "float32"))
    return y


@form("slice")
def slice_(e: Emitter, shape: Shape, x: Blob, *, starts: Any, stops: Any, strides: Any) -> Any:
    rows = [
        range(n)[slice(*cut)] if n is not None else None
        for n, cut in zip(x.shape, zip(starts, stops, strides, strict=True), strict=True)
    ]
    if (starts[0] or 0, stops[0], strides[0]) != (0, None, 1):
        raise UnsupportedOp("Caffe cannot take some of the examples of a batch")
    if x.ndim == 2:
        x.in_order("cutting")
        chosen = rows[1]
        assert chosen is not None
        if chosen == range(x.channels):
            return x
        if chosen.step != 1:
            raise UnsupportedOp("Caffe cuts vectors into pieces, it cannot take every n-th number")
        points = sorted({chosen.start, chosen.stop} - {0, x.channels})
        names = e.layer("Slice", [x], tops=len(points) + 1, slice_param={"axis": 1, "slice_point": points})
        return Blob(e, shape, name=names[1 if chosen.start else 0])
    picture(x, "cutting")
    height, width, channels = rows[1:]
    assert height is not None
    assert width is not None
    assert channels is not None
    if min(height.step, width.step) < 0:
        raise UnsupportedOp("Caffe has no layer that mirrors pictures")
    y = resampled(e, x, (height.start, width.start), (height.step, width.step), (len(height), len(width)))
    if channels != range(x.channels):
        y = mixed(e, y, np.eye(x.channels, dtype="float32")[:, list(channels)])
    return y


@form("split")
def split(e: Emitter, shape: Shape, x: Blob, *, sizes: Sequence[int], axis: int) -> Any:
    if x.ndim not in (2, 4) or axis % x.ndim == 0:
        raise UnsupportedOp("Caffe's Slice cuts vectors and pictures, not batches")
    x.in_order("splitting")
    at = 1 if axis % x.ndim == x.ndim - 1 else axis % x.ndim + 1
    points = [int(n) for n in np.cumsum(sizes)[:-1]]
    if not points:
        return (x,)
    names = e.layer("Slice", [x], tops=len(sizes), slice_param={"axis": at, "slice_point": points})
    place = axis % x.ndim
    shapes = [tuple(size if i == place else n for i, n in enumerate(x.shape)) for size in sizes]
    return tuple(Blob(e, s, name=name) for s, name in zip(shapes, names, strict=True))


def flattened(e: Emitter, x: Blob) -> Blob:
    """A picture as a vector, in Caffe's order."""
    height, width = x.size
    places = np.arange(height * width * x.channels).reshape(height, width, x.channels)
    (name,) = e.layer("Flatten", [x])
    return Blob(e, (x.shape[0], places.size), name=name, order=np.transpose(places, (2, 0, 1)).reshape(-1))


# -- poolings ---------------------------------------------------------------------------------------
def pooled(length: int, size: int, stride: int, pad: int) -> int:
    """How long Caffe makes an axis."""
    outputs = math.ceil((length + 2 * pad - size) / stride) + 1
    return outputs - 1 if pad and (outputs - 1) * stride >= length + pad else outputs


def _frame(length: int, size: int, stride: int, before: int, outputs: int) -> tuple[int, int]:
    """(padding, outputs too many in front) with which Caffe's pooling has all windows that are wanted."""
    for front in range(size):
        pad = before + front * stride
        if pad < size and pooled(length, size, stride, pad) - front >= outputs:
            return pad, front
    raise UnsupportedOp(
        f"Caffe has no pooling whose windows of {size} cells, {stride} apart, begin {before} before a "
        f"picture of {length} and are {outputs}"
    )


def _pool(name: str, method: int) -> None:
    @form(name)
    def write(e: Emitter, shape: Shape, x: Blob, *, window: Two, strides: Two, padding: Pairs) -> Any:
        picture(x, "pooling")
        wanted = [n or 0 for n in shape[1:3]]
        if tuple(window) == x.size and not any(map(any, padding)):
            return e.one("Pooling", [x], shape, pooling_param={"pool": method, "global_pooling": True})
        rows = zip(x.size, window, strides, padding, wanted, strict=True)
        frames = [_frame(n, k, s, p[0], o) for n, k, s, p, o in rows]
        x = _without_empty_windows(e, x, window, strides, frames, wanted)
        lengths = [pooled(n, k, s, f[0]) for n, k, s, f in zip(x.size, window, strides, frames, strict=True)]
        whole = (shape[0], *lengths, shape[-1])
        geometry = _geometry(window, strides, [pad for pad, _ in frames])
        y = e.one("Pooling", [x], whole, pooling_param={"pool": method, **geometry})
        if method and any(pad for pad, _ in frames):
            y = _without_padding(e, y, x.size, window, strides, [pad for pad, _ in frames])
        return resampled(e, y, [front for _, front in frames], (1, 1), wanted)


_pool("max_pool", 0)
_pool("average_pool", 1)


def _without_empty_windows(
    e: Emitter, x: Blob, window: Two, strides: Two, frames: Sequence[Two], wanted: Sequence[int]
) -> Blob:
    """Where strides are longer than windows and nothing is padded, Caffe may add a window that lies behind
    the picture, whose mean is no number; the picture is cut so that there is none."""
    lengths = []
    for n, k, s, (pad, _), outputs in zip(x.size, window, strides, frames, wanted, strict=True):
        behind = pad == 0 and (pooled(n, k, s, pad) - 1) * s >= n
        lengths.append((outputs - 1) * s + k if behind else n)
    return resampled(e, x, (0, 0), (1, 1), lengths)


def _without_padding(e: Emitter, y: Blob, size: Two, window: Two, strides: Two, pads: Sequence[int]) -> Blob:
    """Caffe's mean counts the zeros of the padding; each cell is made the mean of the others."""
    factors = []
    for length, k, s, p, outputs in zip(size, window, strides, pads, y.size, strict=True):
        starts = np.arange(outputs) * s - p
        counted = np.minimum(starts + k, length + p) - starts
        real = np.minimum(starts + k, length) - np.maximum(starts, 0)
        factors.append(counted / real)
    scale = np.multiply.outer(*factors)
    return e.one("Scale", [y], y.shape, [scale], scale_param={"axis": 2, "num_axes": 2, "bias_term": False})

"""Pictures resampled by affine maps, and random crops: the basis of Keras's augmentation layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers as kl
from keras.src.ops import image as ki

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.randomness import uniform
from crosstrain.graph.keras_import.registry import lowers, native
from crosstrain.graph.keras_import.trace import Tracer


def folded(t: Tracer, place: Any, length: int, mode: str) -> Any:
    """Integer coordinates (as floats), mapped onto an axis where they lie beyond it."""
    if mode in ("nearest", "constant") or length == 1:
        return t.op.clip(place, minimum=0.0, maximum=length - 1.0)
    if mode == "wrap":
        return t.op.mod(place, float(length))
    period = 2.0 * length if mode == "reflect" else 2.0 * (length - 1)
    turned = t.op.mod(place, period)
    back = t.op.subtract(period - 1.0 if mode == "reflect" else period, turned)
    return t.op.where(t.op.greater(turned, length - 1.0), back, turned)


def at(t: Tracer, flat: Any, row: Any, column: Any, size: tuple[int, int], mode: str, fill: Any) -> Any:
    """Cells of pictures ``flat`` (N, H·W, C) at whole (row, column), each (N, cells); (N, cells, C)."""
    index = t.op.add(
        t.op.multiply(folded(t, row, size[0], mode), float(size[1])), folded(t, column, size[1], mode)
    )
    places = t.op.expand_dims(t.op.cast(t.op.stop_gradient(index), dtype="int32"), axis=-1)
    picked = t.op.take_along_axis(flat, t.op.repeat(places, repeats=flat.shape[-1], axis=-1), axis=1)
    if mode != "constant":
        return picked
    inside = None
    for place, length in ((row, size[0]), (column, size[1])):
        for compare, bound in (("greater_equal", 0.0), ("less_equal", length - 1.0)):
            condition = t.emit(compare, place, bound)
            inside = condition if inside is None else t.op.logical_and(inside, condition)
    return t.op.where(t.op.expand_dims(inside, axis=-1), picked, fill)


@lowers(ki.AffineTransform)
def affine_transform(t: Tracer, operation: Any, spec: Any, images: Any, transform: Any) -> Any:
    """Pixel (y, x) of the result is the picture at (b0 x + b1 y + b2, a0 x + a1 y + a2)."""
    if len(images.shape) != 4 or None in images.shape[1:] or len(transform.shape) != 2:
        raise CrosstrainError(
            f"{t.where} transforms pictures; crosstrain supports that for a batch of known size"
        )
    first, dtype = operation.data_format == "channels_first", run_dtype(images.dtype)
    x = t.cast(images, "float32")
    x = t.op.transpose(x, axes=(0, 2, 3, 1)) if first else x
    _, height, width, channels = x.shape
    flat = t.op.reshape(x, shape=(-1, height * width, channels))
    rows, columns = (t.ref(a.reshape(1, -1)) for a in np.indices((height, width)).astype("float64"))
    a0, a1, a2, b0, b1, b2, *_ = t.op.split(t.cast(transform, "float32"), sizes=(1,) * 8, axis=-1)

    def mapped(of_x: Any, of_y: Any, shift: Any) -> Any:
        return t.op.add(t.op.add(t.op.multiply(columns, of_x), t.op.multiply(rows, of_y)), shift)

    row, column = mapped(b0, b1, b2), mapped(a0, a1, a2)
    fill = t.cast(float(operation.fill_value), "float32")

    def cells(y: Any, z: Any) -> Any:
        return at(t, flat, y, z, (height, width), operation.fill_mode, fill)

    if operation.interpolation == "nearest":
        result = cells(t.op.round(row), t.op.round(column))
    else:
        top, left = t.op.floor(row), t.op.floor(column)
        down, right = (t.op.expand_dims(t.op.subtract(*p), axis=-1) for p in ((row, top), (column, left)))
        edges = []
        for y in (top, t.op.add(top, 1.0)):
            near, far = (cells(y, c) for c in (left, t.op.add(left, 1.0)))
            edges.append(t.op.add(near, t.op.multiply(right, t.op.subtract(far, near))))
        result = t.op.add(edges[0], t.op.multiply(down, t.op.subtract(edges[1], edges[0])))
    y = t.op.reshape(result, shape=(-1, height, width, channels))
    y = t.op.transpose(y, axes=(0, 3, 1, 2)) if first else y
    return y if dtype == "float32" else t.cast(y, dtype)


@native(
    kl.RandomFlip, kl.RandomRotation, kl.RandomZoom, kl.RandomTranslation, kl.RandomContrast,
    kl.RandomBrightness,
)  # fmt: skip
def augmentation(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    """Keras's augmentation in training, as one selection that a proof can switch off."""
    mode = t.phase_of(training)
    plain = t.cast(layer.call(x, training=False), "float32")
    if mode is False:
        return plain
    if mode is True:
        raise CrosstrainError(
            f"{t.where} is always called with training=True; crosstrain applies augmentation in training only"
        )
    return t.op.augment_select(t.cast(layer.call(x, training=True), "float32"), plain, amount=1.0)


@native(kl.RandomCrop)
def random_crop(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    """One window for the whole batch in training, as in Keras; Keras's resizing in inference."""
    sizes = [(axis % len(x.shape), length) for axis, length in
             ((layer.height_axis, layer.height), (layer.width_axis, layer.width))]  # fmt: skip
    if None in x.shape[1:]:
        raise CrosstrainError(f"{t.where} crops pictures of unknown size; give the input a fixed size")
    if any(x.shape[axis] <= length for axis, length in sizes) or t.phase_of(training) is not None:
        return t.trace(layer, (x,), {"training": training})
    cut = t.cast(x, "float32")
    for axis, length in sizes:
        start = t.op.floor(uniform(t, (), 0.0, float(x.shape[axis] - length + 1)))
        places = t.op.add(t.op.cast(start, dtype="int32"), t.ref(np.arange(length, dtype="int32")))
        cut = t.op.take(cut, places, axis=axis)
    whole = t.cast(layer.call(x, training=False), "float32")
    if tuple(whole.shape) != tuple(cut.shape):
        raise CrosstrainError(
            f"{t.where} gives pictures of {cut.shape[1:]} in training, but Keras leaves those of "
            f"{x.shape[1:]} whole in inference; crop when data is prepared or augmented, or use CenterCrop"
        )
    return t.op.augment_select(cut, whole, amount=1.0)

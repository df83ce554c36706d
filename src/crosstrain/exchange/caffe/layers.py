"""The op vocabulary written as Caffe layers: products, normalisation, reductions, shapes, joining."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.exchange.caffe.emit import Blob, Emitter, Shape, form
from crosstrain.exchange.caffe.ops import affine, power
from crosstrain.exchange.caffe.pictures import flattened, mixed, picture
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.ops.shapes import axes_of


# -- products ---------------------------------------------------------------------------------------
@form("dense")
def dense(e: Emitter, shape: Shape, x: Blob, kernel: Blob, bias: Blob | None = None) -> Any:
    if kernel.value is None or kernel.value.ndim != 2 or (bias is not None and bias.value is None):
        raise UnsupportedOp("Caffe's InnerProduct needs constant weights, a matrix and a vector")
    weight = np.asarray(kernel.value)
    if x.ndim == 4:
        y = mixed(e, picture(x, "dense layer"), weight)
        return y if bias is None else y + bias
    if x.ndim != 2:
        raise UnsupportedOp(
            f"Caffe's InnerProduct takes vectors or pictures, not values of the shape {x.shape}"
        )
    weight = weight if x.order is None else weight[x.order]
    blobs = [weight.T] + ([] if bias is None else [np.asarray(bias.value)])
    settings = {"num_output": weight.shape[1], "bias_term": bias is not None}
    (name,) = e.layer("InnerProduct", [x], blobs, inner_product_param=settings)
    return Blob(e, shape, name=name)


@form("matmul")
def matmul(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    return dense(e, shape, a, b)


# -- normalisation ----------------------------------------------------------------------------------
@form("normalize")
def normalize(
    e: Emitter, shape: Shape, x: Blob, gamma: Blob | None, beta: Blob | None, mean: Blob, variance: Blob,
    *, axis: int, epsilon: float,
) -> Any:  # fmt: skip
    parameters = [gamma, beta, mean, variance]
    if x.ndim not in (2, 4) or axis % x.ndim != x.ndim - 1 or any(t and t.value is None for t in parameters):
        raise UnsupportedOp(
            "Caffe's BatchNorm goes along the last axis of vectors or pictures, with constant statistics"
        )
    order = slice(None) if x.order is None else x.order
    statistics = [np.asarray(t.value)[order] for t in (mean, variance)]
    y = e.one(
        "BatchNorm", [x], x.shape, [*statistics, np.ones(1)],  # the last is what both were multiplied by
        batch_norm_param={"use_global_stats": True, "eps": float(epsilon)},
    )  # fmt: skip
    if gamma is None and beta is None:
        return y
    return affine(e, y, *[None if t is None else t.value for t in (gamma, beta)])


# -- reductions and shapes --------------------------------------------------------------------------
def _reduction(name: str, method: int) -> None:
    @form(name)
    def write(e: Emitter, shape: Shape, x: Blob, *, axis: Any = None, keepdims: bool = False) -> Any:
        if not x.picture or axes_of(x.ndim, axis) != (1, 2):
            raise UnsupportedOp(
                f"Caffe does not support the op {name!r} but over the height and width of pictures"
            )
        whole = (x.shape[0], 1, 1, x.channels)
        y = e.one("Pooling", [x], whole, pooling_param={"pool": method, "global_pooling": True})
        if name == "sum":
            y = power(e, y, scale=math.prod(x.size))
        return y if keepdims else flattened(e, y)


for _name, _method in (("mean", 1), ("sum", 1), ("max", 0)):
    _reduction(_name, _method)


@form("min")
def minimum(e: Emitter, shape: Shape, x: Blob, *, axis: Any = None, keepdims: bool = False) -> Any:
    return -e.ops.max(-x, axis=axis, keepdims=keepdims)


@form("reshape")
def reshape(e: Emitter, _: Shape, x: Blob, *, shape: Any) -> Any:
    target = tuple(shape)
    if None in x.shape[1:] or x.shape[0] is not None:
        raise UnsupportedOp(f"Caffe cannot reshape {x.shape} to {target}")
    count = math.prod(n or 0 for n in x.shape[1:])
    rest = math.prod(n for n in target[1:] if n != -1)
    inner = tuple(count // rest if n == -1 else n for n in target[1:])
    if target[0] != -1 and -1 not in target[1:]:
        raise UnsupportedOp(f"Caffe cannot reshape {x.shape} to {target}, where the batch has a fixed length")
    if math.prod(inner) != count:
        raise UnsupportedOp(f"Caffe cannot reshape {x.shape} to {target}, which joins examples")
    if inner == x.shape[1:]:
        return x
    if len(inner) == 1:
        return flattened(e, picture(x, "flattening"))
    if len(inner) != 3 or x.ndim not in (2, 4):
        raise UnsupportedOp(
            f"Caffe's layers, as they are written here, take vectors and pictures, not {target}"
        )
    places = np.arange(count).reshape(inner).transpose(2, 0, 1).reshape(-1)
    flat = x if x.ndim == 2 else flattened(e, x)
    order = np.arange(count) if flat.order is None else flat.order
    if not np.array_equal(order, places):
        raise UnsupportedOp(
            f"Caffe has pictures channels first, and no layer that puts the numbers of {x.shape[1:]} in the "
            f"order of {inner}"
        )
    (name,) = e.layer("Reshape", [flat], reshape_param={})
    e.net.layer[-1].reshape_param.shape.dim.extend((0, inner[2], inner[0], inner[1]))
    return Blob(e, (None, *inner), name=name)


@form("squeeze")
def squeeze(e: Emitter, shape: Shape, x: Blob, *, axis: Any) -> Any:
    return e.ops.reshape(x, shape=(-1, *shape[1:]))


@form("expand_dims")
def expand_dims(e: Emitter, shape: Shape, x: Blob, *, axis: int) -> Any:
    return e.ops.reshape(x, shape=(-1, *shape[1:]))


@form("concatenate")
def concatenate(e: Emitter, shape: Shape, *inputs: Blob, axis: int) -> Any:
    rank = inputs[0].ndim
    place = axis % rank
    if rank not in (2, 4) or place == 0:
        raise UnsupportedOp(
            f"Caffe's Concat, as it is written here, joins vectors and pictures, not axis {axis} of {rank}"
        )
    (name,) = e.layer("Concat", inputs, concat_param={"axis": 1 if place == rank - 1 else place + 1})
    order = None
    if rank == 2:
        begins = np.cumsum([0, *(t.channels for t in inputs)])
        orders = [np.arange(t.channels) if t.order is None else t.order for t in inputs]
        order = np.concatenate([o + b for o, b in zip(orders, begins[:-1], strict=True)])
    return Blob(e, shape, name=name, order=order)


@form("full_like")
def full_like(e: Emitter, shape: Shape, x: Blob, *, value: float) -> Any:
    return e.constant(np.float32(value))

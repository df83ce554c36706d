"""The op vocabulary written as Caffe layers: arithmetic and activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.caffe.emit import Blob, Emitter, Shape, form, together
from crosstrain.exchange.caffe.pictures import flattened
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.ops.shapes import axes_of

# -- elementwise ------------------------------------------------------------------------------------
UNARY = {
    "relu": "ReLU", "tanh": "TanH", "sigmoid": "Sigmoid", "abs": "AbsVal", "exp": "Exp", "log": "Log",
    "softplus": "BNLL",
}  # fmt: skip
PROD, SUM, MAX = range(3)


def _unary(name: str, kind: str) -> None:
    @form(name)
    def write(e: Emitter, shape: Shape, x: Blob) -> Any:
        return e.one(kind, [x], x.shape)


for _name, _kind in UNARY.items():
    _unary(_name, _kind)


def power(e: Emitter, x: Blob, scale: float = 1.0, shift: float = 0.0, exponent: float = 1.0) -> Blob:
    """(scale · x + shift) ** exponent."""
    settings = {"power": exponent, "scale": scale, "shift": shift}
    defaults = {"power": 1.0, "scale": 1.0, "shift": 0.0}
    return e.one(
        "Power", [x], x.shape, power_param={k: float(v) for k, v in settings.items() if v != defaults[k]}
    )


@form("negative")
def negative(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, x, scale=-1)


@form("expm1")
def expm1(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, e.ops.exp(x), shift=-1)


@form("log1p")
def log1p(e: Emitter, shape: Shape, x: Blob) -> Any:
    return e.ops.log(power(e, x, shift=1))


@form("sqrt")
def sqrt(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, x, exponent=0.5)


@form("square")
def square(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, x, exponent=2)


@form("reciprocal")
def reciprocal(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, x, exponent=-1)


@form("rsqrt")
def rsqrt(e: Emitter, shape: Shape, x: Blob) -> Any:
    return power(e, x, exponent=-0.5)


@form("linear", "stop_gradient")
def linear(e: Emitter, shape: Shape, x: Blob) -> Any:
    return x


@form("cast")
def cast(e: Emitter, shape: Shape, x: Blob, *, dtype: str) -> Any:
    if dtype not in ("float32", "float64"):
        raise UnsupportedOp(f"Caffe has numbers of float32 alone, not of {dtype}")
    return x


@form("leaky_relu")
def leaky_relu(e: Emitter, shape: Shape, x: Blob, *, negative_slope: float) -> Any:
    return e.one("ReLU", [x], x.shape, relu_param={"negative_slope": float(negative_slope)})


@form("elu")
def elu(e: Emitter, shape: Shape, x: Blob, *, alpha: float = 1.0) -> Any:
    return e.one("ELU", [x], x.shape, elu_param={"alpha": float(alpha)})


@form("relu6")
def relu6(e: Emitter, shape: Shape, x: Blob) -> Any:
    return clip(e, shape, x, minimum=0.0, maximum=6.0)


@form("clip")
def clip(e: Emitter, shape: Shape, x: Blob, *, minimum: float | None, maximum: float | None) -> Any:
    """By rectifiers: max(x, a) is a + relu(x - a), min(x, b) is b - relu(b - x)."""
    if minimum is not None:
        x = _moved(e, e.ops.relu(_moved(e, x, -minimum)), minimum)
    if maximum is not None:
        x = power(e, e.ops.relu(power(e, x, -1, maximum)), -1, maximum)
    return x


def _moved(e: Emitter, x: Blob, by: float) -> Blob:
    return power(e, x, shift=by) if by else x


@form("softmax")
def softmax(e: Emitter, shape: Shape, x: Blob, *, axis: Any = -1) -> Any:
    if x.ndim not in (2, 4) or axes_of(x.ndim, axis) != (x.ndim - 1,):
        raise UnsupportedOp(
            "Caffe's Softmax, as it is written here, goes over the last axis of vectors or pictures"
        )
    return e.one("Softmax", [x], x.shape, softmax_param={"axis": 1})


@form("log_softmax")
def log_softmax(e: Emitter, shape: Shape, x: Blob, *, axis: Any = -1) -> Any:
    return e.ops.log(e.ops.softmax(x, axis=axis))


# -- two values -------------------------------------------------------------------------------------
def _alike(e: Emitter, a: Blob, b: Blob) -> tuple[Blob, Blob]:
    if a.shape != b.shape:
        raise UnsupportedOp(
            f"Caffe's Eltwise joins values of one shape, not {a.shape[1:]} and {b.shape[1:]} of an example"
        )
    if (a.order is None) != (b.order is None) or (
        a.order is not None and not np.array_equal(a.order, b.order)  # type: ignore[arg-type]
    ):
        (a if a.order is not None else b).in_order("an Eltwise of both")
    return a, b


def _eltwise(e: Emitter, a: Blob, b: Blob, operation: int, coeff: Sequence[float] = ()) -> Blob:
    settings: dict[str, Any] = {"operation": operation, **({"coeff": list(coeff)} if coeff else {})}
    return e.one("Eltwise", list(_alike(e, a, b)), a.shape, eltwise_param=settings)


def affine(e: Emitter, x: Blob, scale: np.ndarray | None, shift: np.ndarray | None) -> Blob:
    """scale · x + shift with constants: numbers, or one for each channel (or number of a vector)."""
    whole = together(x, *[e.constant(v) for v in (scale, shift) if v is not None])
    if whole != x.shape:
        raise UnsupportedOp(f"Caffe cannot broadcast {x.shape} with a constant to {whole}")
    if all(v is None or v.size == 1 for v in (scale, shift)):
        numbers = [
            default if v is None else float(v.reshape(())) for v, default in ((scale, 1.0), (shift, 0.0))
        ]
        return power(e, x, *numbers)
    if x.ndim not in (2, 4):
        raise UnsupportedOp(
            f"Caffe's Scale, as it is written here, takes vectors and pictures, not {x.shape}"
        )

    def along(value: np.ndarray | None, default: float) -> np.ndarray:
        value = np.full(x.channels, default) if value is None else value
        if math.prod(value.shape[:-1]) != 1:
            raise UnsupportedOp(
                "Caffe's Scale, as it is written here, has a number for each channel, not for each cell"
            )
        spread = np.broadcast_to(value.reshape(-1), (x.channels,))
        return spread if x.order is None else spread[x.order]

    blobs = [along(scale, 1.0)] + ([] if shift is None else [along(shift, 0.0)])
    return e.one("Scale", [x], x.shape, blobs, scale_param={"axis": 1, "bias_term": shift is not None})


@form("add")
def add(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if a.value is not None:
        a, b = b, a
    return _eltwise(e, a, b, SUM) if b.value is None else affine(e, a, None, b.value)


@form("subtract")
def subtract(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if b.value is not None:
        return affine(e, a, None, -b.value)
    if a.value is not None:
        return affine(e, b, np.asarray(-1.0), a.value)
    return _eltwise(e, a, b, SUM, (1.0, -1.0))


@form("multiply")
def multiply(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if a.value is not None:
        a, b = b, a
    if b.value is not None:
        return affine(e, a, b.value, None)
    for x, gate in ((a, b), (b, a)):
        if x.picture and gate.ndim == 4 and gate.shape[1:] == (1, 1, x.channels) and gate.shape != x.shape:
            # One number for each channel of each example, as squeeze-and-excitation has it.
            flat = flattened(e, gate)
            return e.one("Scale", [x, flat], x.shape, scale_param={"axis": 0, "bias_term": False})
    return _eltwise(e, a, b, PROD)


@form("divide")
def divide(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if b.value is not None:
        return affine(e, a, 1 / np.asarray(b.value, "float64"), None)
    return e.ops.multiply(a, e.ops.reciprocal(b))


@form("maximum")
def maximum(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if a.value is not None:
        a, b = b, a
    if b.value is None:
        return _eltwise(e, a, b, MAX)
    return affine(e, e.ops.relu(affine(e, a, None, -b.value)), None, b.value)


@form("minimum")
def minimum(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    return -e.ops.maximum(-a, -b)


@form("power")
def to_the_power(e: Emitter, shape: Shape, a: Blob, b: Blob) -> Any:
    if b.value is None or b.value.size != 1:
        raise UnsupportedOp("Caffe's Power has a constant number as its exponent")
    return power(e, a, exponent=float(b.value.reshape(())))

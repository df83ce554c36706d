"""Caffe's layers as ONNX nodes, with Caffe's own meanings (http://caffe.berkeleyvision.org/tutorial/layers.html).

Poolings round their windows up, averages count the padding, BatchNorm keeps sums and a factor, and an old
file calls its layers by other names. A form takes the model under construction and the layer; it gives the
names of the layer's tops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe.reading.model import Model
from crosstrain.exchange.tables import adds_to


@dataclass(frozen=True)
class Layer:
    """A layer of either schema: ``bottoms`` are the ONNX names of what it reads, ``blobs`` its numbers,
    ``tops`` how many values it makes."""

    kind: str
    name: str
    proto: Any
    bottoms: tuple[str, ...]
    blobs: tuple[np.ndarray, ...]
    tops: int

    def settings(self, name: str) -> Any:
        """A parameter message, with the schema's zeros where the file has none."""
        return getattr(self.proto, f"{name}_param")

    def value(self, parameter: str, field: str, default: Any) -> Any:
        """A field, or Caffe's default where the file leaves it out. Old files lack some parameters."""
        message = getattr(self.proto, f"{parameter}_param", None)
        return getattr(message, field) if message is not None and message.HasField(field) else default

    def blob(self, index: int, what: str) -> np.ndarray:
        if index >= len(self.blobs):
            raise self.refusal(f"has no {what} in the .caffemodel")
        return self.blobs[index]

    def refusal(self, reason: str) -> CrosstrainError:
        return CrosstrainError(f"the Caffe layer {self.kind} ({self.name!r}) cannot be read: it {reason}")


Form = Callable[[Model, Layer], Sequence[str]]
FORMS: dict[str, Form] = {}
"""How each type of layer is read; the names of old files are in ``OLD_NAMES``."""

form = adds_to(FORMS)
"""Adds a form under the types of its layers."""

OLD_NAMES = {
    "CONVOLUTION": "Convolution", "DECONVOLUTION": "Deconvolution", "POOLING": "Pooling", "LRN": "LRN",
    "INNER_PRODUCT": "InnerProduct", "RELU": "ReLU", "SIGMOID": "Sigmoid", "TANH": "TanH",
    "SOFTMAX": "Softmax", "DROPOUT": "Dropout", "CONCAT": "Concat", "ELTWISE": "Eltwise",
    "FLATTEN": "Flatten", "SLICE": "Slice", "SPLIT": "Split", "POWER": "Power", "ABSVAL": "AbsVal",
    "BNLL": "BNLL", "SILENCE": "Silence", "DATA": "Data", "IMAGE_DATA": "ImageData",
    "MEMORY_DATA": "MemoryData",
    "HDF5_DATA": "HDF5Data", "WINDOW_DATA": "WindowData", "DUMMY_DATA": "DummyData",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "EUCLIDEAN_LOSS": "EuclideanLoss", "ACCURACY": "Accuracy",
}  # fmt: skip


# -- windows ----------------------------------------------------------------------------------------
def _pair(layer: Layer, parameter: str, plain: str, axis: str, default: int | None) -> list[int]:
    """Height and width of a setting, written as one number, two, or apart (``kernel_h``, ``kernel_w``)."""
    message = layer.settings(parameter)
    apart = [f"{axis}_h", f"{axis}_w"]
    if any(message.HasField(name) for name in apart):
        return [int(getattr(message, name)) for name in apart]
    value = getattr(message, plain)
    numbers = [int(value)] if isinstance(value, int) else [int(n) for n in value]
    if isinstance(value, int) and not message.HasField(plain):
        numbers = []
    if not numbers and default is None:
        raise layer.refusal("has no size of its kernel")
    if len(numbers) > 2:
        raise layer.refusal("has a window of more than two axes")
    numbers = numbers or [int(default or 0)]
    return numbers * 2 if len(numbers) == 1 else numbers


def _window(layer: Layer) -> dict[str, Any]:
    pads = _pair(layer, "convolution", "pad", "pad", 0)
    dilations = [int(n) for n in layer.settings("convolution").dilation] or [1]
    return {
        "kernel_shape": _pair(layer, "convolution", "kernel_size", "kernel", None),
        "strides": _pair(layer, "convolution", "stride", "stride", 1),
        "pads": [*pads, *pads],
        "dilations": dilations * 2 if len(dilations) == 1 else dilations,
        "group": int(layer.value("convolution", "group", 1)),
    }


@form("Convolution", "Deconvolution")
def convolution(m: Model, layer: Layer) -> list[str]:
    window, filters = _window(layer), int(layer.settings("convolution").num_output)
    kernel = layer.blob(0, "kernel")
    transposed = layer.kind == "Deconvolution"
    size, group = tuple(window["kernel_shape"]), window["group"]
    outputs = kernel.shape[1] * group if transposed else kernel.shape[0]
    if kernel.ndim != 4 or kernel.shape[2:] != size or outputs != filters:
        raise layer.refusal(f"has a kernel of the shape {kernel.shape}, which its settings contradict")
    inputs = [layer.bottoms[0], m.weight("kernel", kernel)]
    if layer.value("convolution", "bias_term", True):
        inputs.append(m.weight("bias", layer.blob(1, "bias").reshape(-1)))
    return [m.node("ConvTranspose" if transposed else "Conv", inputs, **window)]


@form("Pooling")
def pooling(m: Model, layer: Layer) -> list[str]:
    method = int(layer.value("pooling", "pool", 0))
    if method > 1:
        raise layer.refusal("draws at random which cell of a window it takes")
    kind = "AveragePool" if method else "MaxPool"
    if layer.value("pooling", "global_pooling", False):
        return [m.node(f"Global{kind}", layer.bottoms)]
    size, stride = (_pair(layer, "pooling", plain, axis, default) for plain, axis, default in (
        ("kernel_size", "kernel", None), ("stride", "stride", 1),
    ))  # fmt: skip
    pads = _pair(layer, "pooling", "pad", "pad", 0)
    if any(s > k for s, k in zip(stride, size, strict=True)):
        raise layer.refusal(
            "has strides longer than its windows, of which Caffe adds some behind the picture"
        )
    counted = {"count_include_pad": 1} if method else {}
    rounded = 1 - int(layer.value("pooling", "round_mode", 0))
    window = {"kernel_shape": size, "strides": stride, "pads": [*pads, *pads], "ceil_mode": rounded}
    return [m.node(kind, layer.bottoms, **window, **counted)]


# -- products and normalisation ---------------------------------------------------------------------
@form("InnerProduct")
def inner_product(m: Model, layer: Layer) -> list[str]:
    if layer.value("inner_product", "axis", 1) != 1:
        raise layer.refusal("keeps more axes than the batch")
    kernel = layer.blob(0, "kernel")
    kernel = kernel.reshape(kernel.shape[-2:])  # old files have four axes
    if layer.value("inner_product", "transpose", False):
        kernel = kernel.T
    inputs = [m.node("Flatten", layer.bottoms, axis=1), m.weight("kernel", np.ascontiguousarray(kernel.T))]
    if layer.value("inner_product", "bias_term", True):
        inputs.append(m.weight("bias", layer.blob(1, "bias").reshape(-1)))
    return [m.node("Gemm", inputs)]


@form("BatchNorm")
def batch_norm(m: Model, layer: Layer) -> list[str]:
    return normalised(m, layer, None, None)


def normalised(m: Model, layer: Layer, gamma: np.ndarray | None, beta: np.ndarray | None) -> list[str]:
    """A BatchNorm, perhaps with the numbers of a Scale. Caffe keeps sums, and the factor that they are
    divided by (0: nothing was summed yet)."""
    mean, variance, factor = (
        layer.blob(i, what) for i, what in enumerate(("mean", "variance", "factor of the mean"))
    )
    share = float(factor.reshape(-1)[0])
    scale = 1.0 / share if share else 0.0
    mean, variance = mean.reshape(-1) * scale, variance.reshape(-1) * scale
    inputs = [
        layer.bottoms[0],
        m.weight("gamma", np.ones_like(mean) if gamma is None else gamma),
        m.weight("beta", np.zeros_like(mean) if beta is None else beta),
        m.weight("moving_mean", mean), m.weight("moving_variance", variance),
    ]  # fmt: skip
    epsilon = float(layer.value("batch_norm", "eps", 1e-5))
    return [m.node("BatchNormalization", inputs, epsilon=epsilon, momentum=0.999)]


@form("LRN")
def local_response(m: Model, layer: Layer) -> list[str]:
    if layer.value("lrn", "norm_region", 0):
        raise layer.refusal("normalises within channels")
    size = int(layer.value("lrn", "local_size", 5))
    if size % 2 == 0:
        raise layer.refusal(f"normalises over {size} channels; Caffe has only odd numbers of them")
    settings = {key: float(layer.value("lrn", name, default)) for key, name, default in (
        ("alpha", "alpha", 1.0), ("beta", "beta", 0.75), ("bias", "k", 1.0),
    )}  # fmt: skip
    return [m.node("LRN", layer.bottoms, size=size, **settings)]


def _along(layer: Layer, array: np.ndarray, axis: int) -> np.ndarray:
    """Numbers of one or more axes of pictures (N, C, H, W) from ``axis`` on, so that they broadcast."""
    if axis < 1:
        raise layer.refusal("works along the batch")
    return array.reshape(*array.shape, *(1,) * max(4 - axis - array.ndim, 0))


@form("Scale")
def scale(m: Model, layer: Layer) -> list[str]:
    if len(layer.bottoms) > 1:
        raise layer.refusal("multiplies by another layer's values")
    axis = int(layer.value("scale", "axis", 1))
    factor = m.weight("gamma", _along(layer, layer.blob(0, "factor"), axis))
    y = m.node("Mul", [layer.bottoms[0], factor])
    if layer.value("scale", "bias_term", False):
        y = m.node("Add", [y, m.weight("beta", _along(layer, layer.blob(1, "bias"), axis))])
    return [y]


@form("Bias")
def bias(m: Model, layer: Layer) -> list[str]:
    if len(layer.bottoms) > 1:
        raise layer.refusal("adds another layer's values")
    axis = int(layer.value("bias", "axis", 1))
    return [m.node("Add", [layer.bottoms[0], m.weight("bias", _along(layer, layer.blob(0, "bias"), axis))])]


# -- elementwise ------------------------------------------------------------------------------------
@form("ReLU")
def relu(m: Model, layer: Layer) -> list[str]:
    slope = float(layer.value("relu", "negative_slope", 0.0))
    return [m.node("LeakyRelu", layer.bottoms, alpha=slope) if slope else m.node("Relu", layer.bottoms)]


@form("PReLU")
def prelu(m: Model, layer: Layer) -> list[str]:
    slope = layer.blob(0, "slopes").reshape(-1)
    slope = slope if slope.size == 1 else _along(layer, slope, 1)
    return [m.node("PRelu", [layer.bottoms[0], m.weight("alpha", slope)])]


@form("ELU")
def elu(m: Model, layer: Layer) -> list[str]:
    return [m.node("Elu", layer.bottoms, alpha=float(layer.value("elu", "alpha", 1.0)))]


PLAIN = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus"}


@form(*PLAIN)
def plain(m: Model, layer: Layer) -> list[str]:
    return [m.node(PLAIN[layer.kind], layer.bottoms)]


@form("Power")
def power(m: Model, layer: Layer) -> list[str]:
    """(shift + scale · x) ^ power."""
    y = layer.bottoms[0]
    for op, name, neutral in (("Mul", "scale", 1.0), ("Add", "shift", 0.0), ("Pow", "power", 1.0)):
        number = float(layer.value("power", name, neutral))
        y = y if number == neutral else m.node(op, [y, m.number(number)])
    return [y]


@form("Eltwise")
def eltwise(m: Model, layer: Layer) -> list[str]:
    op = ("Mul", "Add", "Max")[int(layer.value("eltwise", "operation", 1))]
    coefficients = [float(c) for c in layer.settings("eltwise").coeff]
    if coefficients and (op != "Add" or len(coefficients) != len(layer.bottoms)):
        raise layer.refusal("has coefficients that do not belong to its bottoms")
    values = list(layer.bottoms)
    for place, number in enumerate(coefficients):
        if number != 1:
            values[place] = m.node("Mul", [values[place], m.number(number)])
    y = values[0]
    for value in values[1:]:
        y = m.node(op, [y, value])
    return [y]


@form("Softmax")
def softmax(m: Model, layer: Layer) -> list[str]:
    return [m.node("Softmax", layer.bottoms, axis=int(layer.value("softmax", "axis", 1)))]


@form("Dropout")
def dropout(m: Model, layer: Layer) -> list[str]:
    rate = float(layer.value("dropout", "dropout_ratio", 0.5))
    ratio = m.node("Constant", [], value_float=rate)
    return [m.node("Dropout", [layer.bottoms[0], ratio])]


# -- shapes -----------------------------------------------------------------------------------------
@form("Concat")
def concat(m: Model, layer: Layer) -> list[str]:
    axis = int(layer.value("concat", "axis", layer.value("concat", "concat_dim", 1)))
    return [m.node("Concat", layer.bottoms, axis=axis)]


@form("Slice")
def slice_(m: Model, layer: Layer) -> list[str]:
    axis = int(layer.value("slice", "axis", layer.value("slice", "slice_dim", 1)))
    points = [int(p) for p in layer.settings("slice").slice_point]
    if len(points) + 1 != layer.tops:
        raise layer.refusal("does not say where it cuts")
    starts, ends = [0, *points], [*points, 2**31 - 1]
    return [
        m.node("Slice", [layer.bottoms[0], *(
            m.node("Constant", [], value_ints=[n]) for n in (start, end, axis)
        )])
        for start, end in zip(starts, ends, strict=True)
    ]  # fmt: skip


@form("Flatten")
def flatten(m: Model, layer: Layer) -> list[str]:
    if (layer.value("flatten", "axis", 1), layer.value("flatten", "end_axis", -1)) != (1, -1):
        raise layer.refusal("flattens other axes than all but the batch")
    return [m.node("Flatten", layer.bottoms, axis=1)]


@form("Reshape")
def reshape(m: Model, layer: Layer) -> list[str]:
    """0 keeps a length, -1 is what is left."""
    if layer.value("reshape", "axis", 0) or layer.value("reshape", "num_axes", -1) != -1:
        raise layer.refusal("reshapes some of its axes alone")
    lengths = [int(n) for n in layer.settings("reshape").shape.dim]
    return [m.node("Reshape", [layer.bottoms[0], m.node("Constant", [], value_ints=lengths)])]


@form("Split")
def split(m: Model, layer: Layer) -> list[str]:
    return [layer.bottoms[0]] * layer.tops


@form("Silence")
def silence(m: Model, layer: Layer) -> list[str]:
    return []

"""Caffe2's files: ``predict_net.pb`` says what the operators are, ``init_net.pb`` fills their weights.

Operators mean what https://caffe2.ai/docs/operators-catalogue.html says: averages leave the padding out, and
windows are rounded down, unless ``legacy_pad`` asks for Caffe's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe.proto import net_def
from crosstrain.exchange.caffe.proto import parsed as binary
from crosstrain.exchange.caffe.reading.model import Model
from crosstrain.exchange.onnx.reading.importer import Imported, imported
from crosstrain.exchange.tables import adds_to

NET, WEIGHTS = "predict_net.pb", "init_net.pb"
CAFFE_PADDING = 3
"""``legacy_pad``: windows are rounded up."""
FILLS = {
    "GivenTensorFill": "float32", "GivenTensorIntFill": "int32", "GivenTensorInt64Fill": "int64",
    "ConstantFill": "float32",
}  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """An operator: its arguments as Python values, the ONNX names of what it reads, and the arrays among
    these (None: no weight)."""

    kind: str
    name: str
    arguments: Mapping[str, Any]
    inputs: tuple[str, ...]
    arrays: tuple[np.ndarray | None, ...]

    def get(self, name: str, default: Any) -> Any:
        return self.arguments.get(name, default)

    def weight(self, index: int, what: str) -> np.ndarray:
        if index >= len(self.arrays) or (array := self.arrays[index]) is None:
            raise self.refusal(f"has no {what} in {WEIGHTS}")
        return array

    def refusal(self, reason: str) -> CrosstrainError:
        return CrosstrainError(f"the Caffe2 operator {self.kind} ({self.name!r}) cannot be read: it {reason}")


Form = Callable[[Model, Operator], str]
FORMS: dict[str, Form] = {}
"""How each operator is read: ``form(model, operator)`` gives the name of its first output."""

form = adds_to(FORMS)
"""Adds a form under the types of its operators."""


def read(path: Path, input_shapes: Mapping[str, Sequence[int]] | None = None, output: str = "") -> Imported:
    """The network of a ``…predict_net.pb`` with the ``…init_net.pb`` beside it. ``input_shapes`` (H, W, C)
    are those that ``init_net.pb`` does not fill. Raises ``CrosstrainError`` in one sentence."""
    if not path.name.endswith(NET):
        raise CrosstrainError(f"{path} is no network of Caffe2's, whose files end in {NET} and {WEIGHTS}")
    net = parsed(path)
    filled = arrays_of(parsed(path.with_name(path.name.removesuffix(NET) + WEIGHTS)))
    name = net.name or path.name.removesuffix(NET).strip("_-.") or path.parent.name
    result = imported(translated(net, filled, input_shapes or {}, name), name, output=output)
    return replace(result, opset=0, producer="Caffe2")


def parsed(path: Path) -> Any:
    net = binary(net_def()(), path, "a network of Caffe2's")
    if not net.op:
        raise CrosstrainError(f"{path} is not a network of Caffe2's: it has no operators")
    return net


def _arguments(proto: Any) -> dict[str, Any]:
    """Arguments by name: lists, or the one number or text that is set."""
    values: dict[str, Any] = {}
    for argument in proto.arg:
        lists = [list(getattr(argument, field)) for field in ("floats", "ints", "strings")]
        single = next(
            (getattr(argument, field) for field in ("i", "f", "s") if argument.HasField(field)), None
        )
        value = next(filter(None, lists), [] if single is None else single)
        values[argument.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return values


def arrays_of(net: Any) -> dict[str, np.ndarray]:
    """What the operators of an ``init_net.pb`` fill."""
    arrays = {}
    for op in net.op:
        if op.type not in FILLS:
            raise CrosstrainError(
                f"the Caffe2 operator {op.type} ({op.output[0]!r}) cannot be read: {WEIGHTS} may fill "
                f"weights by {', '.join(FILLS)} alone"
            )
        arguments = _arguments(op)
        shape = [int(n) for n in np.atleast_1d(arguments.get("shape", []))]
        values = np.asarray(arguments.get("values", arguments.get("value", 0.0)), FILLS[op.type])
        if op.type != "ConstantFill" and values.size != np.prod(shape, dtype=int):
            raise CrosstrainError(
                f"{WEIGHTS} is damaged: {op.output[0]!r} has {values.size:,} numbers, and the shape "
                f"{tuple(shape)}"
            )
        arrays[op.output[0]] = np.broadcast_to(values.reshape(-1), shape).copy() if (
            op.type == "ConstantFill"
        ) else values.reshape(shape)  # fmt: skip
    return arrays


def translated(
    net: Any, filled: Mapping[str, np.ndarray], input_shapes: Mapping[str, Sequence[int]], name: str
) -> Any:
    """The network as an ONNX model."""
    model = Model(name)
    weights = {key for op in net.op for key in op.input[1:]}
    made = {key for op in net.op for key in op.output}
    inputs = [
        key for key in net.external_input if key not in made and (key not in filled or key not in weights)
    ]
    for key in dict.fromkeys(inputs):
        model.input(key, _shape(key, filled, input_shapes, len(set(inputs))))
    values = {key: key for key in inputs}
    read: set[str] = set()
    for proto in net.op:
        label = proto.name or (proto.output[0] if proto.output else proto.type)
        if proto.type not in FORMS:
            raise CrosstrainError(
                f"the Caffe2 operator {proto.type} ({label!r}) cannot be read: crosstrain has no form of it"
            )
        missing = [i for i in proto.input if i not in values and i not in filled]
        if missing:
            raise CrosstrainError(
                f"the Caffe2 operator {proto.type} ({label!r}) reads {missing[0]!r}, which nothing makes "
                "or fills"
            )
        operator = Operator(
            proto.type, label, _arguments(proto), tuple(values.get(i, i) for i in proto.input),
            tuple(None if i in values else filled.get(i) for i in proto.input),
        )  # fmt: skip
        model.scope = label
        if operator.get("order", "NCHW") != "NCHW":
            raise operator.refusal(f"has its axes in the order {operator.get('order', '')}, not NCHW")
        read.update(proto.input)
        values[proto.output[0]] = FORMS[proto.type](model, operator)
        read.discard(proto.output[0])
    ends = list(net.external_output) or [key for key in values if key not in read and key not in inputs]
    missing = [key for key in ends if key not in values]
    if missing or not ends:
        what = f"nothing makes its output {missing[0]!r}" if missing else "it has no output"
        raise CrosstrainError(f"the Caffe2 network {name} cannot be read: {what}")
    return model.finished({key: values[key] for key in ends}, "Caffe2")


def _shape(
    key: str, filled: Mapping[str, np.ndarray], given: Mapping[str, Sequence[int]], inputs: int
) -> list[int]:
    """(N, C, H, W), or (N, features)."""
    if key in filled:
        return list(filled[key].shape)
    wanted = given.get(key, given.get("") if inputs == 1 else None)
    if wanted is None:
        raise CrosstrainError(
            f"the files do not say the shape of the input {key!r}; give it, for example "
            "--input-shape 224,224,3"
        )
    return [1, *([wanted[-1], *wanted[:-1]])]


# -- windows ----------------------------------------------------------------------------------------
def _pair(op: Operator, plain: str, default: int | None) -> list[int]:
    """``kernel``, ``kernel_h`` and ``kernel_w``, or ``kernels``."""
    several = op.get(f"{plain}s", None)
    if several is not None:
        return [int(n) for n in np.atleast_1d(several)]
    one = op.get(plain, default)
    numbers = [op.get(f"{plain}_{axis}", one) for axis in "hw"]
    if None in numbers:
        raise op.refusal(f"has no {plain}")
    return [int(n) for n in numbers]


def _pads(op: Operator) -> list[int]:
    """Before each axis, then behind each."""
    if op.get("pads", None) is not None:
        return [int(n) for n in np.atleast_1d(op.get("pads", []))]
    one = op.get("pad", 0)
    return [int(op.get(f"pad_{side}", one)) for side in "tlbr"]


def _window(op: Operator) -> dict[str, Any]:
    if op.get("legacy_pad", 0) not in (0, CAFFE_PADDING):
        raise op.refusal("pads as much as its output asks for (legacy_pad)")
    return {"kernel_shape": _pair(op, "kernel", None), "strides": _pair(op, "stride", 1), "pads": _pads(op)}


@form("Conv", "ConvTranspose")
def convolution(m: Model, op: Operator) -> str:
    kernel = op.weight(1, "kernel")
    inputs = [op.inputs[0], m.weight("kernel", kernel)]
    if len(op.inputs) > 2:
        inputs.append(m.weight("bias", op.weight(2, "bias")))
    window = _window(op) | {"group": int(op.get("group", 1))}
    if op.kind == "ConvTranspose":
        adjust = _pair(op, "adj", 0)
        return m.node("ConvTranspose", inputs, **window, output_padding=adjust)
    return m.node("Conv", inputs, **window, dilations=_pair(op, "dilation", 1))


@form("MaxPool", "AveragePool")
def pooling(m: Model, op: Operator) -> str:
    if op.get("global_pooling", 0):
        return m.node(f"Global{op.kind}", op.inputs[:1])
    counted = {} if op.kind == "MaxPool" else {"count_include_pad": int(op.get("count_include_pad", 0))}
    rounded = int(op.get("legacy_pad", 0) == CAFFE_PADDING)
    return m.node(op.kind, op.inputs[:1], **_window(op), ceil_mode=rounded, **counted)


# -- products and normalisation ---------------------------------------------------------------------
@form("FC")
def dense(m: Model, op: Operator) -> str:
    if op.get("axis", 1) != 1 or op.get("axis_w", 1) != 1:
        raise op.refusal("keeps more axes than the batch")
    kernel = op.weight(1, "kernel")
    kernel = np.ascontiguousarray(kernel.reshape(len(kernel), -1).T)
    inputs = [m.node("Flatten", op.inputs[:1], axis=1), m.weight("kernel", kernel)]
    return m.node("Gemm", [*inputs, m.weight("bias", op.weight(2, "bias"))])


@form("SpatialBN")
def batch_norm(m: Model, op: Operator) -> str:
    roles = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = [m.weight(role, op.weight(i, role)) for i, role in enumerate(roles, 1)]
    settings = {"epsilon": float(op.get("epsilon", 1e-5)), "momentum": float(op.get("momentum", 0.9))}
    return m.node("BatchNormalization", [op.inputs[0], *weights], **settings)


@form("LRN")
def local_response(m: Model, op: Operator) -> str:
    size = int(op.get("size", 0))
    if size % 2 == 0:
        raise op.refusal(f"normalises over {size} channels; Caffe2 has only odd numbers of them")
    settings = {key: float(op.get(key, default)) for key, default in (
        ("alpha", 0.0), ("beta", 0.0), ("bias", 1.0),
    )}  # fmt: skip
    return m.node("LRN", op.inputs[:1], size=size, **settings)


# -- elementwise and shapes -------------------------------------------------------------------------
PLAIN = {"Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Copy": "Identity"}


@form(*PLAIN)
def plain(m: Model, op: Operator) -> str:
    return m.node(PLAIN[op.kind], op.inputs[:1])


@form("LeakyRelu")
def leaky_relu(m: Model, op: Operator) -> str:
    return m.node("LeakyRelu", op.inputs[:1], alpha=float(op.get("alpha", 0.01)))


@form("PRelu")
def prelu(m: Model, op: Operator) -> str:
    slope = op.weight(1, "slope")
    shape = (1,) if slope.size == 1 else (-1, 1, 1)
    return m.node("PRelu", [op.inputs[0], m.weight("alpha", slope.reshape(shape))])


@form("Sum", "Add", "Mul")
def together(m: Model, op: Operator) -> str:
    if op.get("broadcast", 0):
        raise op.refusal("broadcasts its second input")
    y = op.inputs[0]
    for value in op.inputs[1:]:
        y = m.node("Mul" if op.kind == "Mul" else "Add", [y, value])
    return y


@form("Softmax")
def softmax(m: Model, op: Operator) -> str:
    """Of all numbers of an example from ``axis`` on."""
    if op.get("axis", 1) != 1:
        raise op.refusal("normalises from another axis on than the second")
    return m.node("Softmax", [m.node("Flatten", op.inputs[:1], axis=1)], axis=1)


@form("Dropout")
def dropout(m: Model, op: Operator) -> str:
    ratio = m.node("Constant", [], value_float=float(op.get("ratio", 0.5)))
    return m.node("Dropout", [op.inputs[0], ratio])


@form("Concat")
def concat(m: Model, op: Operator) -> str:
    if op.get("add_axis", 0):
        raise op.refusal("adds an axis")
    return m.node("Concat", op.inputs, axis=int(op.get("axis", 1)))


@form("Flatten")
def flatten(m: Model, op: Operator) -> str:
    return m.node("Flatten", op.inputs[:1], axis=int(op.get("axis", 1)))


@form("Reshape")
def reshape(m: Model, op: Operator) -> str:
    lengths = op.get("shape", None)
    if lengths is None:
        lengths = op.weight(1, "shape").reshape(-1)
    ints = [int(n) for n in np.atleast_1d(lengths)]
    return m.node("Reshape", [op.inputs[0], m.node("Constant", [], value_ints=ints)])

"""Caffe's files: a ``.prototxt`` says what the layers are, a ``.caffemodel`` has their numbers.

Both schemas are read, that of ``layer`` and the one before 2015 (``layers``, in which AlexNet, GoogLeNet and
VGG were published).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe.proto import net_parameter
from crosstrain.exchange.caffe.proto import parsed as binary
from crosstrain.exchange.caffe.reading.layers import FORMS, OLD_NAMES, Layer, normalised
from crosstrain.exchange.caffe.reading.model import Model
from crosstrain.exchange.onnx.reading.importer import Imported, imported

NET, WEIGHTS = ".prototxt", ".caffemodel"
TEST = 1
"""The phase of inference."""
SOURCES = {"Data", "ImageData", "MemoryData", "HDF5Data", "WindowData", "DummyData"}


def read(
    path: Path, input_shapes: Mapping[str, Sequence[int]] | None = None, output: str = "",
    weights: Path | None = None,
) -> Imported:  # fmt: skip
    """The network of a ``.prototxt`` with the numbers of ``weights`` (left out: the ``.caffemodel`` of the
    same name beside it, or the only one there). Raises ``CrosstrainError`` in one sentence."""
    net, numbers = parsed(path), stored(weights or beside(path))
    result = imported(
        translated(net, numbers, path.stem), path.stem, input_shapes=input_shapes, output=output
    )
    return replace(result, opset=0, producer="Caffe")


def parsed(path: Path) -> Any:
    """The layers of a ``.prototxt``. Fields of the training (``lr_mult``, fillers) are passed over."""
    from google.protobuf import text_format

    net = net_parameter()()
    try:
        text = path.read_text(encoding="utf-8")
        text_format.Parse(text, net, allow_unknown_field=True)
    except OSError as error:
        raise CrosstrainError(f"there is no file {path}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CrosstrainError(f"{path} is not a network of Caffe's: {reason}") from error
    if not (net.layer or net.layers):
        raise CrosstrainError(f"{path} is not a network of Caffe's: it has no layers")
    return net


def beside(path: Path) -> Path:
    """The file of weights that belongs to a ``.prototxt``."""
    same = path.with_suffix(WEIGHTS)
    if same.is_file():
        return same
    others = sorted(path.parent.glob(f"*{WEIGHTS}"))
    if len(others) == 1:
        return others[0]
    what = "several" if others else "no"
    raise CrosstrainError(
        f"there are {what} {WEIGHTS} files beside {path}; call that of this network {same.name}"
    )


def stored(path: Path) -> dict[str, tuple[np.ndarray, ...]]:
    """The numbers of a ``.caffemodel``: the blobs of each layer, by its name."""
    net = binary(net_parameter()(), path, f"a {WEIGHTS} file")
    layers = [*net.layer, *net.layers]
    if not layers:
        raise CrosstrainError(f"{path} is not a {WEIGHTS} file: it has no layers")
    return {layer.name: tuple(_array(blob, layer.name, path) for blob in layer.blobs) for layer in layers}


def _array(blob: Any, layer: str, path: Path) -> np.ndarray:
    numbers = np.array(blob.double_data or blob.data, "float32")
    shape = list(blob.shape.dim) or [blob.num, blob.channels, blob.height, blob.width]
    if numbers.size != np.prod(shape):
        raise CrosstrainError(
            f"{path} is damaged: a blob of the layer {layer!r} has {numbers.size:,} numbers, and the shape "
            f"{tuple(shape)}"
        )
    return numbers.reshape(shape)


def translated(net: Any, numbers: Mapping[str, tuple[np.ndarray, ...]], name: str) -> Any:
    """The network of inference as an ONNX model."""
    model = Model(net.name or name)
    values = _inputs(net, model)
    layers = [layer for layer in (*net.layers, *net.layer) if _in_test(layer)]
    read: set[str] = set()
    place = 0
    while place < len(layers):
        proto = layers[place]
        place += 1
        kind = _kind(proto)
        if kind == "Input":
            continue
        layer = _layer(proto, kind, values, numbers)
        read.update(proto.bottom)
        model.scope = proto.name or kind
        following = layers[place] if place < len(layers) else None
        if kind == "BatchNorm" and following is not None and _scales(proto, following, layers[place:]):
            factor = _layer(following, "Scale", {**values, proto.top[0]: ""}, numbers)
            shift = factor.blob(1, "bias").reshape(-1) if factor.value("scale", "bias_term", False) else None
            tops: Sequence[str] = normalised(model, layer, factor.blob(0, "factor").reshape(-1), shift)
            read.update(following.bottom)
            proto, place = following, place + 1
        else:
            tops = FORMS[kind](model, layer)
        for top, value in zip(proto.top, tops, strict=True):
            values[top] = value
            read.discard(top)  # in place: another value goes by this name now
    ends = {top: values[top] for top in values if top not in read and values[top] not in _own(model)}
    if not ends:
        raise CrosstrainError(f"the Caffe network {name} has no output: every blob is read by a layer")
    return model.finished(ends, "Caffe")


def _own(model: Model) -> set[str]:
    return {info.name for info in model.inputs}


def _layer(
    proto: Any, kind: str, values: Mapping[str, str], numbers: Mapping[str, tuple[np.ndarray, ...]]
) -> Layer:
    named = f"the Caffe layer {kind} ({proto.name!r}) cannot be read"
    if kind in SOURCES:
        raise CrosstrainError(
            f"{named}: only its data set knows its shape; take the network's deploy file, with an Input layer"
        )
    if kind.endswith("Loss") or kind == "Accuracy":
        raise CrosstrainError(f"{named}: it belongs to training; take the network's deploy file")
    if kind not in FORMS:
        raise CrosstrainError(f"{named}: crosstrain has no form of it")
    missing = [bottom for bottom in proto.bottom if bottom not in values]
    if missing:
        raise CrosstrainError(f"{named}: it reads {missing[0]!r}, which no layer before it makes")
    if not proto.bottom:
        raise CrosstrainError(f"{named}: it reads nothing")
    bottoms = tuple(values[bottom] for bottom in proto.bottom)
    return Layer(kind, proto.name, proto, bottoms, numbers.get(proto.name, ()), len(proto.top))


def _kind(proto: Any) -> str:
    """The type of a layer, by its present name."""
    if isinstance(proto.type, str):
        return str(proto.type)
    field = proto.DESCRIPTOR.fields_by_name["type"]
    old: str = field.enum_type.values_by_number[proto.type].name
    return OLD_NAMES.get(old, old)


def _in_test(proto: Any) -> bool:
    """Whether a layer takes part in inference."""
    included = [rule.phase for rule in proto.include if rule.HasField("phase")]
    excluded = [rule.phase for rule in proto.exclude if rule.HasField("phase")]
    return (not included or TEST in included) and TEST not in excluded


def _scales(norm: Any, following: Any, rest: Sequence[Any]) -> bool:
    """Whether a Scale follows a BatchNorm that nobody else reads: together they are what others call so."""
    top = norm.top[0]
    if _kind(following) != "Scale" or list(following.bottom) != [top]:
        return False
    if following.scale_param.HasField("axis") and following.scale_param.axis != 1:
        return False
    if following.scale_param.HasField("num_axes") and following.scale_param.num_axes != 1:
        return False
    if list(following.top) == [top]:
        return True
    return not any(top in layer.bottom for layer in rest[1:])


def _inputs(net: Any, model: Model) -> dict[str, str]:
    """The inputs with their shapes (N, C, H, W), from ``input`` or ``Input`` layers."""
    dims = list(net.input_dim)
    shapes = [list(shape.dim) for shape in net.input_shape]
    shapes += [dims[i : i + 4] for i in range(0, len(dims), 4)]
    by_name = dict(zip(net.input, shapes, strict=False))
    for layer in net.layer:
        if layer.type == "Input" and _in_test(layer):
            own = [list(shape.dim) for shape in layer.input_param.shape]
            own = own * len(layer.top) if len(own) == 1 else own
            by_name.update(zip(layer.top, own, strict=False))
    missing = [name for name in net.input if name not in by_name]
    if missing:
        raise CrosstrainError(f"the Caffe network does not say the shape of its input {missing[0]!r}")
    for name, shape in by_name.items():
        model.input(name, shape)
    return {name: name for name in by_name}

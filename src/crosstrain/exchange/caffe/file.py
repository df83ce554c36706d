"""The export format ``caffe``: ``net.prototxt`` and ``net.caffemodel``, for whatever reads Caffe's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.formats import Arrays, Opened, Source

NET, WEIGHTS = "net.prototxt", "net.caffemodel"
LARGEST_MESSAGE = 2**31 - 2**20
"""Protocol buffers hold less than 2 GiB."""
LAST_WITH_CAFFE = 4
"""OpenCV 5 reads no Caffe files any more."""

HEAD = """# {name}, made by crosstrain for inference: net.caffemodel holds the weights.
# Pictures are (N, channels, height, width), unlike in Keras; the batch may have any length.
"""


def to_caffe(source: Source) -> Any:
    """The inference phase as a ``NetParameter``. Raises ``UnsupportedOp`` for what Caffe has no layer for."""
    from crosstrain.exchange.caffe import layers  # noqa: F401  (importing it adds the forms)
    from crosstrain.exchange.caffe.emit import Blob, Emitter
    from crosstrain.graph.evaluate import UnsupportedOp
    from crosstrain.graph.graph import reference

    graph = source.graph.phase(training=False)
    emitter = Emitter({})
    emitter.net.name = str(source.definition["name"])
    for name in graph.outputs:
        emitter.reserve(name)
    values: dict[str | None, Any] = {None: None}
    for name, spec in graph.inputs.items():
        sizes = spec.shape[1:]
        if len(sizes) not in (1, 3) or None in sizes:
            shape_text = ", ".join("?" if n is None else str(n) for n in spec.shape[1:])
            raise UnsupportedOp(
                f"Caffe takes vectors and pictures of a fixed size, and the input {name!r} is "
                f"(N, {shape_text})"
            )
        values[reference(name)] = Blob(emitter, spec.shape, name=emitter.input(name, sizes))
    values.update((f"@{name}", emitter.constant(source.weights[name])) for name in graph.weights)
    for node in graph.nodes:
        emitter.scope = node.name
        result = getattr(emitter.ops, node.op)(*[values[i] for i in node.inputs], **node.attributes)
        several = result if isinstance(result, tuple | list) else (result,)
        values.update(zip(node.references, several, strict=False))
    emitter.scope = ""
    for name, ref in graph.outputs.items():
        emitter.output(name, values[ref].in_order(f"the output {name!r}"))
    return emitter.net


def write(source: Source, path: Path) -> None:
    """A folder with ``net.prototxt`` (the layers) and ``net.caffemodel`` (layers and weights)."""
    from google.protobuf import text_format

    if sum(4 * array.size for array in source.weights.values()) > LARGEST_MESSAGE:
        raise CrosstrainError("the weights take more than 2 GiB, the most that a .caffemodel holds")
    net = to_caffe(source)
    path.mkdir()
    (path / WEIGHTS).write_bytes(net.SerializeToString(deterministic=True))
    for layer in net.layer:
        layer.ClearField("blobs")
    head = HEAD.format(name=source.definition["name"])
    (path / NET).write_text(head + text_format.MessageToString(net))


def opened(path: Path, source: Source) -> Opened:
    """In OpenCV's DNN module, which reads Caffe's files up to OpenCV 4."""
    import cv2

    major = int(cv2.__version__.split(".")[0])
    if major > LAST_WITH_CAFFE:
        raise CrosstrainError(
            f"OpenCV {cv2.__version__} no longer reads Caffe's files; verify with OpenCV 4 "
            '(pip install "opencv-python-headless<5")'
        )
    net = cv2.dnn.readNetFromCaffe(str(path / NET), str(path / WEIGHTS))
    phase = source.graph.phase(training=False)
    outputs = list(phase.outputs)

    def predict(inputs: Arrays) -> Arrays:
        for name in phase.inputs:
            array = np.asarray(inputs[name], "float32")
            first = np.moveaxis(array, -1, 1) if array.ndim > 2 else array
            net.setInput(np.ascontiguousarray(first), name)
        try:
            results = net.forward(outputs)
        except cv2.error as error:
            raise CrosstrainError(
                f"OpenCV cannot run this network: {' '.join(str(error).split())}"
            ) from error
        arrays = {name: np.array(array) for name, array in zip(outputs, results, strict=True)}
        return {name: np.moveaxis(a, 1, -1) if a.ndim > 2 else a for name, a in arrays.items()}

    return predict

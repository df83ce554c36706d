"""The define task for networks in files of other tools. Reading them needs no Keras; their loss is one of
Keras's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe.reading import caffe2
from crosstrain.exchange.caffe.reading import file as caffe
from crosstrain.exchange.onnx.reading import importer as onnx
from crosstrain.exchange.onnx.reading.importer import Imported
from crosstrain.graph.define import record
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import.files.weights_alone import ARRAYS, arrays_of, matched
from crosstrain.graph.keras_import.output import check_rows
from crosstrain.zoo.pretrained import IMAGENET

READERS: dict[str, Callable[..., Imported]] = {
    ".onnx": onnx.read, caffe.NET: caffe.read, ".pb": caffe2.read,
}  # fmt: skip
"""By the ending of a file: ``read(path, input_shapes, output)``."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Read the file of ``job`` and write what ``graph.define.run`` writes. ``notes`` in ``definition.json``
    say what stands otherwise than in the file. The weights are the file's, whatever the seed."""
    emit({"event": "phase", "name": "define"})
    for option in ("freeze_until", "replace_head"):
        if job.get(option):
            flag = option.replace("_", "-")
            raise CrosstrainError(
                f"--{flag} belongs to Keras networks; the file of another tool has no such layers"
            )
    if job.get("weights") == IMAGENET:
        raise CrosstrainError("a network from a file of another tool takes no imagenet weights; name a file")
    path = Path(job["source"]).expanduser()
    imported = READERS[path.suffix](path, job.get("input_shapes"), str(job.get("output") or ""))
    check_rows(imported.graph, imported.candidates)
    weights = imported.weights
    if job.get("weights"):
        weights = own_weights(Path(job["weights"]), imported.graph)
    names = list(imported.graph.weights)
    more: dict[str, Any] = {
        "opset": imported.opset,
        "producer": imported.producer,
        "notes": list(imported.notes),
    }
    return record(job, imported.graph.name, imported.graph, {**imported.weights, **weights}, names, **more)


def own_weights(path: Path, graph: Graph) -> Weights:
    """The weights of a file for the graph's. ``CrosstrainError`` where they do not fit."""
    if path.suffix not in ARRAYS:
        raise CrosstrainError(f"{graph.name} takes weights from {' or '.join(ARRAYS)}, not from {path.name}")
    shapes = {name: spec.shape for name, spec in graph.weights.items() if not name.startswith("constant/")}
    arrays = matched(path, arrays_of(path), shapes)
    return {name: array.astype(graph.weights[name].dtype) for name, array in arrays.items()}

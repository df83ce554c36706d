"""The define task for an ONNX model. Reading it needs no Keras; its loss is one of Keras's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstrain.exchange.onnx.reading.importer import read
from crosstrain.graph.define import record


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Read the model of ``job`` and write what ``graph.define.run`` writes. ``notes`` in ``definition.json``
    say what stands otherwise than in the file. The weights are the file's, whatever the seed."""
    emit({"event": "phase", "name": "define"})
    imported = read(Path(job["source"]).expanduser(), job.get("input_shapes"))
    names = list(imported.graph.weights)
    more = {"opset": imported.opset, "producer": imported.producer, "notes": list(imported.notes)}
    return record(job, imported.graph.name, imported.graph, imported.weights, names, **more)

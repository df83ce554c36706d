"""The task that writes a network with its weights as a file that an engine for inference runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.tapping import tapped
from crosstrain.system.files import TEMPORARY, read_arrays, storage_errors


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """``job["form"]`` is ``onnx`` or ``tflite``, ``network_folder`` of the define task, ``weights`` an
    ``.npz`` (None: the initial ones), ``layer`` one whose output is written besides the network's (none where
    it is missing), ``out`` the file, which is there whole or not at all."""
    if job["form"] not in WRITERS:
        raise CrosstrainError(f"there is no way to write {job['form']} files, only {', '.join(WRITERS)}")
    graph, weights = Graph.load(Path(job["network_folder"]) / "network.json")
    if job.get("weights"):
        weights = {**weights, **read_arrays(Path(job["weights"]))}
    if job.get("layer"):
        graph, _ = tapped(graph, job["layer"])
    out = Path(job["out"])
    temporary = out.with_name(out.name + TEMPORARY)
    with storage_errors(out):
        WRITERS[job["form"]](graph, {name: weights[name] for name in graph.weights}, temporary)
        temporary.replace(out)
    return {"bytes": out.stat().st_size}


def _onnx(graph: Graph, weights: Weights, path: Path) -> None:
    import onnx

    from crosstrain.exchange.onnx.writing.export import to_onnx

    onnx.save(to_onnx(graph, weights), str(path))


def _tflite(graph: Graph, weights: Weights, path: Path) -> None:
    from crosstrain.exchange.tflite_export import to_tflite

    path.write_bytes(to_tflite(graph, weights))


WRITERS: dict[str, Callable[[Graph, Weights, Path], None]] = {"onnx": _onnx, "tflite": _tflite}

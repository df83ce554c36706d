"""The export format ``onnx``, opened by an engine that reads such files."""

from __future__ import annotations

import os
from pathlib import Path

from crosstrain.exchange.formats import Opened, Source


def write(source: Source, path: Path) -> None:
    """The inference phase as an ONNX model; from 2 GiB on, weights are in ``NAME.onnx.data`` beside it."""
    from crosstrain.exchange.onnx.writing.export import save, to_onnx

    save(to_onnx(source.graph, source.weights, name=str(source.definition["name"])), path)


def opened(path: Path, source: Source) -> Opened:
    """In the first engine that reads ONNX and that this worker's Python has."""
    from crosstrain.engines.contract import Setting
    from crosstrain.engines.registry import engine_row
    from crosstrain.exchange.formats import FORMATS

    names = [name for name in FORMATS["onnx"].verified_by if engine_row(name).importable]
    engine = engine_row(names[0]).load_for_inference()
    predictor = engine.open(path, tuple(source.graph.outputs), Setting(threads=os.cpu_count() or 1))
    return predictor.predict

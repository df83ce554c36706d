"""The formats that ``crosstrain export`` writes: a row for each, a module behind each.

A format's module has two functions. They may run in different Pythons, so frameworks are imported inside:

- ``write(source, path)`` writes the network to ``path``, a file or a folder; ``source`` is a ``Source``.
- ``opened(path, source)`` opens that in a foreign engine and gives a function from inputs to outputs, both by
  the graph's names, NumPy arrays with the batch first.

Both raise ``CrosstrainError`` or ``UnsupportedOp`` with a sentence where they cannot.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights

Arrays = dict[str, np.ndarray]
Opened = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Source:
    """What is exported: ``graph`` (both phases) with ``weights``; ``definition`` is the content of its
    ``definition.json``, ``folder`` where that lies."""

    graph: Graph
    weights: Weights
    definition: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class Format:
    """``module`` writes and opens it; ``suffix`` ends its name ("" for a folder); ``makes`` says what it is.

    ``verified_by`` are engines, the first that is installed opens what was written; ``written_by`` likewise,
    where the user's own Python is not enough.
    """

    name: str
    module: str
    suffix: str
    makes: str
    verified_by: tuple[str, ...]
    written_by: tuple[str, ...] = ()

    def write(self, source: Source, path: Path) -> None:
        importlib.import_module(self.module).write(source, path)

    def opened(self, path: Path, source: Source) -> Opened:
        opened: Opened = importlib.import_module(self.module).opened(path, source)
        return opened


FORMATS = {
    row.name: row
    for row in (
        Format(
            "onnx", "crosstrain.exchange.onnx.file", ".onnx",
            "an ONNX model, opset 17, batches of any length", ("onnxruntime", "openvino", "opencv"),
        ),
        Format(
            "keras", "crosstrain.exchange.keras_file", ".keras", "a Keras model, for any backend",
            ("keras-torch", "keras-tensorflow", "keras-jax"),
            ("keras-jax", "keras-tensorflow", "keras-torch"),
        ),
        Format(
            "torch", "crosstrain.exchange.torch_file", "",
            "a folder: a plain PyTorch module as source, its weights as safetensors, and a .pt2", ("torch",),
            ("torch",),
        ),
        Format(
            "tensorflow", "crosstrain.exchange.tensorflow_file", "",
            "a folder: a SavedModel of TensorFlow", ("tensorflow",), ("tensorflow",),
        ),
        Format(
            "jax", "crosstrain.exchange.jax_file", "",
            "a folder: StableHLO for jax.export, its parameters, the lines that load them", ("jax",),
            ("jax",),
        ),
        Format(
            "caffe", "crosstrain.exchange.caffe.file", "",
            "a folder: net.prototxt and net.caffemodel for Caffe", ("opencv",),
        ),
    )
}  # fmt: skip


def format_row(name: str) -> Format:
    """The row of a format; ``CrosstrainError`` names those there are."""
    if name not in FORMATS:
        raise CrosstrainError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]

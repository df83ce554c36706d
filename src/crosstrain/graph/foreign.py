"""Files of networks that no Keras defined: which there are, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPORTED = ".pt2"
"""Ending of the archives of torch.export."""
FOREIGN = (".onnx", ".prototxt", ".pb", EXPORTED)
"""Endings of ONNX's, Caffe's and Caffe2's files, and of PyTorch's."""
OF_TORCH = {"language": "torch"}
"""What the task ``define`` answers in place of a definition where a function makes a PyTorch module: the task
``define-torch`` takes it."""
CAFFE2 = ("predict_net.pb", "init_net.pb")


def is_foreign(source: str) -> bool:
    """Whether a network's source is such a file."""
    return source.endswith(FOREIGN)


def without_keras(definition: Mapping[str, Any]) -> bool:
    """Whether no Keras model is behind a definition (``definition.json``): a file of another tool, or a
    PyTorch module."""
    return is_foreign(str(definition["source"])) or definition.get("language") == "torch"


def beside(path: Path) -> list[Path]:
    """The files beside it that may hold its weights."""
    if path.suffix == ".prototxt":
        same = path.with_suffix(".caffemodel")
        return [same] if same.is_file() else sorted(path.parent.glob("*.caffemodel"))
    if path.name.endswith(CAFFE2[0]):
        return [path.with_name(path.name.removesuffix(CAFFE2[0]) + CAFFE2[1])]
    return []

"""Keras models in HDF5 files: their configuration as text, their weights by layers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.hdf5 import check_hdf5
from crosstrain.graph.keras_import.files import old_weights
from crosstrain.graph.keras_import.files.old_graphs import layer_name
from crosstrain.graph.keras_import.files.old_weights import Stored

TOP = "top_level_model_weights"
"""Where Keras stores the weights that a model owns itself rather than through its layers."""
DAMAGED = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, RecursionError)
"""What h5py and JSON raise on damaged files."""


@dataclass(frozen=True)
class Content:
    """The content of an HDF5 model. ``weights`` are by layer, in the order of the file."""

    config: Mapping[str, Any]
    version: int
    by_theano: bool
    weights: Sequence[Stored]


def read(path: Path) -> Content:
    """Read a Keras model in HDF5. Raises ``CrosstrainError`` if it is damaged or not a model."""
    with _opened(path, "Keras model") as file:
        if "model_config" not in file.attrs:
            raise CrosstrainError(_without_config(path, file))
        config = _json(file.attrs["model_config"])
        return _content(config, file["model_weights"], file.attrs)


def holds_layers(path: Path) -> bool:
    """Whether a file lists its weights by layers, as Keras 1 and 2 wrote them, with a network or
    without. Raises ``CrosstrainError`` if it is damaged."""
    with _opened(path, "file of weights") as file:
        return any(name.startswith("layer_names") for name in file.attrs) or "model_weights" in file


def read_weights(path: Path) -> Content:
    """The weights in a file that may hold them alone; there is no configuration then. Raises
    ``CrosstrainError`` if it is damaged."""
    with _opened(path, "file of weights") as file:
        return _content({}, file.get("model_weights", file), {})


@contextmanager
def _opened(path: Path, what: str) -> Iterator[h5py.File]:
    """The file for reading. Raises ``CrosstrainError`` where it turns out to be damaged."""
    try:
        check_hdf5(path)
        with h5py.File(path, "r") as file:
            yield file
    except CrosstrainError:
        raise
    except DAMAGED as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CrosstrainError(f"{path} is not a complete HDF5 {what} ({reason})") from error


def _content(config: Mapping[str, Any], weights: h5py.Group, attributes: Mapping[str, Any]) -> Content:
    """``attributes`` are the file's, which are asked before those of the weights."""
    version = _text(attributes.get("keras_version", weights.attrs.get("keras_version", "1")))
    backend = _text(attributes.get("backend", weights.attrs.get("backend", "")))
    return Content(config, int(version.split(".")[0]), backend == "theano", list(_stored(weights)))


def _without_config(path: Path, file: h5py.File) -> str:
    if {"layer_names", "layers", "_layer_checkpoint_dependencies", "vars"} & (set(file.attrs) | set(file)):
        return (
            f"{path} holds weights alone, without the network they belong to; build it in "
            "Python (file.py:function), and give this file as its --weights"
        )
    return f"{path} is an HDF5 file, but holds no Keras model"


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _json(value: Any) -> Any:
    content = json.loads(_text(value))
    if not isinstance(content, dict):
        raise ValueError("its configuration is not an object")
    return content


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names; lists too long for one HDF5 attribute are split into several, numbered ones."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    number = 0
    while f"{attribute}{number}" in group.attrs:
        names += [_text(name) for name in group.attrs[f"{attribute}{number}"]]
        number += 1
    return names


def _stored(group: h5py.Group) -> Iterator[Stored]:
    for layer in [*_names(group, "layer_names"), *([TOP] if TOP in group else [])]:
        names = _names(group[layer], "weight_names")
        if names:
            yield Stored(layer, names, [_array(group[layer], name) for name in names])


def _array(group: h5py.Group, name: str) -> np.ndarray:
    """A weight in memory. Links out of the file are not followed."""
    place: Any = group
    for part in name.strip("/").split("/"):
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is not in the file")
        place = place[part]
    if not isinstance(place, h5py.Dataset) or place.is_virtual or place.external:
        raise ValueError(f"{name} is not in the file")
    if place.dtype.kind not in "biuf":
        raise ValueError(f"{name} is not numeric")
    return np.asarray(place[()])


def assign(path: Path, content: Content, model: keras.Model, skipped: Collection[str] = ()) -> None:
    """Load the file's weights into ``model``, but for the layers ``skipped``, in whose place the file may
    have others. Raises ``CrosstrainError``, which names the weight that does not fit."""
    layers = {layer.name: layer for layer in model.layers}
    unassigned = {name for name, layer in layers.items() if layer.weights and name not in skipped}
    for stored in content.weights:
        if stored.layer == TOP:
            own, name = [v for v in model.weights if not _owned(v, model)], model.name
        else:
            name = layer_name(stored.layer)
            if name in skipped or (skipped and name not in layers):
                continue
            if name not in layers:
                raise CrosstrainError(
                    f"{path} has weights of a layer {name!r}, which its network does not have"
                )
            own = layers[name].trainable_weights + layers[name].non_trainable_weights
            unassigned.discard(name)
            stored = old_weights.modern(stored, layers[name], content.version, content.by_theano)
        _assign_layer(path, name, stored, own)
    if unassigned:
        raise CrosstrainError(
            f"{path} has no weights of the layer {min(unassigned)!r}, which its network has"
        )


def _owned(variable: Any, model: keras.Model) -> bool:
    return any(variable is other for layer in model.layers for other in layer.weights)


def _assign_layer(path: Path, layer: str, stored: Stored, variables: Sequence[Any]) -> None:
    if len(stored.arrays) != len(variables):
        raise CrosstrainError(
            f"{path} has {len(stored.arrays)} weights of the layer {layer!r}; its network has "
            f"{len(variables)} there"
        )
    for variable, array in zip(variables, _in_order(stored, variables), strict=True):
        if tuple(variable.shape) != array.shape:
            raise CrosstrainError(
                f"{path}: the weight {variable.path} is {_sized(variable.shape)} in the network, "
                f"{_sized(array.shape)} in the file"
            )
        variable.assign(array.astype(variable.dtype))


def _in_order(stored: Stored, variables: Sequence[Any]) -> Sequence[np.ndarray]:
    """The arrays in the order of the variables: by name if the names are unique, else in the order of the
    file."""
    by_name = {_short(name): array for name, array in zip(stored.names, stored.arrays, strict=True)}
    names = [_short(variable.path) for variable in variables]
    if len(by_name) == len(set(names)) == len(names) and set(by_name) == set(names):
        return [by_name[name] for name in names]
    return stored.arrays


def _short(name: str) -> str:
    """Layer and weight, as ``dense/kernel``; TensorFlow numbered the outputs of its operations."""
    return "/".join(name.removesuffix(":0").split("/")[-2:])


def _sized(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a number"

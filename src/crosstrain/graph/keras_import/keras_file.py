"""Loads Keras models from files of any age without running code in them, unless they are trusted."""

from __future__ import annotations

import json
import math
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras

import crosstrain.layers
import crosstrain.zoo.layers  # noqa: F401  (with the one above: registers the layers that Keras lacks)
from crosstrain.errors import CrosstrainError
from crosstrain.graph.hdf5 import is_hdf5
from crosstrain.graph.keras_import.files import code, hdf5
from crosstrain.graph.keras_import.files.old_config import modern

WEIGHTS = "model.weights.h5"
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, NotImplementedError,
    RuntimeError, RecursionError,
)  # fmt: skip
"""What reading a damaged zip and its JSON raises (``RuntimeError`` if it is encrypted)."""

SMALL = 2**26
"""So many numbers a network may have whatever its file holds: they fit in memory."""


def load_keras_file(path: Path, trust: bool = False, floatx: str = "float32") -> keras.Model:
    """The model in a file of Keras 1, 2 or 3, its full-precision floats being ``floatx``.

    What the file is, its content says, not the ending of its name: HDF5 or the zip of ``.keras``. Raises
    ``CrosstrainError`` where the file is missing, damaged or of another format, and where it asks for code
    (a lambda's bytecode, a class from outside of Keras) without ``trust``.
    """
    if not path.is_file():
        raise CrosstrainError(f"there is no file {path}")
    load = _from_hdf5 if is_hdf5(path) else _from_zip
    model = load(path, trust, floatx)
    if not isinstance(model, keras.Model):
        raise CrosstrainError(f"{path} holds a {type(model).__name__}, not a model")
    return model


def _from_hdf5(path: Path, trust: bool, floatx: str) -> Any:
    content = hdf5.read(path)
    if not trust:
        code.check(path, content.config)

    def load() -> Any:
        config = with_floats(_without_compile(modern(content.config)), floatx)
        with _no_larger(path.stat().st_size):
            model = keras.saving.deserialize_keras_object(config, safe_mode=not trust)
        if isinstance(model, keras.Model):
            hdf5.assign(path, content, model)
        return model

    return _explained(path, load)


def _from_zip(path: Path, trust: bool, floatx: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            config = json.loads(archive.read("config.json"))
            if not isinstance(config, dict) or "class_name" not in config:
                raise ValueError("its config.json is not an object")
            names = archive.namelist()
            size = archive.getinfo(WEIGHTS).file_size if WEIGHTS in names else 0
            old = (
                _version(json.loads(archive.read("metadata.json"))) < 3 if "metadata.json" in names else False
            )
    except _DAMAGED as error:
        raise CrosstrainError(
            f"{path} is not a complete .keras file ({error}); save the model again"
        ) from error
    if not trust:
        code.check(path, config)

    def load() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            source = path
            if old or floatx != "float32" or path.suffix != ".keras":
                source = Path(folder) / "model.keras"
                _rewrite(path, source, with_floats(modern(config) if old else config, floatx), old)
            with _no_larger(size):
                return keras.saving.load_model(source, compile=False, safe_mode=not trust)

    return _explained(path, load)


@contextmanager
def _no_larger(size: int) -> Iterator[None]:
    """Refuse networks whose weights have more numbers than their file has bytes (``size``), before memory is
    allocated: a damaged configuration may ask for more than any machine has."""
    own, left = keras.layers.Layer.add_weight, max(size, SMALL)

    def add_weight(layer: keras.layers.Layer, *arguments: Any, **settings: Any) -> Any:
        nonlocal left
        shape = settings.get("shape")
        lengths = shape if isinstance(shape, list | tuple) else (shape,)
        if all(isinstance(length, int) for length in lengths):
            left -= math.prod(lengths)
        if left < 0:
            raise CrosstrainError(f"the layer {layer.name!r} has more weights than the file holds")
        return own(layer, *arguments, **settings)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = own


def _version(metadata: Any) -> int:
    """The major version of the Keras that wrote a zip."""
    version = str(metadata.get("keras_version", "3")) if isinstance(metadata, Mapping) else "3"
    major = version.split(".")[0]
    return int(major) if major.isdecimal() else 3


def _explained(path: Path, load: Callable[[], Any]) -> Any:
    """The result of ``load``. Errors are raised as ``CrosstrainError`` in a sentence (the traceback goes to
    the log)."""
    try:
        return load()
    except CrosstrainError as error:
        text = str(error)
        raise CrosstrainError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except Exception as error:
        traceback.print_exc()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CrosstrainError(f"{path} cannot be loaded: {reason}") from error


def _without_compile(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "compile_config"}


def with_floats(config: Any, floatx: str) -> Any:
    """A configuration whose full-precision floats are ``floatx``."""

    def at(value: Any, dtype: bool = False) -> Any:
        """``dtype``: whether this is the value of a key ``dtype``."""
        if isinstance(value, Mapping):
            return {k: at(v, dtype or k == "dtype") for k, v in value.items()}
        if isinstance(value, list):
            return [at(v, dtype) for v in value]
        return floatx if dtype and value in ("float32", "float64") else value

    return config if floatx == "float32" else at(config)


def _rewrite(path: Path, copy: Path, config: Any, old: bool) -> None:
    """A copy of a zip with another configuration; with ``old``, the weights get their current names too."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for entry in source.infolist():
            if entry.filename == "config.json":
                target.writestr(entry, json.dumps(config))
            elif entry.filename == WEIGHTS and old:
                weights = copy.with_name(WEIGHTS)
                weights.write_bytes(source.read(entry))
                renamed = copy.with_name(f"renamed.{WEIGHTS}")
                with h5py.File(weights) as before, h5py.File(renamed, "w") as after:
                    _rename(before, after)
                target.write(renamed, WEIGHTS)
            else:
                target.writestr(entry, source.read(entry))


def _rename(before: h5py.Group, after: h5py.Group) -> None:
    """Copy weights; Keras 2 named layers differently, and on Windows wrote backslashes in paths."""
    for name in before:
        if not isinstance(before.get(name, getlink=True), h5py.HardLink):
            raise CrosstrainError(f"its weights {name!r} are not in the file")
        new = name.replace("\\", "/").replace("_layer_checkpoint_dependencies", "layers")
        if isinstance(before[name], h5py.Group):
            _rename(before[name], after.require_group(new))
        else:
            before.copy(name, after, new)

"""Loads ``.keras`` files without running code that they ask for, unless they are trusted."""

from __future__ import annotations

import json
import tempfile
import traceback
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from crosstrain.errors import CrosstrainError

RUNS_CODE = ("__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
"""Classes of Keras that hold or load code."""


def load_keras_file(path: Path, trust: bool = False, floatx: str = "float32") -> keras.Model:
    """The model in a ``.keras`` file, its full-precision floats being ``floatx``.

    Raises ``CrosstrainError`` where the file is missing, damaged or of another format, and where it asks
    for code (a lambda's bytecode, a class from outside of Keras) without ``trust``.
    """
    if not path.is_file():
        raise CrosstrainError(f"there is no file {path}")
    if path.suffix != ".keras":
        raise CrosstrainError(f"{path} is in an old format; save the model again as .keras")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise CrosstrainError(f"{path} is not a whole .keras file ({error}); save the model again") from error
    if not trust:
        check_safe(path, config)
    with tempfile.TemporaryDirectory() as folder:
        source = path if floatx == "float32" else rewritten(path, config, floatx, Path(folder))
        try:
            model = keras.saving.load_model(source, compile=False, safe_mode=not trust)
        except CrosstrainError:
            raise
        except Exception as error:
            traceback.print_exc()
            reason = (str(error).strip().splitlines() or [""])[0]
            raise CrosstrainError(f"{path} cannot be loaded: {reason}") from error
    if not isinstance(model, keras.Model):
        raise CrosstrainError(f"{path} holds a {type(model).__name__}, not a model")
    return model


def objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """All dictionaries in a configuration that name a class or function."""
    if isinstance(config, Mapping):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from objects(value)


def check_safe(path: Path, config: Any) -> None:
    """Refuse a configuration that names code from outside of Keras, or holds some."""
    for entry in objects({k: v for k, v in config.items() if k != "compile_config"}):
        name, module = str(entry["class_name"]), entry.get("module")
        if name in RUNS_CODE:
            what = "Python bytecode (a lambda)" if name == "__lambda__" else f"a {name}"
            raise CrosstrainError(
                f"{path} holds {what}, which is code; if you trust its source, give --trust"
            )
        inside = module is None or str(module).split(".")[0] in ("keras", "builtins", "crosstrain")
        if not inside or (
            entry.get("registered_name") and module is None and ">" in str(entry["registered_name"])
        ):
            raise CrosstrainError(
                f"{path} asks for {name!r} from the module {module}, which is code from outside of Keras; "
                "if you trust its source, give --trust"
            )
    import crosstrain.graph.keras_layers  # noqa: F401  (registers the layers of the project)


def rewritten(path: Path, config: Any, floatx: str, folder: Path) -> Path:
    """A copy of the file whose full-precision floats are ``floatx``."""

    def at(value: Any, dtype: bool = False) -> Any:
        """``dtype``: whether this is what stands behind a key ``dtype``."""
        if isinstance(value, Mapping):
            return {k: at(v, dtype or k == "dtype") for k, v in value.items()}
        if isinstance(value, list):
            return [at(v, dtype) for v in value]
        return floatx if dtype and value in ("float32", "float64") else value

    copy = folder / path.name
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for entry in old.infolist():
            data = (
                json.dumps(at(config)).encode()
                if entry.filename == "config.json"
                else old.read(entry.filename)
            )
            new.writestr(entry, data)
    return copy

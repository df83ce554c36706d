"""Finds code in the configuration of a model, and refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError

RUNS_CODE: Mapping[str, str] = {
    "__lambda__": "Python bytecode (a lambda)",
    "Lambda": "the bytecode of a Lambda layer",
    **{name: f"a {name}" for name in ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")},
}
"""Classes of Keras that hold or load code."""
ROOTS = frozenset({"keras", "tf_keras", "builtins", "crosstrain"})
"""Packages whose classes are allowed."""
TENSORFLOW = ("tensorflow.keras", "tensorflow.python.keras", "tensorflow_core.python.keras")
"""The module of Keras inside TensorFlow."""
PLAIN = ("keras.utils", "keras.saving", "keras.config", "keras.src.utils", "keras.src.saving")
"""Modules of Keras without parts of models, whose functions fetch and write files."""


def check(path: Path, config: Any) -> None:
    """Refuse a configuration that names code from outside of Keras, or holds some: ``CrosstrainError``.

    What a model was compiled with is not looked at: it is never built from the file.
    """
    for entry in _objects({k: v for k, v in config.items() if k != "compile_config"}):
        name, module = str(entry["class_name"]), entry.get("module")
        if code := _code(entry):
            raise CrosstrainError(
                f"{path} holds {code}, which is code; if you trust its source, give --trust"
            )
        if not _inside(entry):
            raise CrosstrainError(
                f"{path} uses {name!r} from the module {module}, which is code from outside Keras; "
                "if you trust its source, give --trust"
            )


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """All dictionaries in a configuration that name a class or function."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if "class_name" in value:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _code(entry: Mapping[str, Any]) -> str | None:
    """The code in an entry. A Lambda layer that names a function of Keras has none."""
    name, config = str(entry["class_name"]), entry.get("config")
    function = config.get("function") if isinstance(config, Mapping) else None
    if name != "Lambda" or isinstance(function, str) or function is None:
        return RUNS_CODE.get(name)
    if isinstance(function, Mapping) and function.get("class_name") == "function":
        plain = str(function.get("module")).split(".")[0] in ("keras", "builtins")
        return None if plain else RUNS_CODE[name]
    return RUNS_CODE["__lambda__"]


def _inside(entry: Mapping[str, Any]) -> bool:
    """Whether an entry names a part of Keras or of this project."""
    from crosstrain.graph import keras_layers  # noqa: F401  (registers the layers of the project)

    module, registered = entry.get("module"), str(entry.get("registered_name") or entry["class_name"])
    if module is None:
        package, separator, _ = registered.partition(">")
        return not separator or package == "crosstrain"
    place = str(module)
    if place.startswith(PLAIN):
        return False
    return place.split(".")[0] in ROOTS or place.startswith(TENSORFLOW)

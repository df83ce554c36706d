"""Configurations of Keras 1 and 2 as those of Keras 3."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import keras

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.files import old_graphs
from crosstrain.graph.keras_import.files.old_tables import (
    ARGUMENTS,
    CLASSES,
    DEFAULTS,
    EVERYWHERE,
    MERGE_ARGUMENTS,
    MERGES,
    MODELS,
    PAIRS,
    VALUES,
    WITHOUT_EFFECT,
)

HOMES = (
    "keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.dtype_policies",
    "keras.losses", "keras.metrics", "keras.optimizers", "keras.optimizers.schedules", "keras.random",
    "keras",
)  # fmt: skip
"""Modules of Keras 3 with its classes, in the order of lookup."""
HOMES_BY_ARGUMENT = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}
"""Names like ``Identity`` belong to a layer and an initializer; the argument decides which is meant."""
FUNCTIONAL = "keras.src.models.functional"
"""The module that Keras 3 itself writes for functional models."""
Entry = Mapping[str, Any]


def modern(entry: Entry) -> dict[str, Any]:
    """The configuration of a model, written by any Keras, as Keras 3 writes it.

    Raises ``CrosstrainError`` where it has what Keras 3 no longer has, naming the layer.
    """
    changed = _object(entry, "")
    assert isinstance(changed, dict)
    return changed


def kind(entry: Entry) -> str:
    """The name of an entry's class in Keras 3."""
    name = str(entry["class_name"])
    return CLASSES.get(name, name)


def _changed(value: Any, argument: str) -> Any:
    if isinstance(value, Mapping):
        if "class_name" in value:
            return _object(value, argument)
        if argument.endswith("regularizer") and {"l1", "l2"} & set(value):
            return _in_home("L1L2", {k: value[k] for k in ("l1", "l2") if k in value}, "keras.regularizers")
        return {key: _changed(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_changed(one, argument) for one in value]
    if isinstance(value, str):
        family = "initializer" if argument.endswith("initializer") else argument
        return VALUES.get(family, {}).get(value, value)
    return value


def _object(entry: Entry, argument: str) -> Any:
    name, config = kind(entry), entry.get("config")
    if name.startswith("__") or "crosstrain" in str(entry.get("module")).split("."):
        return dict(entry)
    if name == "function":
        return entry if isinstance(config, Mapping) or entry.get("module") else _changed(config, argument)
    if name in MODELS:
        return _model(name, config)
    if name == "Merge":
        return _merge(config)
    if not isinstance(config, Mapping):
        raise CrosstrainError(f"{name} has no configuration that can be read")
    home = _home(name, argument)
    if home is None:
        return _unknown(entry, config)
    return _in_home(name, _arguments(name, config, home), home)


def _unknown(entry: Entry, config: Entry) -> dict[str, Any]:
    """A class that Keras 3 does not have: a registered class of the user's, or an error."""
    name = str(entry["class_name"])
    if name in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"):
        operation = config.get("function") or config.get("name")
        raise CrosstrainError(
            f"the model applies TensorFlow's own operation {operation}, which no Keras layer holds; build "
            "the model again with keras.ops in its place, and load the weights"
        )
    registered = str(entry.get("registered_name") or name)
    if keras.saving.get_registered_object(registered) is None:
        raise CrosstrainError(
            f"the layer {config.get('name', '')!r} is a {name}, which Keras 3 does not have; "
            "build the model again without it, or give file.py:function that registers the class"
        )
    return {**entry, "module": entry.get("module"), "registered_name": registered}


def _in_home(name: str, config: Entry, home: str) -> dict[str, Any]:
    return {"module": home, "class_name": name, "config": dict(config), "registered_name": None}


def _home(name: str, argument: str) -> str | None:
    for ending, home in HOMES_BY_ARGUMENT.items():
        if argument.endswith(ending) and isinstance(_lookup(home, name), type):
            return home
    return next((home for home in HOMES if isinstance(_lookup(home, name), type)), None)


def _lookup(home: str, name: str) -> Any:
    place: Any = keras
    for part in home.split(".")[1:]:
        place = getattr(place, part)
    return getattr(place, name, None)


def _merge(config: Any) -> dict[str, Any]:
    """The layer that replaces a ``Merge`` of Keras 1."""
    mode = config.get("mode") if isinstance(config, Mapping) else None
    if mode not in MERGES:
        raise CrosstrainError(f"a Merge layer with the mode {mode!r} cannot be read")
    name = MERGES[str(mode)]
    names = {"name": "name", **MERGE_ARGUMENTS.get(name, {})}
    return _in_home(name, {new: config[old] for old, new in names.items() if old in config}, "keras.layers")


def _arguments(name: str, config: Entry, home: str) -> dict[str, Any]:
    """The arguments of a class, by their current names; those without effect are left out."""
    names = {**EVERYWHERE, **ARGUMENTS.get(name, {})}
    arguments: dict[str, Any] = {}
    for key, value in config.items():
        new = names.get(key, key)
        arguments[new] = _changed(value, new)
    parts, whole = PAIRS.get(name, ((), ""))
    if parts and all(part in arguments for part in parts):
        arguments[whole] = [arguments.pop(part) for part in parts]
    if name == "InputLayer" and "batch_input_shape" in arguments:
        arguments["batch_shape"] = arguments.pop("batch_input_shape")
    if isinstance(arguments.get("axis"), list) and len(arguments["axis"]) == 1:
        arguments["axis"] = arguments["axis"][0]
    if home == "keras.layers" and isinstance(arguments.get("name"), str):
        arguments["name"] = old_graphs.layer_name(arguments["name"])
    if name == "Lambda":
        return _lambda(arguments)
    known = _parameters(_lookup(home, name))
    left_out = {key for key in arguments if key not in known}
    for key in left_out:
        if not _without_effect(key, arguments[key]):
            raise CrosstrainError(
                f"the layer {config.get('name', name)!r} ({name}) has {key}={arguments[key]!r}, which Keras "
                "3 does not have"
            )
    supported = {key: value for key, value in arguments.items() if key not in left_out}
    return {**DEFAULTS.get(name, {}), **supported}


def _without_effect(key: str, value: Any) -> bool:
    neutral = value is None or value is False or value in (0, [], {})
    unused = key.endswith("_initializer") or (key == "groups" and value == 1)
    return neutral or unused or key in WITHOUT_EFFECT


def _lambda(config: Entry) -> dict[str, Any]:
    """Keras 2 wrote code, defaults and closure as a list. Only trusted files come here."""
    arguments = {
        k: v for k, v in config.items() if k in ("name", "function", "arguments", "trainable", "dtype")
    }
    if isinstance(arguments.get("function"), list):
        arguments["function"] = {
            "class_name": "__lambda__",
            "config": dict(zip(("code", "defaults", "closure"), arguments["function"], strict=False)),
        }
    return arguments


@cache
def _parameters(cls: type) -> frozenset[str]:
    """The arguments of a class, including its base classes' where it passes them on."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    if issubclass(cls, keras.layers.InputLayer):
        names |= {"sparse", "ragged"}
    return frozenset(names - {"self"})


def _model(name: str, config: Any) -> dict[str, Any]:
    """A functional or sequential model with its layers; Keras 1 wrote the latter as a bare list."""
    content: dict[str, Any] = {"layers": config} if isinstance(config, list) else dict(config or {})
    layers = content.get("layers")
    if not isinstance(layers, list) or not all(
        isinstance(layer, Mapping) and "class_name" in layer and "config" in layer for layer in layers
    ):
        raise CrosstrainError(f"the {name} in it has no layers that can be read")
    title = str(content.get("name") or name.lower())
    entries = [_object(layer, "") for layer in layers]
    if name == "Sequential":
        content = {
            "name": title,
            "layers": old_graphs.with_input(layers, entries),
            "build_input_shape": content.get("build_input_shape"),
        }
        return _in_home(name, content, "keras")
    graph = {
        "name": old_graphs.layer_name(title),
        "trainable": bool(content.get("trainable", True)),
        **old_graphs.connected(content, entries),
    }
    return _in_home(name, graph, FUNCTIONAL)

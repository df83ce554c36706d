"""How the layers of an old model are connected, as Keras 3 writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.files.old_tables import MODELS

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")
"""Layers that Keras 2 wrote with their initial states as further inputs."""
Entry = Mapping[str, Any]


def layer_name(name: str) -> str:
    """The name of a layer without the slashes that Keras 2 allowed in it."""
    return name.replace("/", "_")


def with_input(layers: Sequence[Entry], entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ``entries`` of a sequential model behind an input layer, where its first layer (of ``layers``, as
    they were) told the shape."""
    first: Any = layers[0]["config"] if layers else None
    if not isinstance(first, Mapping) or entries[0]["class_name"] == "InputLayer":
        return list(entries)
    shape = first.get("batch_input_shape") or _shape_of(first)
    if not shape:
        return list(entries)
    floating = first.get("dtype") if isinstance(first.get("dtype"), str) else "float32"
    config = {"batch_shape": [None, *shape[1:]], "dtype": first.get("input_dtype") or floating}
    if str(config["dtype"]).startswith("mixed"):
        config["dtype"] = "float32"
    return [
        {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None},
        *entries,
    ]


def _shape_of(config: Entry) -> list[int | None] | None:
    """The shape from ``input_shape`` or ``input_dim`` of the oldest files, with a batch axis."""
    if config.get("input_shape"):
        return [None, *config["input_shape"]]
    return [None, config["input_dim"]] if config.get("input_dim") and "input_length" not in config else None


def connected(content: Entry, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Layers, inputs and outputs of a functional model. ``content`` is its configuration as it was,
    ``entries`` are its layers as Keras 3 writes them, so far without connections."""
    kinds = {}
    for old, new in zip(content["layers"], entries, strict=True):
        name = layer_name(str(old.get("name") or old["config"].get("name")))
        kinds[name] = str(new["class_name"])
        new["name"] = name
        new["config"]["name"] = name
        new["inbound_nodes"] = old.get("inbound_nodes") or []
    ends = {key: content.get(key) for key in ("input_layers", "output_layers")}
    if any(isinstance(node, Mapping) for entry in entries for node in entry["inbound_nodes"]):
        return {"layers": list(entries), **ends}  # by Keras 3
    for entry in entries:
        entry["inbound_nodes"] = [_node(node, entry, kinds) for node in entry["inbound_nodes"]]
    return {"layers": list(entries), **{key: _ends(tensors, kinds) for key, tensors in ends.items()}}


def _ends(tensors: Any, kinds: Mapping[str, str]) -> Any:
    """Inputs or outputs; Keras 3 takes a list of one for a list, Keras 2 took it for the one."""
    if isinstance(tensors, Mapping):
        return {name: _ends(one, kinds) for name, one in tensors.items()}
    if _is_tensor(tensors, kinds):
        name, call, index = _place(tensors, kinds)
        # for functional models alone, Keras 3 counts calls from 1 here, and from 0 between layers
        return [name, call + (kinds[name] == "Functional"), index]
    if not isinstance(tensors, list) or not tensors:
        raise CrosstrainError("the model does not say what its inputs and outputs are")
    ends = [_ends(one, kinds) for one in tensors]
    return ends[0] if len(ends) == 1 else ends


def _is_tensor(value: Any, kinds: Mapping[str, str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and layer_name(value[0]) in kinds
        and isinstance(value[1], int)
        and isinstance(value[2], int)
    )


def _place(value: Sequence[Any], kinds: Mapping[str, str]) -> tuple[str, int, int]:
    """Layer, call and output of a tensor. Keras 2 counted the calls of a model within a model from 1."""
    name = layer_name(value[0])
    return name, max(value[1] - (kinds[name] in MODELS), 0), value[2]


def _tensor(value: Sequence[Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    config = {"shape": [], "dtype": "float32", "keras_history": list(_place(value, kinds))}
    return {"class_name": "__keras_tensor__", "config": config}


def _node(node: Any, entry: Entry, kinds: Mapping[str, str]) -> Any:
    """One call of a layer."""
    keywords: dict[str, Any] = {}
    first = _first_argument(node, keywords, entry, kinds)
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    if isinstance(first, list) and entry["class_name"] in RECURRENT:
        first, keywords["initial_state"] = first[0], first[1:]
    kwargs = {name: _argument(value, kinds) for name, value in keywords.items() if value is not None}
    return {"args": [first], "kwargs": kwargs}


def _first_argument(value: Any, keywords: dict[str, Any], entry: Entry, kinds: Mapping[str, str]) -> Any:
    """The first argument of a call; its keywords, which follow each tensor, are collected."""
    if _is_tensor(value, kinds):
        if len(value) == 4 and isinstance(value[3], Mapping):
            keywords.update(value[3])
        return _tensor(value, kinds)
    if isinstance(value, list) and value and not isinstance(value[0], str):
        return [_first_argument(one, keywords, entry, kinds) for one in value]
    if isinstance(value, Mapping):
        return {name: _first_argument(one, keywords, entry, kinds) for name, one in value.items()}
    raise CrosstrainError(
        f"the layer {entry['name']!r} is called on something other than the output of a layer"
    )


def _argument(value: Any, kinds: Mapping[str, str]) -> Any:
    if _is_tensor(value, kinds):
        return _tensor(value, kinds)
    if isinstance(value, list):
        return [_argument(one, kinds) for one in value]
    return value

"""Constants of a definition: what Keras computed while the network was defined, and not while it runs.

Built again, a network may have others: an embedding that is called on an array is drawn anew, and so is a
random table. The truth computes with those of the definition that the engines were given.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import input_specs
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_model
from crosstrain.runs.defined import Definition

SAME = 1e-6
"""Two constants that are no further apart are one, in another precision."""

LOOKED_AT = 3_000_000
"""Networks of so many parameters are imported again to see whether a layer's numbers differ each time."""


@dataclass(frozen=True)
class Call:
    """A layer that was called on an array while the network was defined."""

    layer: str
    kind: str
    weights: int

    def __str__(self) -> str:
        what = f"the layer {self.layer!r} ({self.kind}) was called on an array while the network was defined"
        if not self.weights:
            return f"{what}, so its output is a constant of the network"
        return (
            f"{what}: Keras computed its output there and then, so it is a constant of the network and never "
            "trains, and its weights are none of the network's; to train it, call it inside of a layer's call"
        )


@contextmanager
def watching_calls() -> Iterator[list[Call]]:
    """Notes layers that are called on arrays alone, outside of other layers."""
    calls: list[Call] = []
    depth = 0
    real = keras.layers.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal depth
        flat = keras.tree.flatten((args, kwargs))
        concrete = any(is_array(x) for x in flat) and not any(isinstance(x, keras.KerasTensor) for x in flat)
        outermost, depth = depth == 0, depth + 1
        try:
            return real(layer, *args, **kwargs)
        finally:
            depth -= 1
            if outermost and concrete:
                calls.append(Call(layer.name, type(layer).__name__, len(layer.weights)))

    keras.layers.Layer.__call__ = call
    try:
        yield calls
    finally:
        keras.layers.Layer.__call__ = real


def is_array(x: Any) -> bool:
    """Whether something is an array with a value, NumPy's or the backend's."""
    return not isinstance(x, keras.KerasTensor) and (
        isinstance(x, np.ndarray) or bool(keras.ops.is_tensor(x))
    )


def settle(model: keras.Model, definition: Definition) -> list[str]:
    """Give a model that was built again the constants of the definition; sentences about those that differed.

    Raises ``CrosstrainError`` where a layer computes with numbers that differ each time it is called.
    """
    places = list(held_by(model))
    if not places and definition.graph.parameters > LOOKED_AT:
        return []
    again, weights = import_model(model, input_specs(definition.data))
    known = constants(definition.graph, definition.weights())
    if [(n.name, n.op) for n in again.nodes] != [(n.name, n.op) for n in definition.graph.nodes]:
        return []  # another backend has other ops in places; what differs shows when truths are compared
    differing: list[str] = []
    for name, value in constants(again, weights).items():
        if name not in known or known[name].shape != value.shape:
            continue
        same = close(known[name], value)
        replaced = [arguments for arguments in places if put(arguments, value, known[name])]
        if same:
            continue
        if not replaced:
            raise CrosstrainError(
                f"{entry(again, name)} computes with numbers that differ each time it is called (a clock's, "
                "or random ones of NumPy's); engines have them as constants, so that there is no one truth; "
                "make them an input or a weight"
            )
        differing.append(
            f"{entry(again, name)} reads a constant that differs each time the network is defined; the "
            "proof goes on with the one that the engines were given"
        )
    return differing


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two constants are one, but for the precision."""
    a, b = np.asarray(one, "float64"), np.asarray(other, "float64")
    return bool(np.linalg.norm(a - b) <= SAME * max(float(np.linalg.norm(a)), 1e-30))


def constants(graph: Graph, weights: Weights) -> dict[str, np.ndarray]:
    """The values of a graph's constants: nodes by ``%NAME``, weights by ``@NAME``."""
    values = {
        f"%{node.name}": np.asarray(node.attributes["value"]) for node in graph.nodes if node.op == "constant"
    }
    values |= {f"@{name}": value for name, value in weights.items() if name.startswith("constant/")}
    return {name: value for name, value in values.items() if value.dtype.kind == "f"}


def entry(graph: Graph, ref: str) -> str:
    """The layer that reads a constant, in words."""
    node = next((n for n in graph.nodes if ref in n.inputs), None)
    return f"the layer {node.layer!r}" if node and node.layer else f"the op {node.op if node else ref!r}"


def held_by(model: keras.Model) -> Iterator[Any]:
    """The arguments of every call in the model, and in those inside of it, that have an array among them."""
    for each in model._flatten_layers():
        if isinstance(each, Functional):
            for node in itertools.chain.from_iterable(each._nodes_by_depth.values()):
                flat = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
                if any(is_array(x) for x in flat):
                    yield node.arguments


def put(arguments: Any, old: np.ndarray, new: np.ndarray) -> bool:
    """Replace an array among the arguments of a call. Returns whether it was among them."""
    replaced = False

    def exchange(x: Any) -> Any:
        nonlocal replaced
        if not is_array(x):
            return x
        array = keras.ops.convert_to_numpy(x)
        if array.size != old.size or not close(array.reshape(old.shape), old):
            return x
        replaced = True
        return keras.ops.convert_to_tensor(new.reshape(array.shape), dtype="float64")

    arguments.args = keras.tree.map_structure(exchange, arguments.args)
    arguments.kwargs = keras.tree.map_structure(exchange, arguments.kwargs)
    return replaced

"""Builds a graph node by node, inferring every shape and dtype from the vocabulary's rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.graph.graph import SEED, Graph, Node, TensorSpec, Weights, WeightSpec, frozen, reference
from crosstrain.graph.ops import VOCABULARY

SMALL = 64
"""Constants of at most this many numbers are stored in the graph itself, larger ones in the ``.npz``."""

FLOATS = ("float32", "float64")


class ShapeError(ValueError):
    """An op that does not fit its inputs."""


def run_dtype(dtype: str) -> str:
    """The graph's name of a dtype: both full float types are ``float32``, the precision of the run."""
    if dtype in FLOATS:
        return "float32"
    if dtype in ("bool", "uint8", "int8", "int16", "int32", "int64"):
        return dtype
    if dtype in ("uint16", "uint32", "uint64"):
        return "int64"
    raise ShapeError(f"the dtype {dtype} cannot be used in a graph; use float32 or an integer dtype")


def as_written(array: np.ndarray) -> np.ndarray:
    """float32 numbers as the decimals that they stand for: 0.01, not 0.009999999776.

    Keras casts hyper-parameters (``L2(0.01)``) to float32 while a model is traced; float64 needs what was
    written.
    """
    return np.array([float(str(number)) for number in array.reshape(-1)]).reshape(array.shape)


@dataclass
class Replay:
    """Nodes of a first pass over the same code, which a second pass reuses where they are equal."""

    nodes: dict[str, list[Node]] = field(default_factory=dict)

    def take(self, key: str) -> Node | None:
        waiting = self.nodes.get(key)
        return waiting.pop(0) if waiting else None


class Builder:
    """Collects inputs, weights, constants and nodes. Names are unique; the same calls give the same graph."""

    def __init__(self, name: str, constants: str = "constant/") -> None:
        self.name = name
        self.inputs: dict[str, TensorSpec] = {}
        self.nodes: list[Node] = []
        self.weights: dict[str, WeightSpec] = {}
        self.arrays: Weights = {}
        self.specs: dict[str, TensorSpec] = {}
        self.replay: Replay | None = None
        self._constants_prefix = constants
        self._constants: dict[Any, str] = {}
        self._name_counts: dict[str, int] = {}
        self.salt = 0

    # -- entries --------------------------------------------------------------------------------
    def add_input(self, name: str, spec: TensorSpec) -> str:
        name = self._unique(name)
        self.inputs[name] = spec
        self.specs[reference(name)] = spec
        return reference(name)

    def seed(self) -> str:
        """The graph's input for random ops."""
        if SEED not in self.inputs:
            self.inputs[SEED] = TensorSpec((), "int32")
            self.specs[reference(SEED)] = self.inputs[SEED]
        return reference(SEED)

    def next_salt(self) -> int:
        self.salt += 1
        return self.salt

    def add_weight(self, name: str, array: np.ndarray, trainable: bool) -> str:
        spec = WeightSpec(tuple(array.shape), run_dtype(array.dtype.name), trainable)
        self.weights[name] = spec
        self.arrays[name] = array
        self.specs[f"@{name}"] = TensorSpec(spec.shape, spec.dtype)
        return f"@{name}"

    def constant(self, value: Any, dtype: str) -> str:
        """The reference of a constant: a node if it is small, else a non-trainable weight ``constant/N``."""
        array = np.asarray(value)
        if array.dtype == np.float32 and array.size <= SMALL:
            array = as_written(array)
        array = array.astype("float64" if dtype == "float32" else dtype)
        key = (array.tobytes(), array.shape, dtype)
        if key not in self._constants:
            if array.size <= SMALL and np.all(np.isfinite(array)):
                (ref,) = self.emit("constant", value=frozen(array.tolist()), dtype=dtype, name="constant")
            else:
                name = f"{self._constants_prefix}{len(self._constants)}"
                ref = self.add_weight(name, array, trainable=False)
            self._constants[key] = ref
        return self._constants[key]

    # -- nodes ----------------------------------------------------------------------------------
    def emit(
        self, op: str, *inputs: str | None, name: str = "", layer: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node. Returns the references of its outputs. Raises ``ShapeError`` if the inputs do not
        fit."""
        attributes = {k: frozen(v) for k, v in attributes.items()}
        key = json.dumps([op, inputs, attributes, layer], default=str)
        if self.replay is not None and (again := self.replay.take(key)) is not None:
            return again.references
        try:
            specs = VOCABULARY[op].shape(*[i and self.specs[i] for i in inputs], **attributes)
        except ShapeError:
            raise
        except Exception as error:
            shapes = [self.specs[i].shape if i else None for i in inputs]
            raise ShapeError(
                f"{op} does not take inputs of shapes {shapes} with {attributes}: {error}"
            ) from error
        node = Node(self._unique(name or op), op, inputs, attributes, tuple(specs), layer)
        self.nodes.append(node)
        self.specs.update(zip(node.references, specs, strict=True))
        return node.references

    def since(self, start: int) -> Replay:
        """The nodes from number ``start`` on, for a second pass to reuse."""
        replay = Replay()
        for node in self.nodes[start:]:
            key = json.dumps([node.op, node.inputs, node.attributes, node.layer], default=str)
            replay.nodes.setdefault(key, []).append(node)
        return replay

    def graph(
        self,
        outputs: Mapping[str, str],
        updates: Mapping[str, str] | None = None,
        penalties: tuple[str, ...] = (),
    ) -> Graph:
        """The finished graph, without the nodes that nothing reads."""
        whole = Graph(
            name=self.name,
            inputs=self.inputs,
            outputs=dict(outputs),
            nodes=tuple(self.nodes),
            weights=self.weights,
            updates=dict(updates or {}),
            penalties=penalties,
        )
        return whole.pruned().check()

    def _unique(self, name: str) -> str:
        name = name.replace(":", "_").replace("@", "_").replace("%", "_")
        count = self._name_counts.get(name, 0)
        self._name_counts[name] = count + 1
        if count == 0 and name != SEED:
            return name
        return self._unique(f"{name}_{max(count, 1)}")

"""Keras layers of the project: what a graph has that no layer or op of Keras's own stands for.

They are registered, so that a ``.keras`` file with them opens wherever crosstrain is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from crosstrain.graph.graph import Node, TensorSpec, frozen
from crosstrain.graph.keras_ops import OPS
from crosstrain.graph.ops import VOCABULARY

__all__ = ["Penalty", "VocabularyOp", "Weight"]

PACKAGE = "crosstrain"


def run_dtype(dtype: str) -> str:
    """A graph's dtype in this Keras: ``float32`` is the precision of the run."""
    return str(keras.config.floatx()) if dtype == "float32" else dtype


@keras.saving.register_keras_serializable(PACKAGE)
class Weight(keras.layers.Layer):
    """A weight that no layer of Keras's own holds. Called on any tensor it returns the weight; called with
    ``new`` as well it assigns ``new`` in training and returns the tensor."""

    def __init__(self, shape: Sequence[int], kind: str = "float32", **settings: Any) -> None:
        super().__init__(**settings)
        self.shape, self.kind = tuple(shape), kind
        floating = kind == "float32"
        self.array = self.add_weight(
            self.shape, initializer="zeros", dtype=None if floating else kind, trainable=floating,
            name="array",
        )  # fmt: skip
        self.built = True

    def call(self, x: Any, new: Any = None, training: bool | None = None) -> Any:
        if new is None:
            value = self.array.value
            # TensorFlow's variables are no tensors: they lack some of a tensor's attributes.
            return value.read_value() if hasattr(value, "read_value") else value
        if training:
            self.array.assign(new)
        return x

    def compute_output_spec(self, x: Any, new: Any = None, training: bool | None = None) -> Any:
        if new is not None:
            return keras.KerasTensor(x.shape, x.dtype)
        return keras.KerasTensor(self.shape, self.array.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": list(self.shape), "kind": self.kind}


@keras.saving.register_keras_serializable(PACKAGE)
class VocabularyOp(keras.layers.Layer):
    """One op of crosstrain's vocabulary that keras.ops lacks as a function: called on the list of its
    tensors, it returns the list of its outputs. ``given`` is the kind of each input of the op: ``tensor``,
    ``none`` or ``seed``; the name is part of the file format."""

    def __init__(self, op: str, attributes: Mapping[str, Any], given: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.op, self.attributes, self.given = op, frozen(dict(attributes)), tuple(given)
        self.seed_generator = keras.random.SeedGenerator(0) if "seed" in self.given else None
        self.built = True

    def inputs_of(self, tensors: Sequence[Any]) -> list[Any]:
        """The op's inputs, with the seed's generator in its place."""
        waiting = iter(tensors)
        by_kind = {"tensor": lambda: next(waiting), "none": lambda: None, "seed": lambda: self.seed_generator}
        return [by_kind[kind]() for kind in self.given]

    def call(self, tensors: Sequence[Any], training: bool | None = None) -> list[Any]:
        inputs = self.inputs_of(tensors)
        refs = {f"%{i}": value for i, value in enumerate(inputs)}
        node: Node | str = Node(self.op, self.op, tuple(refs), self.attributes)
        rule = VOCABULARY[self.op].phase
        node = rule(node, bool(training)) if rule and isinstance(node, Node) else node
        if isinstance(node, str):
            return [refs[node]]
        settings = {k: run_dtype(v) if k == "dtype" else v for k, v in node.attributes.items()}
        result = getattr(OPS, node.op)(*[refs[str(r)] for r in node.inputs], **settings)
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        if self.op == "batch_norm" and len(outputs) == 1:  # in inference the statistics stay as they are
            outputs += inputs[3:]
        return outputs

    def compute_output_spec(self, tensors: Sequence[Any], training: bool | None = None) -> Any:
        graph_dtype = lambda d: "float32" if d in ("float32", "float64") else d
        specs = [
            None if x is None else TensorSpec((), "int32") if x is self.seed_generator
            else TensorSpec(tuple(x.shape), graph_dtype(keras.backend.standardize_dtype(x.dtype)))
            for x in self.inputs_of(tensors)
        ]  # fmt: skip
        output_specs = VOCABULARY[self.op].shape(*specs, **self.attributes)
        return [keras.KerasTensor(s.shape, run_dtype(s.dtype)) for s in output_specs]

    def get_config(self) -> dict[str, Any]:
        own = {"op": self.op, "attributes": dict(self.attributes), "given": list(self.given)}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(PACKAGE)
class Penalty(keras.layers.Layer):
    """Called on ``[x, penalty, …]``: adds the penalties, scalars, to the loss and returns ``x``."""

    def call(self, tensors: Sequence[Any]) -> Any:
        x, *penalties = tensors
        for penalty in penalties:
            self.add_loss(penalty)
        return x

    def compute_output_spec(self, tensors: Sequence[Any]) -> Any:
        return keras.KerasTensor(tensors[0].shape, tensors[0].dtype)

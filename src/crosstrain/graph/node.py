"""The parts of graphs: nodes, the specs of tensors and weights, and references to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEED = "seed"
"""The graph input (a scalar int32, new for each step) that random ops read."""

Weights = dict[str, np.ndarray]


class GraphError(ValueError):
    """An invalid graph, or one that asks for what cannot be done; the message is one sentence."""


@dataclass(frozen=True)
class TensorSpec:
    """Shape (``None`` where it is the batch's) and dtype of a tensor."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class WeightSpec:
    """Shape and dtype of a weight; ``trainable`` ones have gradients, the others are state."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    trainable: bool = True


@dataclass(frozen=True)
class Node:
    """One application of an op. ``inputs`` are references; ``None`` stands for an absent optional input."""

    name: str
    op: str
    inputs: tuple[str | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[TensorSpec, ...] = ()
    layer: str = ""

    @property
    def references(self) -> tuple[str, ...]:
        """The references of the node's outputs: ``%name``, ``%name:1``, …"""
        return tuple(reference(self.name, i) for i in range(len(self.outputs)))


def reference(name: str, index: int = 0) -> str:
    return f"%{name}" if index == 0 else f"%{name}:{index}"


def frozen(value: Any) -> Any:
    """JSON lists as tuples, so that attributes look the same before and after a round trip."""
    if isinstance(value, list | tuple):
        return tuple(frozen(v) for v in value)
    if isinstance(value, Mapping):
        return {k: frozen(v) for k, v in value.items()}
    return value

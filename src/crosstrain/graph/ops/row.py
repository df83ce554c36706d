"""A row of the op vocabulary, and the decorators that add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crosstrain.graph.node import Node, TensorSpec

ShapeRule = Callable[..., "list[TensorSpec]"]
PhaseRule = Callable[["Node", bool], "Node | str"]


@dataclass(frozen=True)
class Op:
    """One op. Exactly one of ``numpy`` and ``meaning`` is given.

    ``numpy(*inputs, **attributes)`` is a primitive: what it computes, in NumPy. ``meaning(ops, *inputs,
    **attributes)`` is a composite, written in other ops of the namespace ``ops``, which may be any
    framework's. ``shape(*input_specs, **attributes)`` gives the specs of the outputs. ``phase(node,
    training)`` says what the node becomes in training or inference: a node, or a reference that stands
    in its place.
    """

    name: str
    numpy: Callable[..., Any] | None
    meaning: Callable[..., Any] | None
    shape: ShapeRule
    phase: PhaseRule | None = None


VOCABULARY: dict[str, Op] = {}


def primitive(shape: ShapeRule, name: str = "", phase: PhaseRule | None = None) -> Callable[[Any], Any]:
    """Add a primitive: every engine has to bring its own form."""

    def add(function: Any) -> Any:
        key = name or function.__name__.rstrip("_")
        VOCABULARY[key] = Op(key, function, None, shape, phase)
        return function

    return add


def composite(shape: ShapeRule, name: str = "", phase: PhaseRule | None = None) -> Callable[[Any], Any]:
    """Add a composite: an engine may bring its own form, and gets this one where it does not."""

    def add(function: Any) -> Any:
        key = name or function.__name__.rstrip("_")
        VOCABULARY[key] = Op(key, None, function, shape, phase)
        return function

    return add

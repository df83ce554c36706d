"""Steps: one layer or operation applied, and the network that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Node
from crosstrain.graph.ops.elementwise import BINARY, COMPARISON, TEST, UNARY

ACTIVATIONS = (
    "relu", "tanh", "sigmoid", "softmax", "gelu", "elu", "selu", "silu", "softplus", "softsign", "leaky_relu",
    "relu6", "celu", "log_sigmoid", "hard_sigmoid", "hard_silu", "hard_tanh", "tanh_shrink", "soft_shrink",
    "hard_shrink", "threshold", "squareplus", "log_softmax",
)  # fmt: skip

ARITHMETIC = ("add", "subtract", "multiply", "divide", "power", "mod", "floor_divide")
PAIRED = (*BINARY, *COMPARISON, "logaddexp", "squared_difference", "logical_xor")
"""Elementwise operations of two values, which are brought to one dtype."""

ELEMENTWISE = {
    *ACTIVATIONS, *UNARY, *PAIRED, *TEST, "erf", "square", "reciprocal", "rsqrt", "clip", "stop_gradient",
    "where",
}  # fmt: skip
"""Operations that mean the same in any order of the axes."""

NOISE = (
    "gaussian_dropout",
    "gaussian_noise",
    "uniform_noise",
    "alpha_dropout",
    "random_uniform",
    "random_normal",
)
CHOICES = ("phase_select", "augment_select")
MOVING = ("batch_norm", "batch_norm_axis")
PHASED = {*MOVING, "dropout", *CHOICES, *(f"op_{name}" for name in ("dropout", *NOISE))}
"""Kinds of steps that differ between training and inference."""

NOISY = {"dropout", *(f"op_{name}" for name in ("dropout", *NOISE))}

ATOMS = ("weight", "none", "number", "constant", "item")
"""Kinds of steps that are no statement: they are written where they are read."""

SHARED = (
    "rank",
    "to",
    "longer",
    "sequences",
    "approximate",
    "divides",
    "backwards",
    "keepdims",
    "whole",
    "axis",
)
"""Settings that all blocks have to share: they are not numbers, so no argument can give them."""


@dataclass(frozen=True)
class Step:
    """One layer or function applied. ``inputs`` and ``output`` are names of values; ``name`` is that of the
    weights it owns, without ``Network.prefix`` (``""``: none); ``roles`` are their last parts (``kernel``,
    ``bias``, …). ``shape`` is that of its output, without the batch, channels last.

    An operation of the vocabulary without a layer of its own has the kind ``op_NAME``, its attributes as
    settings, and reads weights and constants through steps of the kinds ``ATOMS``; a weight's ``name`` is its
    whole path.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int | None, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    roles: tuple[str, ...] = ()

    @property
    def structure(self) -> tuple[Any, ...]:
        """What has to be alike in all blocks of a loop."""
        if self.kind.startswith("op_") or self.kind in ATOMS:
            return tuple(sorted(self.settings.items(), key=lambda item: item[0]))
        padded = self.settings.get("even") if self.settings.get("padding") == "explicit" else None
        return (padded, *(self.settings.get(key) for key in SHARED))


@dataclass(frozen=True)
class Network:
    """A graph as steps, in an order in which chains stay together. ``inputs`` and ``outputs`` map names to
    values, ``shapes`` and ``dtypes`` values of inputs to their shapes and dtypes; all weights' names begin
    with ``prefix``. ``fixed`` are the weights that training leaves as they are; ``penalty`` is the
    scalar that training adds to the loss."""

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    shapes: Mapping[str, tuple[int | None, ...]]
    steps: tuple[Step, ...]
    prefix: str = ""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    penalty: str | None = None

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that leave the network."""
        return (*self.outputs.values(), *([self.penalty] if self.penalty else []))

    @property
    def kinds(self) -> set[str]:
        return {step.kind for step in self.steps}


class NoLayer(Exception):  # noqa: N818 (no error: the operation itself is written)
    """A node that no layer of the frameworks stands for."""


def refuse(node: Node | None, why: str) -> CrosstrainError:
    where = f"the layer {node.layer or node.name!r}" if node else "the network"
    return CrosstrainError(f"{where} cannot be written as source: {why}")


def identifier(name: str) -> str:
    """A valid Python identifier for ``name``."""
    cleaned = re.sub(r"\W+", "_", name).strip("_")
    return f"_{cleaned}" if not cleaned or cleaned[0].isdigit() else cleaned

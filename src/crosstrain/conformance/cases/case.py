"""One application of an op, and which ops have no gradient, no certain numbers or no node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OpCase:
    """One application. ``constant`` inputs, by number, have no gradient; other floats have, if the op has."""

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    constant: tuple[int, ...] = ()

    def differentiable(self, index: int) -> bool:
        array = self.inputs[index]
        has = array is not None and array.dtype.kind == "f"
        return has and self.op not in WITHOUT_GRADIENT and index not in self.constant

    @property
    def name(self) -> str:
        return f"{self.op}_{self.label}" if self.label else self.op


NOT_IN_GRAPHS = {"scan", "phase_select", "augment_select"}
"""Ops that no node names when it runs: a helper of the namespace, and those that ``Graph.phase`` resolves."""

NOISE = {
    "random_uniform",
    "random_normal",
    "dropout",
    "alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "uniform_noise",
}
"""Ops whose numbers are each framework's own; the contract tests look at their statistics."""

WITHOUT_GRADIENT = {
    "sign", "floor", "ceil", "round", "floor_divide", "mod", "argmax", "argmin", "isnan", "isfinite",
    "logical_not", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal",
    "logical_and", "logical_or", "logical_xor",
    "any", "all", "stop_gradient", "full_like", "constant", "one_hot",
}  # fmt: skip

STOPPED_OUTPUTS = {"batch_norm": {1, 2}}
"""Outputs, by number, through which no gradient flows: the next moving statistics."""

"""For every op of the vocabulary: inputs and attributes to try it on, also those that take an engine's own
form off its usual path (uneven padding, other axes, other activations)."""

from __future__ import annotations

from crosstrain.conformance.cases import (
    activations,
    elementwise,
    losses,
    normalizations,
    recurrences,
    reductions,
    shaping,
    windows,
)
from crosstrain.conformance.cases.case import (
    NOISE,
    NOT_IN_GRAPHS,
    STOPPED_OUTPUTS,
    WITHOUT_GRADIENT,
    OpCase,
)

__all__ = ["NOISE", "NOT_IN_GRAPHS", "OP_CASES", "STOPPED_OUTPUTS", "WITHOUT_GRADIENT", "OpCase"]

_GROUPS = (
    elementwise, activations, reductions, windows, normalizations, recurrences, losses, shaping,
)  # fmt: skip
"""In this order they draw from one stream of numbers."""

OP_CASES = {case.name: case for group in _GROUPS for case in group.cases()}
"""Every case by its name."""

"""What every training rule offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from crosstrain.classic.arrays import Array, namespace

Step = tuple[Array, float]
"""A weight vector and the loss there."""


class Rule(Protocol):
    """A way to minimise an objective."""

    def minimise(self, objective: Any, weights: Array) -> Iterator[Step]:
        """Yields the start, and then each step."""
        ...


def inner(a: Array, b: Array) -> float:
    """The inner product of two vectors."""
    return float(a @ b)


def steepest(gradient: Array) -> float:
    """The largest absolute derivative."""
    xp = namespace(gradient)
    return float(xp.max(xp.abs(gradient)))

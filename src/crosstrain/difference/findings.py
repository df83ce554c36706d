"""What a comparison of two definitions found, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from crosstrain.difference.aligning import Row
from crosstrain.graph.graph import Node
from crosstrain.proof.certificate import Numbers


@dataclass(frozen=True)
class Place:
    """A node (or a weight) of one side: ``line`` is of the source that made it ("" where it is not known),
    ``numbers`` are what it gives there."""

    node: str
    op: str = ""
    layer: str = ""
    line: str = ""
    numbers: Numbers | None = None


@dataclass(frozen=True)
class Finding:
    """One difference. ``cause`` is its name in the table of causes ("" where none explains it), ``effect``
    what it alone changes of the outputs (relative; None where it changes none that can be compared)."""

    stage: str
    cause: str
    what: str
    change: str = ""
    a: Place | None = None
    b: Place | None = None
    error: float = math.inf
    effect: float | None = None

    @property
    def explained(self) -> bool:
        return bool(self.cause)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = _finite(asdict(self))
        return data


@dataclass(frozen=True)
class Difference:
    """Whether two definitions are the same network, and every difference that was found, in order.

    ``a`` and ``b`` are the sources; ``errors`` the relative error of each thing compared (``inference/OUT``,
    ``training/OUT``, ``loss``, ``gradients``, ``steps``); ``compared`` the same in words; ``notes`` say how
    inputs and weights were given to both; ``allowed`` are findings that were asked to be let pass.
    """

    a: str
    b: str
    findings: tuple[Finding, ...]
    errors: Mapping[str, float]
    notes: tuple[str, ...] = ()
    allowed: tuple[Finding, ...] = ()
    rows: tuple[Row, ...] = ()
    weights: Mapping[str, Any] = field(default_factory=dict)
    """The proposal for ``--map``."""
    tolerance: float = 0.0

    @property
    def same(self) -> bool:
        return not self.findings

    @property
    def alike_in_architecture(self) -> bool:
        return all(row.same_op for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "tolerance": self.tolerance,
            "errors": _finite(dict(self.errors)),
            "findings": [each.to_json() for each in self.findings],
            "allowed": [each.to_json() for each in self.allowed],
            "notes": list(self.notes),
            "alignment": [[named(row.a), named(row.b)] for row in self.rows],
            "weights": dict(self.weights),
        }


def named(node: Node | None) -> str | None:
    return None if node is None else f"{node.name} ({node.op})"


def _finite(value: Any) -> Any:
    """JSON has no infinity: it stands as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value

"""The table of causes: a rule yields what B's numbers would be with the mistake, and the numbers decide.

``@rule("conv", …)`` says for which ops of A, ``@rule()`` for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crosstrain.difference.aligning import Row
from crosstrain.difference.values import Partners, Run, as_other
from crosstrain.graph.graph import Node
from crosstrain.proof.locating.causes import Situation

UNFIT = (ValueError, IndexError, TypeError, KeyError, np.linalg.LinAlgError)
"""What a rule raises that does not fit the node's shapes or attributes."""


@dataclass(frozen=True)
class Explanation:
    """A cause by name, with its sentences. ``value`` is what B would then have somewhere in place of the
    node's output."""

    cause: str
    what: str
    change: str
    value: np.ndarray


@dataclass(frozen=True)
class Suspicion:
    """``a`` is A's first node that departs, ``b`` B's; either may be missing. ``rows`` are all nodes side by
    side, ``common`` the values that both have, from A's side and from B's."""

    a: Node | None
    b: Node | None
    runs: tuple[Run, Run]
    rows: tuple[Row, ...]
    common: tuple[Partners, Partners]

    @cached_property
    def counterpart(self) -> Node | None:
        """The node of B that stands where ``a`` does; the first that departs where none does."""
        partner = next((r.b for r in self.rows if self.a and r.a and r.a.name == self.a.name), None)
        return partner or self.b

    @cached_property
    def lost(self) -> dict[str, np.ndarray]:
        """B's values that A lacks, by reference, in order."""
        run, found = self.runs[1], self.common[1].found
        refs = (ref for node in run.graph.nodes for ref in node.references)
        return {r: run.values[r] for r in refs if r in run.fed and r not in found and r in run.values}

    @cached_property
    def situation(self) -> Situation:
        """A's node with its values."""
        assert self.a is not None
        value = self.runs[0].values[self.a.references[0]]
        return Situation(self.a, self.runs[0].arguments(self.a), value, value)

    def given(self, value: np.ndarray) -> str | None:
        """The reference of B's lost value that is this one; None where B has none."""
        if value.dtype.kind != "f" or not value.size:
            return None
        return next((ref for ref, lost in self.lost.items() if as_other(value, lost) is not None), None)


Rule = Callable[[Suspicion], Iterator[Explanation]]
RULES: dict[str, list[Rule]] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Add a rule for these ops of A's node (for all ops, where none is named)."""

    def add(function: Rule) -> Rule:
        for op in ops or ("",):
            RULES.setdefault(op, []).append(function)
        return function

    return add


def explained(s: Suspicion) -> tuple[Explanation, str] | None:
    """The first explanation whose value B has, with B's reference of it."""
    if s.a is None:
        return None
    for each in [*RULES.get("", ()), *RULES.get(s.a.op, ())]:
        for explanation in fitting(each(s)):
            if ref := s.given(explanation.value):
                return explanation, ref
    return None


def fitting(candidates: Iterator[Any]) -> Iterator[Any]:
    """What a rule or an experiment yields; it ends where that does not fit these shapes or attributes."""
    while True:
        try:
            yield next(candidates)
        except (StopIteration, *UNFIT):
            return

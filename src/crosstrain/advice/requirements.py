"""What a row must meet to be recommended: ``fps>=25``, ``memory<=2G``, several with commas between.

``fps`` are examples a second at batch 1, the inverse of the median latency of the network alone: what makes
classes or boxes of its outputs is not in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crosstrain.advice.front import CRITERIA, Candidate
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

_WRITTEN = re.compile(r"\s*(?P<name>[a-z]+)\s*(?P<sign>>=|<=)\s*(?P<limit>\S.*?)\s*")
NEEDS_CRITERIA = ("fps", "latency")
"""Quantities that only ``--criteria`` measures."""


@dataclass(frozen=True)
class Quantity:
    """Something that can be required: its value of a row (None: not measured), how a limit is read, and how a
    value is written."""

    value: Callable[[Candidate], float | None]
    read: Callable[[str], float | None]
    text: Callable[[float], str]


def _fps(candidate: Candidate) -> float | None:
    return 1 / candidate.latency if candidate.latency else None


QUANTITIES: Mapping[str, Quantity] = {
    "fps": Quantity(_fps, float, lambda rate: f"{rate:.3g} frames/s"),
    "latency": Quantity(CRITERIA["latency"].value, float, lambda seconds: f"{1000 * seconds:.3g} ms"),
    "memory": Quantity(
        CRITERIA["memory"].value, spelling.size_in_bytes, lambda size: f"{size / 2**20:,.0f} MiB"
    ),
    "time": Quantity(CRITERIA["time"].value, spelling.seconds, lambda seconds: f"{seconds:.3g} s an epoch"),
    "accuracy": Quantity(lambda c: c.work.accuracy, spelling.share, lambda part: f"{part:.2%}"),
}
"""By name. ``accuracy`` stands for the data's main metric, as it does for ``--prefer``."""


@dataclass(frozen=True)
class Requirement:
    """``name`` must be at least (``>=``) or at most (``<=``) ``limit``; ``text`` as it was written."""

    name: str
    sign: str
    limit: float
    text: str

    def value(self, candidate: Candidate) -> float | None:
        return QUANTITIES[self.name].value(candidate)

    def measured(self, candidate: Candidate) -> float:
        """The value of a row that has one."""
        value = self.value(candidate)
        assert value is not None
        return value

    def met(self, candidate: Candidate) -> bool:
        """What was not measured is not met."""
        value = self.value(candidate)
        if value is None:
            return False
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def found(self, candidate: Candidate) -> str:
        """The value in words."""
        value = self.value(candidate)
        return f"no {self.name} was measured" if value is None else QUANTITIES[self.name].text(value)


def requirements(text: str) -> list[Requirement]:
    """``fps>=25,memory<=2G`` as requirements; "" as none. ``CrosstrainError`` for what cannot be required."""
    result = []
    for part in spelling.items(text):
        match = _WRITTEN.fullmatch(part)
        if match is None:
            raise CrosstrainError(f"{part!r} is no requirement; write fps>=25, latency<=0.02 or memory<=2G")
        name = match["name"]
        if name not in QUANTITIES:
            raise CrosstrainError(f"{name!r} cannot be required; {', '.join(QUANTITIES)} can")
        try:
            limit = QUANTITIES[name].read(match["limit"])
        except ValueError:
            limit = None
        if limit is None or not 0 <= limit < math.inf:
            raise CrosstrainError(f"the limit of {name} is {match['limit']!r}, which is no number from 0")
        result.append(Requirement(name, match["sign"], float(limit), part.strip()))
    return result


def meeting(candidates: Sequence[Candidate], required: Sequence[Requirement]) -> list[Candidate]:
    """The rows that meet all of it."""
    return [c for c in candidates if all(each.met(c) for each in required)]


def why_none(candidates: Sequence[Candidate], required: Sequence[Requirement]) -> str:
    """Why nothing is recommended where no row meets all of it: the row that comes closest to each."""
    parts = []
    for each in required:
        if any(each.met(c) for c in candidates):
            continue
        measured = [c for c in candidates if each.value(c) is not None]
        if not measured:
            parts.append(f"{each.text}: no {each.name} was measured")
            continue
        nearest = sorted(measured, key=each.measured, reverse=each.sign == "<=")[-1]
        parts.append(
            f"{each.text}: {nearest.name(candidates, full=True)} comes closest, {each.found(nearest)}"
        )
    if not parts:
        parts = [f"no row meets all of {', '.join(each.text for each in required)} at once"]
    return f"Nothing can be recommended that meets what is required: {'; '.join(parts)}."


def evidence(chosen: Candidate, candidates: Sequence[Candidate], required: Sequence[Requirement]) -> str:
    """That the chosen row meets what is required, and what was left out for it."""
    if not required:
        return ""
    values = ", ".join(f"{each.text} ({each.found(chosen)})" for each in required)
    out = [c for c in candidates if not all(each.met(c) for each in required)]
    names = " and ".join(c.name(candidates) for c in out[:3]) + (
        f" and {len(out) - 3} more" if out[3:] else ""
    )
    return f"it meets {values}" + (f", which {names} {'do' if len(out) > 1 else 'does'} not" if out else "")

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
from crosstrain.results.units import memory, seconds, share
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
    "latency": Quantity(CRITERIA["latency"].value, float, lambda value: f"{seconds(value)} an answer"),
    "memory": Quantity(CRITERIA["memory"].value, spelling.size_in_bytes, lambda size: memory(int(size))),
    "time": Quantity(CRITERIA["time"].value, spelling.seconds, lambda value: f"{seconds(value)} an epoch"),
    "accuracy": Quantity(lambda c: c.work.accuracy, spelling.share, share),
}
"""By name. ``accuracy`` stands for the data's main metric, as it does for ``--prefer``."""


@dataclass(frozen=True)
class Requirement:
    """``name`` must be at least (``>=``) or at most (``<=``) ``limit``; ``text`` is the three without
    spaces."""

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

    def measurement(self, candidate: Candidate) -> str:
        """The value of a row that has one, with its unit."""
        return QUANTITIES[self.name].text(self.measured(candidate))


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
        result.append(
            Requirement(name, match["sign"], float(limit), f"{name}{match['sign']}{match['limit']}")
        )
    return result


def meeting(candidates: Sequence[Candidate], required: Sequence[Requirement]) -> list[Candidate]:
    """The rows that meet all of it."""
    return [c for c in candidates if all(each.met(c) for each in required)]

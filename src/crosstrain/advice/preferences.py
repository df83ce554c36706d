"""A choice by stated weights.

The score of a row is the sum over the criteria of weight × ln(cost / least cost among the rows that take
part), and the least score wins. Costs are seconds an epoch, seconds of latency, bytes of memory and, for
accuracy, the share of errors (half an error added). So a weight is a rate of exchange: with
``accuracy=2,time=1`` half the errors are worth four times the time. Errors, not points of accuracy, because
a point means little at 60 % and much at 99 %, and errors are a ratio like the others. Where accuracy has no
weight it is a condition: only what is within noise of the best accuracy takes part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crosstrain.advice.front import CRITERIA, Candidate, LogRatio, works_of
from crosstrain.advice.works import as_good_as_the_best
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

MOST = 4.0
"""A weight that would have to grow to more than this many times (a new one: of all weights together) to
change the choice is not reported."""


def weights(text: str) -> dict[str, float]:
    """``latency`` or ``time=2,memory=1`` as weights by criterion; "" as none."""
    by_name: dict[str, float] = {}
    for part in spelling.items(text):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        if name not in CRITERIA:
            raise CrosstrainError(
                f"there is no criterion {name!r}; there are {', '.join(CRITERIA)}, also with weights as "
                "time=2,memory=1"
            )
        if name in by_name:
            raise CrosstrainError(f"{name} has two weights in {text!r}")
        by_name[name] = _weight(name, weight) if equals else 1.0
    if by_name and not any(by_name.values()):
        raise CrosstrainError(f"no weight in {text!r} is more than 0")
    return {name: weight for name, weight in by_name.items() if weight}


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise CrosstrainError(f"the weight of {name} is {text!r}, which is not a number") from None
    if not 0 <= weight < math.inf:
        raise CrosstrainError(f"the weight of {name} is {text}; weights are 0 or more")
    return weight


@dataclass(frozen=True)
class Ranking:
    """The rows that take part, best first, with their scores."""

    weights: Mapping[str, float]
    scored: tuple[tuple[Candidate, float], ...]

    @property
    def best(self) -> Candidate:
        return self.scored[0][0]

    @property
    def among(self) -> list[Candidate]:
        return [candidate for candidate, _ in self.scored]

    def behind(self, other: Candidate) -> LogRatio:
        """How far another's score lies behind the best's; the criteria's noise adds up in quadrature."""
        value = down = up = 0.0
        for name, weight in self.weights.items():
            ratio = CRITERIA[name].compare(other, self.best)
            if ratio is not None:
                value += weight * ratio.value
                down = math.hypot(down, weight * (ratio.value - ratio.low))
                up = math.hypot(up, weight * (ratio.high - ratio.value))
        return LogRatio(value, value - down, value + up)

    def turning_points(self) -> list[tuple[str, float, Candidate]]:
        """For each criterion the weight from which on another row wins, where there is one near enough,
        and which row: (criterion, weight, row)."""
        points = []
        scores = {id(candidate): score for candidate, score in self.scored}
        for name, criterion in CRITERIA.items():
            cost = criterion.value(self.best)
            if cost is None:
                continue
            crossings = []
            for other in self.among[1:]:
                theirs = criterion.value(other)
                ratio = criterion.compare(other, self.best)
                # Only what is better beyond the noise can win by more weight on it.
                if theirs is not None and ratio is not None and ratio.high < 0:
                    gap = scores[id(other)] - scores[id(self.best)]
                    crossings.append((gap / math.log(cost / theirs), other))
            if crossings:
                more, other = min(crossings, key=lambda pair: pair[0])
                weight = self.weights.get(name, 0.0)
                if weight + more <= MOST * (weight or sum(self.weights.values())):
                    points.append((name, weight + more, other))
        return points


def rank(candidates: Sequence[Candidate], weights: Mapping[str, float]) -> Ranking | None:
    """Rank the rows that were measured in all that has a weight; None where there is none."""
    taking_part = [c for c in candidates if all(CRITERIA[name].value(c) is not None for name in weights)]
    if "accuracy" not in weights:
        good = as_good_as_the_best(works_of(taking_part))
        taking_part = [c for c in taking_part if any(c.work is work for work in good)]
    if not taking_part:
        return None
    least = {name: min(_cost(name, c) for c in taking_part) for name in weights}
    scored = [
        (c, sum(weight * math.log(_cost(name, c) / least[name]) for name, weight in weights.items()))
        for c in taking_part
    ]
    # What scores the same (engines at the same work, where only accuracy counts) goes by time.
    scored.sort(key=lambda pair: (pair[1], pair[0].seconds))
    return Ranking(weights, tuple(scored))


def _cost(name: str, candidate: Candidate) -> float:
    cost = CRITERIA[name].value(candidate)
    assert cost is not None
    return cost

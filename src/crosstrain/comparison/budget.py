"""How many epochs and rounds fit into a given time, from one epoch measured of every group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosstrain.comparison.plan import Group, Round
from crosstrain.results.rows import counted
from crosstrain.results.schema import CellResult
from crosstrain.statistics.ratios import FEWEST

SAFETY = 1.1
"""Estimates are taken this much larger: later epochs are sometimes slower than the first."""

ENOUGH_EPOCHS = 5
"""Rather a second and third process than more epochs than this: they show how processes differ."""


@dataclass(frozen=True)
class Estimate:
    """What a cell of a group costs: ``fixed`` seconds, and ``epoch`` seconds for every epoch."""

    fixed: float
    epoch: float

    @classmethod
    def of(cls, probe: CellResult) -> Estimate | None:
        """From a cell of one epoch or more; None where it did not get so far."""
        if probe.status != "done" or not probe.epochs:
            return None
        trained = sum(probe.epoch_seconds)
        # Validation after each epoch is part of evaluating; all of it is counted per epoch, the final
        # test with it, which errs on the safe side.
        repeated = trained + probe.evaluate_seconds
        return cls(max(probe.wall_seconds - repeated, 0.0), repeated / len(probe.epochs))

    def seconds(self, epochs: int) -> float:
        return SAFETY * (self.fixed + epochs * self.epoch)


@dataclass(frozen=True)
class Choice:
    """How many epochs and rounds there are to be; ``settled`` once nothing will be added."""

    epochs: int
    rounds: int
    settled: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def left_out(self, epochs: int, rounds: int) -> str:
        """What of so many wished-for epochs and rounds is left out, in words; "" for nothing."""
        parts = []
        if self.epochs < epochs:
            parts.append(f"{epochs - self.epochs} of {counted(epochs, 'epoch')}")
        if self.rounds < rounds:
            parts.append(f"{rounds - self.rounds} of {counted(rounds, 'round')} (seeds × repeats)")
        return " and ".join(parts)


def choose(
    estimates: Mapping[Group, Estimate], remaining: float, *, epochs: int, passes: Sequence[Round]
) -> Choice:
    """The most of ``epochs`` and ``passes`` that ``remaining`` seconds hold, at least one of each.

    First up to three rounds as long as five epochs fit in each (or as many as were asked for), then
    epochs, then further rounds.
    """

    def fits(count: int, number: int) -> bool:
        return number * sum(e.seconds(count) for e in estimates.values()) <= remaining

    wanted = len(passes)
    number = 1
    while number < min(wanted, FEWEST) and fits(min(epochs, ENOUGH_EPOCHS), number + 1):
        number += 1
    chosen = _largest(epochs, lambda count: fits(count, number))
    if chosen == epochs:
        number = max(number, _largest(wanted, lambda n: fits(epochs, n)))
    return Choice(chosen, number)


def _largest(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``limit`` for which ``holds``; 1 where none does."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low

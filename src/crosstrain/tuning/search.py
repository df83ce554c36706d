"""The search: every setting alone first, then what helped together, by successive halving.

Successive halving (Jamieson and Talwalkar 2016) measures many candidates briefly, keeps the better half and
measures it twice as long. Here each round also joins what is left: the best with each of the others, and all
that helped at once, since settings mostly add up but not always. The default is measured in every round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval
from crosstrain.tuning.space import COSTLY, Choice, Space

DEFAULT: Choice = ()

HELPS = 0.99
"""A setting is looked at further where it takes at most so much of the default's time."""

CLEARLY = 1.02
"""The winner is kept where the interval of its factor lies above this: less is no reason to change."""

MOST = 8
"""Candidates of a round after the first."""

MOST_ROUNDS = 6

CONFIRMING = 3
"""Processes of each side in the confirming run, at least."""

MOST_CONFIRMING = 6
"""More are not started, however much time there is."""

Measure = Callable[[Choice, int], list[float] | None]
"""Measure a candidate in a fresh process, 2ⁿ times as long in round n: seconds an epoch, several samples;
None where it failed."""

HasTime = Callable[[], bool]
"""Whether there is time for one more candidate."""


@dataclass
class Search:
    """What was measured: the candidates' seconds by round."""

    space: Space
    measure: Measure
    has_time: HasTime
    rounds: list[dict[Choice, float | None]] = field(default_factory=list)

    def best(self) -> Choice:
        """The candidate to confirm; the default where nothing helped. Call it once."""
        pool = self.space.singles()
        while pool and len(self.rounds) < MOST_ROUNDS and (self.has_time() or not self.rounds):
            if not self._round(pool):
                break
            pool = self._next(pool)
        return self._winner()

    def _round(self, pool: Iterable[Choice]) -> bool:
        """Measure the default and a pool; False where the default itself cannot be measured."""
        number = len(self.rounds)
        first = self._seconds(DEFAULT, number)
        seconds: dict[Choice, float | None] = {DEFAULT: first}
        self.rounds.append(seconds)
        failed: set[str] = set()
        if first is None:
            return False
        for choice in pool:
            if not self.has_time():
                return True
            hopeless = any(name in COSTLY and name in failed for name, _ in choice)
            seconds[choice] = None if hopeless else self._seconds(choice, number)
            if seconds[choice] is None and len(choice) == 1:
                # What one value cannot compile, or not in time, the others of its setting cannot either.
                failed.add(choice[0][0])
        # Once more at the end: all are compared with it, and the machine may have changed in between.
        last = self._seconds(DEFAULT, number)
        seconds[DEFAULT] = first if last is None else (first + last) / 2
        return True

    def _seconds(self, choice: Choice, number: int) -> float | None:
        samples = self.measure(choice, number)
        interval = statistics.median([samples]) if samples else None
        return interval.value if interval else None

    def _next(self, pool: list[Choice]) -> list[Choice]:
        """The better half of what helped, and what becomes of it together; empty where that is known."""
        helped = self._helped(self.rounds[-1])
        if not helped:
            return []
        survivors = helped[: max(1, -(-len(helped) // 2))]
        best, unions = survivors[0], [self._union(helped)]
        # In a later round many of the pool are unions already: pairs with the singles of the first tell more.
        partners = [*survivors[1:], *self._helped(self.rounds[0])]
        unions += [self._union([best, other]) for other in partners]
        fresh = [u for u in dict.fromkeys(unions) if not any(u in r for r in self.rounds) and u != best]
        if not fresh and len(survivors) == 1:
            return [] if len(self.rounds) > 1 else survivors
        return list(dict.fromkeys([best, *fresh, *survivors]))[:MOST]

    def _helped(self, seconds: dict[Choice, float | None]) -> list[Choice]:
        """Those that are faster than the default of their round, the fastest first."""
        default = seconds[DEFAULT]
        if default is None:
            return []
        fast = {c: s for c, s in seconds.items() if s is not None and c != DEFAULT and s <= default * HELPS}
        return sorted(fast, key=lambda choice: fast[choice])

    def _union(self, choices: Iterable[Choice]) -> Choice:
        """All changes of the choices; of two for one setting the first."""
        changes: dict[str, object] = {}
        for choice in choices:
            for name, value in choice:
                changes.setdefault(name, value)
        return self.space.ordered(changes)

    def _winner(self) -> Choice:
        """The fastest, against its round's default, of the last round in which anything helped; what did not
        help when it was measured again does not count."""
        disproved: set[Choice] = set()
        for round_ in reversed(self.rounds):
            helped = [choice for choice in self._helped(round_) if choice not in disproved]
            if helped:
                return helped[0]
            disproved.update(round_)
        return DEFAULT


@dataclass(frozen=True)
class Confirmed:
    """Default against winner, processes taking turns; each side's samples by process."""

    default: list[list[float]]
    tuned: list[list[float]]

    @property
    def factor(self) -> Interval | None:
        """Default over winner, in pairs: what ran one after the other shared the machine's mood, so that load
        and drift cancel. None with fewer than ``CONFIRMING`` pairs."""
        if not self.enough:
            return None
        pairs = zip(self.default, self.tuned, strict=True)
        return statistics.median([[median(default) / median(tuned)] for default, tuned in pairs])

    @property
    def enough(self) -> bool:
        return min(len(self.default), len(self.tuned)) >= CONFIRMING

    @property
    def keeps(self) -> bool:
        """Whether the winner is clearly faster."""
        return self.factor is not None and self.factor.low > CLEARLY


def confirm(winner: Choice, measure: Measure, processes: int, number: int) -> Confirmed:
    """Measure default and winner in turn, who comes first changing, in so many processes each.

    The number is settled before: to go on until the difference shows would find differences that are none.
    A process that fails ends it, and nothing is confirmed.
    """
    confirmed = Confirmed([], [])
    sides = [(DEFAULT, confirmed.default), (winner, confirmed.tuned)]
    for turn in range(processes):
        for choice, runs in sides if turn % 2 == 0 else sides[::-1]:
            samples = measure(choice, number)
            if not samples:
                return Confirmed(confirmed.default, [])  # nothing to pair
            runs.append(samples)
    return confirmed

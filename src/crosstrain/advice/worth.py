"""What a larger input, or a deeper network of the same family, costs in time and brings in accuracy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.advice.works import Difference, Work
from crosstrain.results.rows import Row
from crosstrain.results.schema import Size
from crosstrain.results.units import pixels, times
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval

NEGLIGIBLE = 0.01
"""The smaller is called enough only where the accuracy that the larger may bring, at the upper limit, is at
most this: else the data shows no difference, but does not show either that there is none."""

_NUMBERED = re.compile(r"^(.*?)(\d+)(\D*)$")


@dataclass(frozen=True)
class Worth:
    """One step up: ``by`` is ``input size`` or ``depth``; ``cost`` is a ratio of times, larger over smaller,
    on ``engine``; ``gain`` the accuracy of the larger less the smaller's."""

    by: str
    smaller: Work
    larger: Work
    engine: str
    cost: Interval
    gain: Difference

    @property
    def gains(self) -> bool:
        return self.gain.low > 0

    @property
    def enough(self) -> bool:
        """Whether the larger brings no more than what is negligible, at the upper limit."""
        return not self.early and not self.gains and self.gain.high <= NEGLIGIBLE

    @property
    def verdict(self) -> str:
        """``gain``, ``too early``, ``enough`` (the smaller is) or ``none shown``."""
        return (
            "gain" if self.gains else "too early" if self.early else "enough" if self.enough else "none shown"
        )

    @property
    def early(self) -> bool:
        """Whether trainings ended before accuracies could tell."""
        return not self.gains and (self.smaller.unfinished or self.larger.unfinished)

    @property
    def text(self) -> str:
        """As ``32 pixels are enough: 64 pixels cost 3.90 [3.80–4.10] times the time for +0.1 ± 0.4
        points``."""
        by_size = self.by == "input size"
        small = pixels(self.smaller.size) if by_size else self.smaller.network
        large = pixels(self.larger.size) if by_size else self.larger.network
        where = "" if by_size or self.larger.size is None else f" at {pixels(self.larger.size)}"
        price = f"{times(self.cost)} the time"
        if self.gains:
            verb = "bring" if by_size else "brings"
            return f"{large}{where} {verb} {self.gain.points} over {small}, for {price}"
        bargain = f"{price} for {self.gain.points}"
        if self.early:
            return f"too early to tell {large} from {small}{where}: {bargain}"
        if self.enough:
            return (
                f"{small} {'are' if by_size else 'is'} enough{where}: "
                f"{large} {'cost' if by_size else 'costs'} {bargain}"
            )
        return f"no gain of {large} over {small}{where} that this data can show: {bargain}"

    def to_json(self) -> dict[str, Any]:
        return {
            "by": self.by, "network": self.larger.network, "input_size": self.larger.size,
            "over": {"network": self.smaller.network, "input_size": self.smaller.size},
            "engine": self.engine, "cost": self.cost.to_json(),
            "gain": {"value": self.gain.value, "low": self.gain.low, "high": self.gain.high},
            "verdict": self.verdict, "text": self.text,
        }  # fmt: skip


def steps(works: Sequence[Work], engine: str) -> list[Worth]:
    """Every step up among these works, sizes first. Of several larger ones each is set against the last
    that gained beyond the noise: what 64 pixels bring is asked of 48 only where 48 are better than 32.
    Times are compared on ``engine`` where it did both, else on the fastest that did."""
    ladders = [("input size", ladder) for ladder in _by_network(works)]
    ladders += [("depth", ladder) for ladder in _by_family(works)]
    worthwhile = []
    for by, ladder in ladders:
        base = ladder[0]
        for larger in ladder[1:]:
            step = _step(by, base, larger, engine)
            if step is not None:
                worthwhile.append(step)
                base = larger if step.gains else base
    return worthwhile


def _step(by: str, smaller: Work, larger: Work, engine: str) -> Worth | None:
    rows = {row.engine: row for row in smaller.rows}
    shared = [(rows[row.engine], row) for row in larger.rows if row.engine in rows]
    gain = larger.less(smaller)
    if not shared or gain is None:
        return None
    own = [pair for pair in shared if pair[0].engine == engine]
    below, above = own[0] if own else min(shared, key=lambda pair: _median(pair[1]))
    cost = statistics.ratio(above.runs, below.runs)
    return None if cost is None else Worth(by, smaller, larger, above.engine, cost, gain)


def _median(row: Row) -> float:
    return row.seconds.value if row.seconds else float("inf")


def _pixels(size: Size) -> float:
    return float(np.prod(size)) if isinstance(size, list) else float(size or 0) ** 2


def _by_network(works: Sequence[Work]) -> list[list[Work]]:
    """The works of each network that came at several sizes, smallest first."""
    groups: dict[str, list[Work]] = {}
    for work in works:
        if work.size is not None:
            groups.setdefault(work.network, []).append(work)
    return [sorted(group, key=lambda w: _pixels(w.size)) for group in groups.values() if len(group) > 1]


def _by_family(works: Sequence[Work]) -> list[list[Work]]:
    """Networks whose names differ in their last number alone (resnet20, resnet32), size by size."""
    groups: dict[tuple[str, str, str], list[tuple[int, Work]]] = {}
    for work in works:
        if named := _NUMBERED.match(work.network):
            key = (named[1], named[3], str(work.size))
            groups.setdefault(key, []).append((int(named[2]), work))
    return [
        [work for _, work in sorted(group, key=lambda pair: pair[0])]
        for group in groups.values()
        if len(group) > 1
    ]

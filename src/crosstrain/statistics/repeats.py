"""How many repeats a question takes, predicted from the spread of the existing ones.

Epochs within a process and processes themselves vary; the median of ``k`` epochs of a process has the
variance ``between² + c within² / k`` (c = 1, or π/2 from three epochs on). More epochs lessen the second part
alone, so what is planned is processes (Kalibera and Jones 2013).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.statistics import location
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.location import CONFIDENCE, FEWEST_RANKED, Numbers
from crosstrain.statistics.ratios import FEWEST, Runs, levels

POWER = 0.9
"""How surely a difference of the planned size is to be found."""

ASSURANCE = 0.8
"""How surely a plan for a difference is to have that power: the pilot's standard deviation is an estimate,
so its upper limit at this level is planned with (Browne 1995)."""

STEADY = 12
"""Fewer are never planned for a difference. Now and then a process takes 10–30 % longer; with twelve, signed
ranks leave out all that one such process says, with fewer it may hide the difference (one process in 33 being
so, 5 % were found in half of all cases with 5 processes, in 94 % with 12). A pilot seldom shows it."""

MOST = 1000
"""The largest number of processes to predict."""


@dataclass(frozen=True)
class Components:
    """Standard deviations, relative: of processes among each other, and of epochs within a process."""

    between: float
    within: float


def components(runs: Runs) -> Components | None:
    """Both parts of the spread, by analysis of variance of logarithms; None where there are fewer than
    ``FEWEST`` processes, or none with two epochs."""
    logs = [np.log(run) for run in runs if len(run)]
    freedom = sum(len(run) - 1 for run in logs)
    if len(logs) < FEWEST or freedom < 1:
        return None
    within = sum(float(np.sum((run - run.mean()) ** 2)) for run in logs) / freedom
    between = max(float(np.var(levels(runs), ddof=1)) - statistics.noise(runs), 0.0)
    return Components(math.sqrt(between), math.sqrt(within))


def needed(runs: Runs, share: float) -> int | None:
    """The number of processes with which the interval of the median is ± ``share`` of it, if their spread
    stays the same; None where fewer than ``FEWEST`` show it.

    The smallest n with ``factor(n) s ≤ share``, s being the processes' standard deviation and ``factor``
    Student's t over √n or the like of the signed ranks (``location.factor``).
    """
    if not statistics.enough(runs):
        return None
    deviation = _deviation(runs)
    return _first(lambda count: location.factor(count) * deviation <= share)


def needed_for_difference(
    first: Runs, second: Runs, difference: float = 0.05, *, power: float = POWER, assurance: float = ASSURANCE
) -> int | None:
    """How many processes each side needs for a real difference of this share to be found with probability
    ``power``; None where fewer than ``FEWEST`` on a side show how processes differ.

    The smallest n with ``(q + t(power)) s ≤ log(1 + difference) √n``: q is the test's own quantile, s the
    upper limit of the standard deviation of the difference of two processes.
    """
    if not statistics.enough(first, second):
        return None
    deviation, freedom = _of_difference(first, second)
    deviation *= math.sqrt(freedom / location.chi_square_quantile(1 - assurance, freedom))
    count = _first(lambda count: _detectable_effect(count, power) * deviation <= math.log1p(difference))
    return max(count, STEADY)


def detectable(
    first: Runs, second: Runs, processes: int | None = None, *, power: float = POWER
) -> float | None:
    """The smallest ratio (above 1) that ``processes`` repeats of each (default: as many as there are) tell
    from 1 with probability ``power``; None as above."""
    if not statistics.enough(first, second):
        return None
    count = processes or min(len(levels(first)), len(levels(second)))
    deviation, _ = _of_difference(first, second)
    return math.exp(_detectable_effect(max(count, FEWEST), power) * deviation)


def _detectable_effect(count: int, power: float) -> float:
    """How many standard deviations apart two centres must be, with so many pairs, to be told apart."""
    if count < FEWEST_RANKED:
        freedom = 2 * (count - 1)
        quantile, effective = location.student_quantile((1 + CONFIDENCE) / 2, freedom), float(count)
    else:
        freedom = count - 1
        quantile, effective = location.critical(count), location.EFFICIENCY * count
    return (quantile + location.student_quantile(power, freedom)) / math.sqrt(effective)


def _of_difference(first: Runs, second: Runs) -> tuple[float, float]:
    """Standard deviation of the difference of a process of one and a process of the other, and its degrees
    of freedom; of pairs where the test takes them as pairs."""
    one, other = levels(first), levels(second)
    if len(one) == len(other) >= FEWEST_RANKED:
        return _spread(one - other), len(one) - 1
    variances: Sequence[float] = [_deviation(first) ** 2, _deviation(second) ** 2]
    total = sum(variances)
    if total == 0:
        return 0.0, len(one) + len(other) - 2
    freedom = total**2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, (one, other), strict=True))
    return math.sqrt(total), freedom


def _deviation(runs: Runs) -> float:
    """Of the logarithms of processes, as the interval of their median takes it."""
    values = levels(runs)
    return max(_spread(values), math.sqrt(statistics.noise(runs)) if len(values) < FEWEST_RANKED else 0.0)


def _spread(values: Numbers) -> float:
    """The standard deviation; where ranks make the interval, the one that fits its width: a process that
    went wild counts as little in a plan as it does there."""
    if len(values) < FEWEST_RANKED:
        return float(np.std(values, ddof=1))
    interval = location.centre(values)
    return (interval.high - interval.low) / 2 / location.factor(len(values))


def _first(holds: Callable[[int], bool]) -> int:
    """The fewest processes for which it holds; ``MOST`` where none does. It need not hold for more: from
    five to six processes the method changes."""
    return next((count for count in range(FEWEST, MOST) if holds(count)), MOST)

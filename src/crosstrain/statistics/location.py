"""Where a handful of numbers lie: 95 % intervals and tests of their centre that hold from three numbers on.

With three to five numbers Student's t, from ``FEWEST_RANKED`` on Wilcoxon's signed ranks: its interval is
exact for any symmetric distribution, and from twelve on one wild number hardly widens it (Wilcoxon 1945;
Hodges and Lehmann 1963). A percentile bootstrap of so few is far too narrow: of three it covers the truth
in three of four cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
FEWEST_RANKED = 6
"""With five numbers the most extreme of all ranks still has a probability of 2/32: no 95 % interval."""

EXACT = 60
"""Up to so many numbers the signed ranks' distribution is counted out; beyond, the normal one is used."""

EFFICIENCY = 3 / math.pi
"""Of signed ranks against Student's t where numbers are normal, in the limit."""

Numbers = npt.NDArray[np.float64]
Method = Literal["student", "signed-rank"]


@dataclass(frozen=True)
class Located:
    """A centre between limits; ``p`` is the two-sided probability of so much distance from 0 by chance."""

    low: float
    high: float
    p: float
    method: Method


def student_quantile(share: float, freedom: float) -> float:
    """Student's t with ``freedom`` degrees (a positive number, not only a whole one)."""
    from scipy.special import stdtrit  # a fifth of a second to import: only where it is needed

    return float(stdtrit(freedom, share))


def student_tail(t: float, freedom: float) -> float:
    """The two-sided probability of a t so far from 0."""
    from scipy.special import stdtr

    return 1.0 if math.isnan(t) else float(2 * stdtr(freedom, -abs(t)))


def normal_quantile(share: float) -> float:
    return NormalDist().inv_cdf(share)


def chi_square_quantile(share: float, freedom: float) -> float:
    from scipy.special import chdtri

    return float(chdtri(freedom, 1 - share))


def student(values: Numbers, least: float = 0.0) -> Located:
    """Student's t of one sample, shape (n,), n ≥ 2. ``least`` is what is known to be the least variance of
    one number: so few numbers may lie close together by chance."""
    mean, freedom = float(np.mean(values)), len(values) - 1
    error = math.sqrt(_variance(values, least) / len(values))
    half = student_quantile((1 + CONFIDENCE) / 2, freedom) * error
    p = student_tail(mean / error, freedom) if error else float(mean == 0)
    return Located(mean - half, mean + half, p, "student")


def centre(values: Numbers, least: float = 0.0) -> Located:
    """Of one sample, shape (n,), n ≥ 2; ``least`` as for ``student``."""
    return _ranked(values) if len(values) >= FEWEST_RANKED else student(values, least)


def difference(first: Numbers, second: Numbers, least: tuple[float, float] = (0.0, 0.0)) -> Located:
    """Of the centres of two samples, first less second, each of two numbers or more.

    Samples of one length from ``FEWEST_RANKED`` on are taken as pairs, first with first: what was measured
    side by side shares the machine's state, which so cancels. Where they were not, pairing does no harm.
    Otherwise Welch's t (1947), which takes the two spreads as they are, but for their ``least`` variances.
    """
    if len(first) == len(second) >= FEWEST_RANKED:
        return _ranked(first - second)
    parts = [_variance(v, known) / len(v) for v, known in zip((first, second), least, strict=True)]
    error, apart = math.sqrt(sum(parts)), float(np.mean(first) - np.mean(second))
    if error == 0:
        return Located(apart, apart, 1.0 if apart == 0 else 0.0, "student")
    freedom = sum(parts) ** 2 / sum(p * p / (len(v) - 1) for p, v in zip(parts, (first, second), strict=True))
    half = student_quantile((1 + CONFIDENCE) / 2, freedom) * error
    return Located(apart - half, apart + half, student_tail(apart / error, freedom), "student")


def factor(count: int) -> float:
    """By how many standard deviations of one number the limits of ``centre`` lie off it, on average, with
    ``count`` numbers that are normal. The signed ranks' interval is taken as Student's at the level that
    they reach, with 3/π of the numbers (their efficiency, Hodges and Lehmann 1956)."""
    if count < FEWEST_RANKED:
        return student_quantile((1 + CONFIDENCE) / 2, count - 1) / math.sqrt(count)
    return critical(count) / math.sqrt(EFFICIENCY * count)


def critical(count: int) -> float:
    """Student's quantile at the level that signed ranks of so many numbers reach."""
    outside = float(_probabilities(count)[_cut(count)]) if count <= EXACT else (1 - CONFIDENCE) / 2
    return student_quantile(1 - outside, count - 1)


def _variance(values: Numbers, least: float) -> float:
    return max(float(np.var(values, ddof=1)), least)


def _ranked(values: Numbers) -> Located:
    """From Walsh's averages, those of all pairs (each number with itself too), in order: leaving out as many
    on both sides as the signed ranks allow gives the interval."""
    count = len(values)
    one, other = np.triu_indices(count)
    averages = np.sort((values[one] + values[other]) / 2)
    cut = _cut(count)
    above = float(np.sum(averages > 0) + 0.5 * np.sum(averages == 0))
    return Located(
        float(averages[cut]), float(averages[len(averages) - 1 - cut]), _tail(count, above), "signed-rank"
    )


@lru_cache
def _probabilities(count: int) -> Numbers:
    """P(W ≤ w), shape (count (count + 1) / 2 + 1,), of the sum W of positive ranks of so many numbers."""
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
        ways /= 2.0
    return np.cumsum(ways)


def _moments(count: int) -> tuple[float, float]:
    """Mean and standard deviation of W."""
    return count * (count + 1) / 4, math.sqrt(count * (count + 1) * (2 * count + 1) / 24)


@lru_cache
def _cut(count: int) -> int:
    """How many averages are left out on each side: the most w with P(W ≤ w) within the level."""
    outside = (1 - CONFIDENCE) / 2
    if count <= EXACT:
        return int(np.searchsorted(_probabilities(count), outside, side="right")) - 1
    mean, deviation = _moments(count)
    return max(math.floor(mean + NormalDist().inv_cdf(outside) * deviation - 0.5), 0)


def _tail(count: int, positive: float) -> float:
    mean, deviation = _moments(count)
    least = min(positive, 2 * mean - positive)
    if count <= EXACT:
        # Half a rank comes of a tie with 0; it counts as the larger, which is the more careful.
        return min(1.0, 2 * float(_probabilities(count)[math.ceil(least)]))
    return min(1.0, 2 * NormalDist().cdf((least + 0.5 - mean) / deviation))

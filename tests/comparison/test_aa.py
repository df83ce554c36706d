"""Equal engines are told apart in at most 5 % of all comparisons, real differences are found with the repeats
that the plan foretells. Noise is simulated as measured: processes differ by 0–3 %, epochs by 1–2 %, some of
both take 10–30 % longer, and the machine drifts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from crosstrain.statistics import location
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics import repeats as planning
from crosstrain.statistics.ratios import Runs

SIMULATIONS = 400
TOLERANCE = 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / SIMULATIONS)
"""What a test that holds its level of 5 % exceeds in 1 % of all cases: 7.5 % of 400."""


@dataclass(frozen=True)
class Noise:
    """Relative: of processes, of epochs; the share of both that is struck by something; over all rounds."""

    between: float
    within: float
    struck: float = 0.0
    drift: float = 0.0

    def pair(self, rng: np.random.Generator, processes: int, slower: float = 1.0) -> tuple[Runs, Runs]:
        """Two engines that took turns, three epochs each time; the first is ``slower`` times as slow."""
        return self._runs(rng, processes, slower), self._runs(rng, processes, 1.0)

    def _runs(self, rng: np.random.Generator, processes: int, factor: float) -> Runs:
        logarithm = math.log(factor) + rng.normal(0, self.between, (processes, 1))
        logarithm = logarithm + rng.normal(0, self.within, (processes, 3))
        for size in ((processes, 1), (processes, 3)):
            logarithm += (rng.random(size) < self.struck) * rng.uniform(0.1, 0.3, size)
        logarithm += np.linspace(0, self.drift, processes)[:, None]
        runs: Runs = np.exp(logarithm).tolist()
        return runs


QUIET, USUAL, LOUD = Noise(0.0, 0.01), Noise(0.01, 0.015, 0.03), Noise(0.03, 0.02)
DRIFTING = Noise(0.015, 0.015, 0.05, 0.06)
KINDS = {"quiet": QUIET, "usual": USUAL, "loud": LOUD, "drifting": DRIFTING}


@pytest.mark.parametrize("processes", [3, 5, 6, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_ties_with_itself(kind: str, processes: int) -> None:
    rng = np.random.default_rng(1)
    pairs = [KINDS[kind].pair(rng, processes) for _ in range(SIMULATIONS)]
    apart = sum(not statistics.tied(one, other) for one, other in pairs)
    assert apart / SIMULATIONS <= TOLERANCE


def test_the_test_is_not_silent() -> None:
    """It makes use of its level where noise is tame: a test that never speaks would pass all others."""
    rng = np.random.default_rng(2)
    pairs = [LOUD.pair(rng, 20) for _ in range(SIMULATIONS)]
    assert sum(not statistics.tied(one, other) for one, other in pairs) / SIMULATIONS >= 0.02


@pytest.mark.parametrize("pilot", [3, 6])
@pytest.mark.parametrize("kind", ["quiet", "usual", "loud"])
def test_five_percent_are_found_with_the_repeats_foretold(kind: str, pilot: int) -> None:
    rng, detected, trials = np.random.default_rng(3), 0, 60
    for _ in range(trials):
        wanted = planning.needed_for_difference(*KINDS[kind].pair(rng, pilot, 1.05))
        assert wanted is not None
        detected += not statistics.tied(*KINDS[kind].pair(rng, wanted, 1.05))
    assert detected / trials >= 0.8


def test_more_is_foretold_for_finer_questions_and_louder_machines() -> None:
    rng = np.random.default_rng(4)
    quiet, loud = QUIET.pair(rng, 8), LOUD.pair(rng, 8)
    fine = planning.needed_for_difference(*loud, 0.01)
    coarse = planning.needed_for_difference(*loud, 0.10)
    easy = planning.needed_for_difference(*quiet, 0.01)
    assert fine
    assert coarse
    assert easy
    assert fine > 4 * coarse
    assert fine > easy
    for one, other in ((0.02, 0.04), (0.01, 0.02)):
        assert (planning.needed(loud[0], one) or 0) > (planning.needed(loud[0], other) or 0)
    assert planning.needed(loud[0][:2], 0.02) is None
    assert planning.detectable(loud[0][:2], loud[1]) is None


def test_what_is_detectable_is_detected() -> None:
    """The smallest ratio that eight repeats are said to tell is told by eight others, nine times of ten."""
    rng, detected, trials = np.random.default_rng(5), 0, 150
    for _ in range(trials):
        ratio = planning.detectable(*LOUD.pair(rng, 8))
        assert ratio is not None
        detected += not statistics.tied(*LOUD.pair(rng, 8, ratio))
    assert 0.75 <= detected / trials <= 0.97


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_the_width_foretold_is_reached(share: float) -> None:
    rng, reached = np.random.default_rng(6), []
    for _ in range(60):
        wanted = planning.needed(LOUD.pair(rng, 10)[0], share)
        assert wanted is not None
        interval = statistics.median(LOUD.pair(rng, wanted)[0])
        assert interval is not None
        reached.append(interval.half_width)
    assert 0.7 * share <= np.median(reached) <= 1.15 * share


def test_the_parts_of_the_spread_are_found_again() -> None:
    rng = np.random.default_rng(7)
    parts = [planning.components(Noise(0.03, 0.01).pair(rng, 20)[0]) for _ in range(50)]
    assert np.mean([p.between for p in parts if p]) == pytest.approx(0.03, rel=0.1)
    assert np.mean([p.within for p in parts if p]) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("count", [6, 9, 20, 75])
def test_signed_ranks_are_wilcoxons(count: int) -> None:
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(count)
    for shift in (0.0, 0.3, 1.0):
        values = rng.normal(shift, 1, count)
        method = "exact" if count <= location.EXACT else "asymptotic"
        expected = wilcoxon(values, correction=True, method=method).pvalue
        assert location.centre(values).p == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [3, 5, 12])
def test_interval_and_probability_agree(count: int) -> None:
    rng = np.random.default_rng(9)
    for _ in range(200):
        one, other = rng.normal(0.8, 1, count), rng.normal(0, 1, count)
        for interval in (location.centre(one), location.difference(one, other)):
            assert (interval.p < 0.05) == (not interval.low <= 0 <= interval.high)


def test_to_stop_once_it_is_narrow_costs_little_coverage() -> None:
    """Repeats until the interval is narrow: from six on it misses the truth in less than a tenth."""
    rng, covered, trials = np.random.default_rng(10), 0, 300
    for _ in range(trials):
        runs, count = LOUD.pair(rng, 30)[0], 6
        while (interval := statistics.median(runs[:count])) and interval.half_width > 0.02 and count < 30:
            count += 1
        assert interval
        covered += interval.includes(1.0)
    assert covered / trials >= 0.9


def test_seeds_spread_wider_than_they_are_few() -> None:
    assert statistics.over_seeds([0.9]) is None
    two = statistics.over_seeds([0.90, 0.92])
    many = statistics.over_seeds([0.90, 0.92] * 5)
    assert two
    assert many
    assert (two.value, two.low, two.samples) == (
        pytest.approx(0.91),
        pytest.approx(0.91 - 12.706 * 0.01, abs=1e-4),
        2,
    )
    assert two.high == 1.0
    assert many.high - many.low < 0.02

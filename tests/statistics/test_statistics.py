"""The statistics keep what they promise: right coverage, few false differences, no missed real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.statistics import ratios as statistics

positive = st.floats(1e-3, 1e4, allow_nan=False)
runs = st.lists(st.lists(positive, min_size=1, max_size=6), min_size=1, max_size=4)


def simulated(
    rng: np.random.Generator, processes: int, epochs: int, between: float, mean: float = 3.0
) -> list:
    """Log-normal epoch times: processes differ by ``between``, epochs within them by 3 %."""
    return [
        list(mean * np.exp(rng.normal(0, between) + rng.normal(0, 0.03, epochs))) for _ in range(processes)
    ]


def false_differences(processes: int, epochs: int, between: float, trials: int = 120) -> float:
    rng = np.random.default_rng(7)
    pairs = [[simulated(rng, processes, epochs, between) for _ in range(2)] for _ in range(trials)]
    return float(np.mean([not statistics.tied(a, b) for a, b in pairs]))


@pytest.mark.parametrize(("processes", "epochs", "between"), [(1, 3, 0.03), (1, 10, 0.03), (2, 5, 0.03)])
def test_equal_engines_are_seldom_told_apart(processes: int, epochs: int, between: float) -> None:
    """An A/A comparison: with one process each it is the allowance for noise unseen that keeps it honest
    (with three or more: ``test_aa``)."""
    assert false_differences(processes, epochs, between) <= 0.10


def test_without_the_allowance_one_process_each_would_deceive(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the allowance is for; the figure stands in the module."""
    monkeypatch.setattr(statistics, "UNSEEN_NOISE", 0.0)
    assert false_differences(1, 10, 0.03) > 0.25


@pytest.mark.parametrize(("processes", "faster"), [(1, 1.3), (5, 1.1)])
def test_a_real_difference_is_seen(processes: int, faster: float) -> None:
    rng = np.random.default_rng(3)
    detected = [
        not statistics.tied(
            simulated(rng, processes, 5, 0.02, 3.0 * faster), simulated(rng, processes, 5, 0.02)
        )
        for _ in range(60)
    ]
    assert np.mean(detected) >= 0.95


def test_the_interval_of_the_median_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(150):
        interval = statistics.median(simulated(rng, 8, 5, 0.03))
        assert interval is not None
        covered += interval.includes(3.0)
    assert 0.9 <= covered / 150 <= 1.0


@given(runs)
def test_the_interval_holds_its_median(samples: list[list[float]]) -> None:
    """Of three processes and more it may reach beyond the samples: so few need not hold the truth."""
    interval = statistics.median(samples)
    flat = [s for run in samples for s in run]
    assert interval is not None
    assert interval.low <= interval.value <= interval.high
    if len(samples) < statistics.FEWEST:
        assert min(flat) <= interval.low
        assert interval.high <= max(flat)
    assert interval.value == pytest.approx(float(np.median(flat)))
    assert (interval.method == "range") == (len(flat) < statistics.FEWEST)
    assert (interval.method in ("student", "signed-rank")) == (len(samples) >= statistics.FEWEST)


@given(runs, st.floats(0.01, 100))
def test_seconds_or_minutes_make_no_difference(samples: list[list[float]], unit: float) -> None:
    plain = statistics.median(samples)
    scaled = statistics.median([[s * unit for s in run] for run in samples])
    assert plain is not None
    assert scaled is not None
    assert scaled.low == pytest.approx(plain.low * unit, rel=1e-6)
    assert scaled.high == pytest.approx(plain.high * unit, rel=1e-6)


@given(runs, runs)
def test_a_ratio_turned_round_is_the_other(first: list[list[float]], second: list[list[float]]) -> None:
    one, other = statistics.ratio(first, second), statistics.ratio(second, first)
    assert one is not None
    assert other is not None
    assert one.value == pytest.approx(1 / other.value)
    assert one.low <= one.value <= one.high


@given(runs)
def test_anything_ties_with_itself(samples: list[list[float]]) -> None:
    assert statistics.tied(samples, samples)


def test_nothing_measured_gives_nothing() -> None:
    assert statistics.median([]) is None
    assert statistics.median([[]]) is None
    assert statistics.ratio([[1.0]], []) is None
    assert statistics.tied([], [[1.0]])


def test_processes_of_unequal_length_are_all_used() -> None:
    interval = statistics.median([[1.0], [2.0, 2.0, 2.0, 2.0], [3.0, 3.0]])
    assert interval is not None
    assert interval.samples == 7
    assert interval.value == 2.0
    assert interval.method == "student"


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilson_limits_are_shares_around_the_share(examples: int, share: float) -> None:
    interval = statistics.wilson(share, examples)
    assert 0 <= interval.low <= share <= interval.high <= 1


def test_wilson_is_the_textbook_one() -> None:
    """Wilson 1927 as in Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 up to 0.1611."""
    interval = statistics.wilson(81 / 263, 263)
    assert interval.low == pytest.approx(0.2553, abs=5e-5)
    assert interval.high == pytest.approx(0.3662, abs=5e-5)
    assert statistics.wilson(0.0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_accuracies_are_told_apart_where_the_test_set_is_large_enough() -> None:
    assert statistics.accuracies_tied(0.98, 0.97, 270)
    assert not statistics.accuracies_tied(0.98, 0.97, 10_000)
    assert statistics.accuracies_tied(0.97, 0.98, 270)


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_an_accuracy_ties_with_itself(share: float, examples: int) -> None:
    assert statistics.accuracies_tied(share, share, examples)


def test_accuracies_of_equal_networks_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(5)
    pairs = rng.binomial(1000, 0.9, size=(2000, 2)) / 1000
    apart = np.mean([not statistics.accuracies_tied(a, b, 1000) for a, b in pairs])
    assert apart <= 0.07

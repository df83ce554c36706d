"""Rounding twins: equals are not told apart, one point is, and what is called the same is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ttest_ind

from crosstrain.results.rounding import SAME, pooled, rounding, told_apart
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult
from crosstrain.runs.twins import moved
from tests.comparison.fakes import cell

ENGINES = ("torch", "tensorflow", "jax")


def trained(
    seed: int, *, spread: float, seeds: int = 3, twins: int = 5, above: float = 0.0
) -> tuple[list[CellResult], list[CellResult]]:
    """Trainings and their twins: a level for each seed, noise by ``spread``; jax is ``above`` the others."""
    random = np.random.default_rng(seed)
    made: list[CellResult] = []
    for number in range(seeds):
        level = 0.93 + 0.01 * random.standard_normal()
        for engine in ENGINES:
            for twin in range(twins + 1):
                score = level + above * (engine == "jax") + spread * random.standard_normal()
                made.append(
                    cell(engine, seed=number, twin=twin, id=f"{engine}-{number}-{twin}", test_accuracy=score)
                )
    return [c for c in made if not c.twin], [c for c in made if c.twin]


def verdicts(**how: Any) -> list[str]:
    return [pair["verdict"] for pair in rounding(*trained(**how))["pairs"]]


def test_twins_are_not_told_apart() -> None:
    alarms = sum("different" in verdicts(seed=seed, spread=0.003) for seed in range(200))
    # Holm's adjustment is for the three pairs together.
    assert alarms <= binom.ppf(0.99, 200, 0.05)


def test_a_planted_difference_of_one_point_is_told() -> None:
    for seed in range(20):
        found = rounding(*trained(seed=seed, spread=0.003, above=0.01))
        by_pair = {(p["engine"], p["other"]): p["verdict"] for p in found["pairs"]}
        assert by_pair["torch", "jax"] == by_pair["tensorflow", "jax"] == "different"
        assert any(
            "jax is" in s and "above torch, more than rounding explains." in s for s in found["sentences"]
        )


def test_what_is_called_the_same_is_within_a_point() -> None:
    """Of engines a whole point apart, however noisy, at most one pair in forty is called the same."""
    wrong = sum(
        verdict == "the same"
        for seed in range(100)
        for spread in (0.002, 0.01, 0.03)
        for verdict in verdicts(seed=seed, spread=spread, above=SAME)[1:]
    )
    assert wrong <= binom.ppf(0.99, 600, 0.025)
    assert verdicts(seed=1, spread=0.002) == ["the same"] * 3
    assert verdicts(seed=1, spread=0.05) == ["not told"] * 3


def test_the_figures_are_those_of_a_t_test() -> None:
    """With one seed and two engines it is Student's t of two samples with one variance."""
    cells, twins = trained(seed=4, spread=0.01, seeds=1)
    cells, twins = ([c for c in each if c.engine != "jax"] for each in (cells, twins))
    found = rounding(cells, twins)
    (pair,) = found["pairs"]
    torch, tensorflow = (entry["scores"][0][1] for entry in found["rows"])
    reference = ttest_ind(torch, tensorflow)
    assert pair["p"] == pytest.approx(reference.pvalue, rel=1e-9)
    interval = reference.confidence_interval()
    difference = pair["difference"]
    assert (difference["low"], difference["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found["rows"][0]["spread"] == pytest.approx(np.std(torch, ddof=1))
    assert found["rows"][0]["largest"] == pytest.approx(np.ptp(torch))
    assert found["rows"][0]["seed_spread"] is None


def test_seeds_do_not_count_as_rounding() -> None:
    cells, twins = trained(seed=5, spread=0.002, seeds=8)
    found = rounding(cells, twins)
    for entry in found["rows"]:
        assert entry["spread"] == pytest.approx(0.002, rel=0.4)
        assert entry["seed_spread"] > 2 * entry["spread"]
    spread, freedom = pooled([dict(entry["scores"]) for entry in found["rows"]])
    assert freedom == 3 * 8 * 5
    assert spread == pytest.approx(0.002, rel=0.2)


def test_failed_twins_and_engines_without_are_left_out() -> None:
    cells, twins = trained(seed=6, spread=0.002, seeds=1, twins=2)
    failed = [c.model_copy(update={"status": "crashed"}) if c.engine == "jax" else c for c in twins]
    found = rounding(cells, failed)
    assert [entry["engine"] for entry in found["rows"]] == ["torch", "tensorflow"]
    torch, tensorflow, jax = rows(cells)
    assert told_apart(found, tensorflow, torch) is False
    assert told_apart(found, torch, jax) is None
    assert rounding(cells, []) == {}


def test_equal_results_without_any_spread() -> None:
    cells = [cell(engine, test_accuracy=0.9) for engine in ENGINES[:2]]
    twins = [c.model_copy(update={"twin": 1}) for c in cells]
    (pair,) = rounding(cells, twins)["pairs"]
    assert (pair["verdict"], pair["p"]) == ("the same", 1.0)


# -- the weights of a twin --------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_weight_moves_by_one_unit_in_the_last_place(dtype: str) -> None:
    random = np.random.default_rng(0)
    weights = {
        "kernel": random.standard_normal((30, 20)).astype(dtype), "bias": np.zeros(20, dtype),
        "gamma": np.ones(20, dtype), "steps": np.arange(3), "moving": np.ones(4, dtype),
    }  # fmt: skip
    before = {name: array.copy() for name, array in weights.items()}
    twin = moved(weights, ["kernel", "bias", "gamma", "steps"], 1)
    for name, array in twin.items():
        assert array.dtype == weights[name].dtype
        np.testing.assert_array_equal(weights[name], before[name])
    kernel = weights["kernel"]
    up, down = np.nextafter(kernel, np.inf), np.nextafter(kernel, -np.inf)
    assert np.all((twin["kernel"] == up) | (twin["kernel"] == down))
    assert 0.4 < np.mean(twin["kernel"] == up) < 0.6
    assert np.all(twin["gamma"] != 1)
    for name in ("bias", "steps", "moving"):
        np.testing.assert_array_equal(twin[name], weights[name])


def test_twins_differ_and_are_the_same_again() -> None:
    weights = {"kernel": np.random.default_rng(0).standard_normal((9, 9)).astype(np.float32)}
    one, again, two = (moved(weights, weights, number)["kernel"] for number in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != two)

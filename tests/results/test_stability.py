"""Instability is found where it is planted, and nothing is told where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import theilslopes

from crosstrain.results.schema import CellResult, Epoch
from crosstrain.results.stability import stability, theil_sen
from tests.comparison.fakes import cell


def simulated(
    shape: Callable[[int, np.ndarray, str], Any] = lambda repeat, epochs, engine: 1.0,
    *,
    repeats: int = 8,
    epochs: int = 6,
    seed: int = 0,
    **changes: Any,
) -> Iterator[CellResult]:
    """Rounds of two engines, processes and epochs differing by 1 %; ``shape`` multiplies their times."""
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        for engine, factor in (("torch", 1.0), ("jax", 2.0)):
            noise = np.exp(rng.normal(0, 0.01) + rng.normal(0, 0.01, epochs))
            times = factor * noise * shape(repeat, np.arange(epochs), engine)
            fields = {"other_load": 0.02, "stolen_load": 0.0, **changes}
            yield cell(engine, list(times), repeat=repeat, id=f"{engine}-{repeat}", **fields)


def findings(cells: Iterator[CellResult]) -> list[dict[str, Any]]:
    return stability(list(cells), cores=2)


def test_a_quiet_run_is_seldom_called_unstable() -> None:
    unstable = sum(bool(findings(simulated(seed=seed))) for seed in range(60))
    assert unstable <= 3


def test_the_slope_is_theils_and_sens() -> None:
    rng = np.random.default_rng(0)
    for count in (5, 12, 40):
        values = rng.normal(0, 1, count) + 0.1 * np.arange(count)
        slope, low, high = theil_sen(values)
        expected = theilslopes(values)
        assert slope == pytest.approx(expected.slope)
        assert low <= slope <= high
        if count > 5:  # SciPy's limits are these to within one rank, of which there are ten with five numbers
            assert low == pytest.approx(expected.low_slope, abs=0.03)
            assert high == pytest.approx(expected.high_slope, abs=0.03)


def test_a_slope_of_mere_noise_is_seldom_called_one() -> None:
    rng = np.random.default_rng(1)
    for count in (5, 8, 20):
        limits = [theil_sen(rng.normal(0, 1, count))[1:] for _ in range(400)]
        assert np.mean([not low <= 0 <= high for low, high in limits]) <= 0.075


def test_a_drift_over_the_rounds_is_told_once_with_its_size() -> None:
    (finding,) = findings(simulated(lambda repeat, epochs, engine: 1 + 0.01 * repeat))
    assert (finding["kind"], finding["over"], finding["engine"]) == ("drift", "rounds", None)
    assert finding["low"] < 0.07 < finding["high"]
    assert "slower" in finding["text"]
    (faster,) = findings(simulated(lambda repeat, epochs, engine: 1 - 0.01 * repeat))
    assert "faster" in faster["text"]


def test_a_drift_within_processes_names_its_engine() -> None:
    (finding,) = findings(simulated(lambda repeat, epochs, engine: 1 + 0.02 * epochs * (engine == "jax")))
    assert (finding["kind"], finding["over"], finding["engine"]) == ("drift", "epochs", "jax")
    assert finding["change"] == pytest.approx(0.1, abs=0.03)


def test_a_drift_of_next_to_nothing_is_not_told() -> None:
    assert not findings(simulated(lambda repeat, epochs, engine: 1 + 0.001 * repeat))


def test_another_load_names_the_worst_cell() -> None:
    cells = list(simulated())
    cells[5] = cells[5].model_copy(update={"other_load": 1.5})
    cells[6] = cells[6].model_copy(update={"other_load": 0.3})
    (finding,) = stability(cells, cores=2)
    assert finding["kind"] == "load"
    assert set(finding["cells"]) == {cells[5].id, cells[6].id}
    assert "While 2 of 16 cells ran, other processes took" in finding["text"]
    assert f"{cells[5].network} at 32 on {cells[5].engine}, repeat {cells[5].repeat}" in finding["text"]
    assert not stability(cells, cores=64)


@pytest.mark.parametrize(
    ("what", "words"), [({"stolen_load": 0.4}, "hypervisor"), ({"throttled": 3}, "heat")]
)
def test_a_hypervisor_and_heat_are_loads_too(what: dict[str, Any], words: str) -> None:
    (finding,) = findings(simulated(**what))
    assert words in finding["text"]


def test_where_the_system_does_not_tell_nothing_is_said() -> None:
    assert not findings(simulated(other_load=None, stolen_load=None))


def test_processes_that_differ_and_those_in_two_groups() -> None:
    spread = [0.9, 1.12, 1.0, 1.08, 0.93, 1.03, 0.97, 1.1]
    (finding,) = findings(
        simulated(lambda repeat, epochs, engine: spread[repeat] if engine == "jax" else 1.0)
    )
    assert (finding["kind"], finding["engine"]) == ("spread", "jax")
    assert 0.05 < finding["deviation"] < 0.12
    (two,) = findings(
        simulated(lambda repeat, epochs, engine: [1.0, 1.2][repeat in (1, 4, 6)] ** (engine == "jax"))
    )
    assert two["groups"] == [5, 3]
    assert two["apart"] == pytest.approx(0.2, abs=0.03)


def test_odd_results_do_no_harm() -> None:
    assert stability([], 2) == []
    still = [Epoch(train_seconds=0.0, images_per_second=0.0)] * 3
    assert stability([cell(epochs=still, repeat=r) for r in range(6)], 2) == []
    assert stability([cell(status="failed", seconds=[])], 2) == []

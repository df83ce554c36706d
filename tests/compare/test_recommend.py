"""Recommendations rest on proof, say ties as ties, and name their evidence."""

from __future__ import annotations

from crosstrain.compare.recommend import recommend
from crosstrain.compare.rows import rows
from crosstrain.compare.schema import CellResult, Recommendation
from tests.compare.fakes import cell


def of(*cells: CellResult) -> Recommendation:
    return recommend(rows(cells))


def processes(engine: str, seconds: float, **given: object) -> list[CellResult]:
    """Three processes of three epochs."""
    times = [seconds, seconds * 1.01, seconds * 0.99]
    return [cell(engine, times, repeat=r, **given) for r in range(3)]


def test_the_fastest_of_equals_is_taken_with_its_ratio() -> None:
    found = of(*processes("torch", 1.0), *processes("jax", 2.0))
    assert (found.engine, found.network, found.input_size) == ("torch", "net", 32)
    assert "2 times as fast as jax" in found.reason
    assert "95.00%, the mean of 2 engines" in found.reason


def test_the_accuracy_of_a_network_comes_before_speed() -> None:
    quick = processes("torch", 1.0, network="quick", test_accuracy=0.90)
    found = of(*quick, *processes("torch", 2.0, network="good", test_accuracy=0.95))
    assert found.network == "good"
    assert "95.00%, the best" in found.reason


def test_an_accuracy_within_noise_of_the_best_does_not_cost_the_speed() -> None:
    told = {"test_examples": 270}
    quick = processes("torch", 1.0, network="quick", test_accuracy=0.95, **told)
    found = of(*quick, *processes("torch", 2.0, network="good", test_accuracy=0.96, **told))
    assert found.network == "quick"
    assert "within noise of the best (96.00%, 270 test examples)" in found.reason


def test_engines_that_do_the_same_work_are_not_chosen_by_their_luck() -> None:
    """Rounding, amplified by training, made one better; that is no property of the engine."""
    lucky = processes("jax", 2.0, test_accuracy=0.95)
    found = of(*processes("torch", 1.0, test_accuracy=0.85), *lucky)
    assert found.engine == "torch"
    assert "range from 85.00% to 95.00% although the work is the same" in found.reason


def test_the_spread_of_training_is_noise_too() -> None:
    """Two networks whose accuracies scatter more than they differ."""
    one = [cell("torch", network="a", repeat=r, test_accuracy=x) for r, x in enumerate((0.80, 0.95))]
    other = [
        cell("torch", [2.0] * 3, network="b", repeat=r, test_accuracy=x) for r, x in enumerate((0.92, 0.90))
    ]
    assert of(*one, *other).network == "a"


def test_a_tie_in_time_is_said_and_memory_decides() -> None:
    lean = processes("jax", 1.005, peak_memory_bytes=100 * 2**20)
    found = of(*processes("torch", 1.0), *lean)
    assert found.engine == "jax"
    assert "tie with torch" in found.reason
    assert "least memory" in found.reason


def test_one_process_each_does_not_tell_five_percent_apart() -> None:
    found = of(cell("torch", [1.0, 1.0, 1.0]), cell("jax", [1.05, 1.05, 1.05]))
    assert "tie with" in found.reason
    assert "fewer than 3 processes" in found.reason


def test_what_is_not_proved_is_never_recommended() -> None:
    for status in ("departs", "cannot", "none"):
        found = of(*processes("torch", 0.1, certificate=status), *processes("jax", 2.0))
        assert found.engine == "jax"
    assert of(*processes("torch", 1.0, certificate="none")).engine is None
    assert "certified" in of(*processes("torch", 1.0, certificate="none")).reason


def test_one_departing_cell_spoils_its_row() -> None:
    fast = processes("torch", 0.1)
    fast[1] = fast[1].model_copy(update={"certificate": "departs"})
    assert of(*fast, *processes("jax", 2.0)).engine == "jax"


def test_neither_open_nor_failed_nor_diverged_rows_are_recommended() -> None:
    good = processes("jax", 2.0)
    assert of(*processes("torch", 0.1, division="open"), *good).engine == "jax"
    assert of(*processes("torch", 0.1)[:2], cell("torch", status="crashed", repeat=2), *good).engine == "jax"
    assert of(*processes("torch", 0.1, diverged="the loss was nan"), *good).engine == "jax"


def test_nothing_finished_gives_a_reason_and_no_engine() -> None:
    found = of(cell("torch", [], status="failed"))
    assert found.engine is None
    assert "no cell was finished" in found.reason


def test_without_accuracy_the_test_loss_decides() -> None:
    worse = processes("torch", 0.1, network="a", test_accuracy=None, test_metrics={"loss": 2.0})
    better = processes("torch", 2.0, network="b", test_accuracy=None, test_metrics={"loss": 1.0})
    assert of(*worse, *better).network == "b"


def test_a_left_out_repeat_does_not_spoil_a_row() -> None:
    assert of(*processes("torch", 1.0), cell("torch", [], status="left out", repeat=3)).engine == "torch"

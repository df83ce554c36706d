"""The order of cells, names for files, and what a budget holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crosstrain.comparison.budget import Choice, Estimate, choose
from crosstrain.comparison.plan import Cell, cells, labels, rounds
from tests.comparison.fakes import cell


def test_every_combination_comes_once_and_engines_are_interleaved() -> None:
    planned = cells({"a": [32, 48], "b": [32]}, ["torch", "jax"], rounds(2, 3))
    assert len(planned) == len({c.id for c in planned}) == 3 * 2 * 6
    for one, other in zip(planned[::2], planned[1::2], strict=True):
        assert {one.engine, other.engine} == {"torch", "jax"}
        assert (one.network, one.size, one.seed, one.repeat) == (
            other.network,
            other.size,
            other.seed,
            other.repeat,
        )


def test_who_comes_first_moves_on_from_round_to_round() -> None:
    planned = cells({"a": [32]}, ["x", "y", "z"], rounds(1, 3))
    assert [c.engine for c in planned[::3]] == ["x", "y", "z"]


def test_seeds_come_before_repeats() -> None:
    assert [(r.seed, r.repeat) for r in rounds(2, 2)] == [(0, 0), (1, 0), (0, 1), (1, 1)]


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5, unique=True))
def test_names_for_files_are_safe_and_unique(networks: list[str]) -> None:
    by_network = labels(networks)
    assert len(set(by_network.values())) == len(networks)
    for label in by_network.values():
        assert label.isascii()
        assert label.replace("-", "").replace("_", "").isalnum()
        assert Cell("n", [32, 48], "torch", 0, 0, label).id.replace("-", "").replace("_", "").isalnum()


def test_an_estimate_parts_what_is_paid_once_from_what_is_paid_each_epoch() -> None:
    estimate = Estimate.of(cell(seconds=[2.0, 2.0], wall_seconds=10.0, evaluate_seconds=1.0))
    assert estimate == Estimate(fixed=5.0, epoch=2.5)
    assert Estimate.of(cell(status="failed")) is None


estimates = st.lists(st.builds(Estimate, st.floats(0.1, 20), st.floats(0.01, 20)), min_size=1, max_size=4)


@given(estimates, st.floats(0, 2000), st.integers(1, 100), st.integers(1, 5))
def test_a_choice_fits_or_is_the_least_there_is(
    costs: list[Estimate], seconds: float, epochs: int, passes: int
) -> None:
    groups = {("net", "32", str(i)): cost for i, cost in enumerate(costs)}
    chosen = choose(groups, seconds, epochs=epochs, passes=rounds(1, passes))
    assert 1 <= chosen.epochs <= epochs
    assert 1 <= chosen.rounds <= passes

    def total(choice: Choice) -> float:
        return choice.rounds * sum(cost.seconds(choice.epochs) for cost in costs)

    assert total(chosen) <= seconds or (chosen.epochs, chosen.rounds) == (1, 1)
    if chosen.epochs < epochs and chosen.rounds == 1:
        assert total(Choice(chosen.epochs + 1, 1)) > seconds


def test_three_processes_come_before_many_epochs() -> None:
    chosen = choose({("n", "32", "torch"): Estimate(1.0, 1.0)}, 60.0, epochs=100, passes=rounds(1, 5))
    assert chosen.rounds == 3
    assert chosen.epochs >= 5


def test_what_is_left_out_is_said() -> None:
    assert Choice(3, 1).left_out(5, 2) == "2 of 5 epochs and 1 of 2 rounds (seeds × repeats)"
    assert Choice(5, 2).left_out(5, 2) == ""

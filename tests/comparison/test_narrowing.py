"""``--repeats-until``: rounds go on for all engines alike until intervals are narrow or something ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.comparison import narrowing
from crosstrain.comparison.settings import settings
from crosstrain.results.rows import rows
from crosstrain.runs.process import Outcome
from crosstrain.studies.comparison import Interrupted, run
from tests.comparison.fakes import Prover, Workers

pytestmark = pytest.mark.usefixtures("quick_definitions")


def quick_settings(**changes: Any) -> Any:
    defaults = {"engines": ["torch", "jax"], "sizes": [8], "epochs": 2, "threads": 1, "repeats_until": "2%"}
    return settings(changes.pop("networks", "mlp"), "digits", **{**defaults, **changes})


def noisy(workers: Workers, spread: Callable[[str], float]) -> None:
    """Processes of a cell differ by so much, always alike for the same cell."""
    plain = Workers.trained

    def trained(job: Mapping[str, Any], on_event: Any) -> dict[str, Any]:
        result = plain(workers, job, on_event)
        draw = np.random.default_rng(list(job["id"].encode()))
        factor = float(np.exp(spread(job["id"]) * draw.standard_normal()))
        for epoch in result["epochs"]:
            epoch["train_seconds"] *= factor
        return result

    workers.trained = trained  # type: ignore[method-assign]


def test_rounds_go_on_for_all_until_the_loud_one_is_narrow(
    workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    noisy(workers, lambda cell: 0.03 if "jax" in cell else 0.002)
    result = run(quick_settings(), tmp_path / "out")
    counts = Counter(cell.engine for cell in result.cells)
    assert counts["torch"] == counts["jax"] > narrowing.FEWEST
    for row in rows(result.cells):
        assert row.seconds
        assert row.seconds.half_width <= 0.02
    turns = [name.split("-")[2] for name in workers.cells[::2]]
    assert turns == [("torch", "jax")[i % 2] for i in range(len(turns))]
    assert any("Every interval" in note for note in result.notes)
    assert not narrowing.still_wide(result.cells, 0.02)
    jobs = len(workers.jobs)
    again = run(quick_settings(), tmp_path / "out")
    assert len(workers.jobs) == jobs
    assert [c.id for c in again.cells] == [c.id for c in result.cells]


def test_what_is_narrow_already_takes_no_more(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    noisy(workers, lambda cell: 0.03 if "lenet5" in cell else 0.001)
    counts = Counter(
        cell.network for cell in run(quick_settings(networks="mlp,lenet5"), tmp_path / "out").cells
    )
    assert counts["mlp"] == 2 * narrowing.FEWEST
    assert counts["lenet5"] > counts["mlp"]


def test_the_limit_is_told_with_what_is_missing(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrowing, "MOST", 8)
    noisy(workers, lambda cell: 0.2)
    result = run(quick_settings(), tmp_path / "out")
    assert len(result.cells) == 2 * 8
    limit = next(note for note in result.notes if "The limit of 8 rounds ended the repeats (8)" in note)
    assert "mlp at 8 on jax ±" in limit
    assert "more repeats should suffice" in limit


def test_the_budget_ends_it(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    """Each pretended cell is said to take 3 s, so a second round of two does not fit into 6."""
    noisy(workers, lambda cell: 0.2)
    result = run(quick_settings(budget=6), tmp_path / "out")
    assert len(result.cells) == 2
    assert any("The budget of 6 s ended the repeats (1)" in note for note in result.notes)
    assert not list((tmp_path / "out" / "cells").glob("*.checkpoint.npz"))


def test_who_fails_takes_no_further_part(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    noisy(workers, lambda cell: 0.08)
    workers.fail = lambda job: (
        Outcome("crashed", None, "it fell over", tmp_path, 1.0, None)
        if str(job.get("id", "")).endswith("jax-s0-r6")
        else None
    )
    result = run(quick_settings(), tmp_path / "out")
    counts = Counter(cell.engine for cell in result.cells)
    assert counts["jax"] == 7
    assert counts["torch"] > 7


def test_an_interrupted_one_goes_on_where_it_was(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    noisy(workers, lambda cell: 0.06 if "jax" in cell else 0.002)
    whole = [c.id for c in run(quick_settings(), tmp_path / "whole").cells]
    workers.jobs.clear()
    workers.fail = lambda job: KeyboardInterrupt() if str(job.get("id", "")).endswith("torch-s0-r7") else None
    with pytest.raises(Interrupted):
        run(quick_settings(), tmp_path / "out")
    before = list(workers.cells)
    workers.fail = lambda job: None
    result = run(quick_settings(), tmp_path / "out")
    assert [c.id for c in result.cells] == whole
    finished_before = [name for name in before if not name.endswith("torch-s0-r7")]
    assert Counter(workers.cells)[finished_before[-1]] == 1


def test_seeds_take_turns_in_further_rounds(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    noisy(workers, lambda cell: 0.04)
    result = run(quick_settings(seeds=3), tmp_path / "out")
    counts = Counter(cell.seed for cell in result.cells)
    assert set(counts) == {0, 1, 2}
    assert max(counts.values()) - min(counts.values()) <= 2  # one round of two engines


def test_with_a_budget_there_are_still_repeats_rather_than_a_hundred_epochs() -> None:
    chosen = settings("mlp", "digits", engines=["torch"], repeats_until=0.02, budget="10m")
    assert (chosen.recipe.epochs, chosen.repeats) == (5, 6)
    assert settings("mlp", "digits", engines=["torch"], repeats_until="2%", seeds=4).repeats == 2

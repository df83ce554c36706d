"""Rounding twins in a comparison: which are trained, where they stand, what a budget keeps for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.comparison.settings import settings
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.runs.process import Outcome
from crosstrain.studies.comparison import run
from tests.comparison.fakes import Workers


def request(**options: Any) -> Any:
    defaults = {"engines": ["torch", "jax"], "sizes": [8], "epochs": 2, "threads": 1, "twins": 2}
    return settings("mlp", "digits", **{**defaults, **options})


@pytest.fixture
def noisy(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Twins end a little apart."""
    trained = workers.trained

    def twin(job: Mapping[str, Any], on_event: Any) -> dict[str, Any]:
        return {**trained(job, on_event), "test_accuracy": 0.95 + 0.001 * job.get("twin", 0)}

    monkeypatch.setattr(workers, "trained", twin)
    return workers


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_twins_of_every_seed_are_trained_after_the_rest(noisy: Workers, tmp_path: Path) -> None:
    plain = run(request(twins=0, seeds=2, repeats=2), tmp_path / "plain")
    noisy.jobs.clear()
    result = run(request(seeds=2, repeats=2), tmp_path / "out")
    assert noisy.cells[8:] == [
        "mlp-8-torch-s0-r0-t1", "mlp-8-jax-s0-r0-t1", "mlp-8-jax-s1-r0-t1", "mlp-8-torch-s1-r0-t1",
        "mlp-8-torch-s0-r0-t2", "mlp-8-jax-s0-r0-t2", "mlp-8-jax-s1-r0-t2", "mlp-8-torch-s1-r0-t2",
    ]  # fmt: skip
    assert len(result.cells) == 8
    assert [c.twin for c in result.twins] == [1] * 4 + [2] * 4
    assert result.rows == plain.rows, "twins are in no row"
    assert [e["twins"] for e in result.rounding["rows"]] == [4, 4]
    assert result.rounding["rows"][0]["spread"] == pytest.approx(0.001)
    assert (
        result.rounding["sentences"][-1] == "mlp at 8 pixels: torch and jax are the same within 1.00 point."
    )
    assert plain.rounding == {}
    assert not (tmp_path / "out" / "cells" / "mlp-8-torch-s0-r0-t1.npz").exists()
    with pytest.raises(CrosstrainError, match="has no cell 'mlp-8-torch-s0-r0-t1'"):
        crosstrain.load(tmp_path / "out", cell="mlp-8-torch-s0-r0-t1")
    jobs = len(noisy.jobs)
    assert run(request(seeds=2, repeats=2), tmp_path / "out").twins == result.twins
    assert len(noisy.jobs) == jobs, "what is stored is not trained again"


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_every_report_says_what_rounding_does(noisy: Workers, tmp_path: Path) -> None:
    comparison = Comparison(run(request(), tmp_path / "out"))
    sentence = "rounding alone moves the test accuracy by 0.10 points"
    page = comparison.report().read_text()
    markdown = crosstrain.report(tmp_path / "out", form="markdown").text
    latex = crosstrain.report(tmp_path / "out", form="latex").text
    for shown in (" ".join(str(comparison).split()), page, comparison._repr_html_(), markdown, latex):
        assert sentence in shown
    assert "Why proved engines differ in accuracy" in page
    assert "chart-rounding-twins" in page
    assert "--twins 2" in page, "the command that repeats it"
    json.dumps(comparison.to_json(), allow_nan=False)


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_what_rounding_explains_is_a_tie_in_tables(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained, above = workers.trained, {"jax": 0.02}

    def twin(job: Mapping[str, Any], on_event: Any) -> dict[str, Any]:
        score = 0.95 + 0.001 * job.get("twin", 0) - above.get(job["engine"], 0.0)
        return {**trained(job, on_event), "test_accuracy": score}

    monkeypatch.setattr(workers, "trained", twin)
    run(request(twins=4), tmp_path / "apart")
    accuracy = crosstrain.report(tmp_path / "apart", form="markdown").text.split("### Test accuracy")[1]
    lines = {line.split(" | ")[0]: line for line in accuracy.splitlines() if " | " in line}
    assert "=" not in lines["| jax"], "the test is too small to tell, twins are not"
    above["jax"] = 0.0001
    run(request(twins=4), tmp_path / "alike")
    accuracy = crosstrain.report(tmp_path / "alike", form="markdown").text.split("### Test accuracy")[1]
    lines = {line.split(" | ")[0]: line for line in accuracy.splitlines() if " | " in line}
    assert "=" in lines["| jax"]


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_a_training_that_failed_has_no_twins(workers: Workers, tmp_path: Path) -> None:
    workers.fail = lambda job: (
        Outcome("crashed", None, "it fell over", tmp_path, 1.0, None) if job["engine"] == "jax" else None
    )
    result = run(request(), tmp_path / "out")
    assert {c.engine for c in result.twins} == {"torch"}
    assert result.rounding["pairs"] == []


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_a_budget_keeps_time_for_twins(workers: Workers, tmp_path: Path) -> None:
    alone = run(request(twins=0, epochs=None, budget="60s"), tmp_path / "alone")
    shared = run(request(twins=2, epochs=None, budget="60s"), tmp_path / "shared")

    def epochs(of: Any) -> int:
        return sum(len(c.epochs) for c in of.cells if c.status == "done")

    assert epochs(shared) < epochs(alone)
    assert {c.status for c in shared.twins} == {"done"}


@pytest.mark.parametrize("number", [-1, 101])
def test_a_number_of_twins_that_makes_no_sense(number: int) -> None:
    with pytest.raises(CrosstrainError, match=f"twins must be from 0 to 100, not {number}"):
        request(twins=number)


def test_real_twins_begin_alike_and_end_apart(tmp_path: Path) -> None:
    """On a real engine: the first epochs agree to rounding, and no twin is the training itself."""
    comparison = crosstrain.compare(
        "mlp", "digits", engines="torch", sizes=8, epochs=2, twins=2, threads=1, proof=False,
        out=tmp_path / "out", progress=False,
    )  # fmt: skip
    result = comparison.result
    losses = [c.epochs[-1].train_loss for c in (*result.cells, *result.twins)]
    assert len(set(losses)) == 3
    assert np.ptp(np.array(losses, float)) < 1e-4 * float(losses[0] or 0)
    assert result.rounding["rows"][0]["twins"] == 2

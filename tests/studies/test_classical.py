"""Classical estimators as rows of a comparison, in a division of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import crosstrain
from crosstrain.classic import cell, entrants
from crosstrain.comparison.settings import settings
from crosstrain.data import prepare
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.runs.process import Outcome
from crosstrain.runs.worker import explained
from crosstrain.studies.comparison import run
from tests.comparison.fakes import Workers

pytestmark = pytest.mark.usefixtures("quick_definitions", "workers", "prover")

LVQ = "classic:LVQ:max_iter=2"


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The fits' jobs, done in this process."""
    done: list[dict[str, Any]] = []

    def at_once(job: Mapping[str, Any], *, folder: Path, **limits: Any) -> Outcome:
        done.append({**job, "limits": limits})
        try:
            result = cell.run(dict(job), lambda event: None)
        except Exception as error:
            kind, message = explained(error)
            return Outcome("cannot", None, message, folder / "log", 1.0, None, kind)
        return Outcome("done", result, None, folder / "log", 1.0, 2**26)

    monkeypatch.setattr("crosstrain.studies.classical.run_job", at_once)
    return done


def request(*classical: str, **options: Any) -> Any:
    defaults = {"engines": ["torch", "jax"], "sizes": [8], "epochs": 1, "threads": 1}
    return replace(settings("mlp", "digits", **{**defaults, **options}), classical=classical)


def test_a_row_of_its_own_division(jobs: list[dict[str, Any]], workers: Workers, tmp_path: Path) -> None:
    plain = run(request(), tmp_path / "plain")
    result = run(request(LVQ, "classic:Madaline:max_iter=1", seeds=2), tmp_path / "out")
    assert [(c.estimator, c.seed, c.status) for c in result.classical] == [
        (LVQ, 0, "done"), (LVQ, 1, "done"),
        ("classic:Madaline:max_iter=1", 0, "done"), ("classic:Madaline:max_iter=1", 1, "done"),
    ]  # fmt: skip
    first = result.classical[0]
    assert 0.5 < (first.test_accuracy or 0) <= 1
    assert first.fit_seconds
    assert first.peak_memory_bytes == 2**26
    assert [job["seed"] for job in jobs] == [0, 1, 0, 1]
    assert {c.division for c in result.cells} == {"closed"}
    assert {row["network"] for row in result.rows} == {"mlp"}, "in no ranking with the networks"
    assert result.recommendation.engine == plain.recommendation.engine
    json.dumps(Comparison(result).to_json(), allow_nan=False)
    again = run(request(LVQ, "classic:Madaline:max_iter=1", seeds=2), tmp_path / "out")
    assert again.classical == result.classical
    assert len(jobs) == 4, "what is stored is not fitted again"


def test_the_figures_are_the_estimator_s_own(jobs: list[dict[str, Any]], tmp_path: Path) -> None:
    """On the training part and on the test part of the networks."""
    result = run(request("classic:ProbabilisticNetwork:width=0.1"), tmp_path / "out")
    data = prepare("digits", size=8)
    X, y = cell.examples(data, "train")
    X_test, y_test = cell.examples(data, "test")
    estimator = entrants.read("classic:ProbabilisticNetwork:width=0.1").estimator(0).fit(X, y)
    assert result.classical[0].test_accuracy == np.mean(estimator.predict(X_test) == y_test)
    nearest = KNeighborsClassifier(1).fit(X, y).score(X_test, y_test)
    assert result.classical[0].test_accuracy == pytest.approx(nearest, abs=0.02), "a narrow kernel is 1-NN"
    assert result.classical[0].data_hash == data.hash


def test_table_page_and_notebook_say_that_it_is_another_network(
    jobs: list[dict[str, Any]], tmp_path: Path
) -> None:
    comparison = Comparison(run(request(LVQ), tmp_path / "out"))
    page = comparison.report().read_text()
    for shown in (str(comparison), page, comparison._repr_html_()):
        assert "LVQ:max_iter=2" in shown
        assert "another network" in shown
        assert "64 MiB" in shown
    assert "Classical estimators" in page
    assert "LVQ" not in str(Comparison(run(request(), tmp_path / "plain")))


def test_a_refused_parameter_is_said_before_anything_is_trained(
    jobs: list[dict[str, Any]], workers: Workers, tmp_path: Path
) -> None:
    with pytest.raises(CrosstrainError, match=r"LVQ:max_iter=0: LVQ: max_iter must be a whole number"):
        run(request("classic:LVQ:max_iter=0"), tmp_path / "out")
    assert not workers.cells
    assert not (tmp_path / "out").exists()


def test_data_without_classes_is_refused(jobs: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "line.npz"
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    np.savez(file, x=x, y=x[:, :1])
    with pytest.raises(CrosstrainError, match="learns one class for each example, which the data"):
        run(replace(request(LVQ, sizes=None), data=f"arrays:{file}"), tmp_path / "out")


def test_a_fit_that_fails_costs_its_own_row(
    jobs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    late = Outcome("timeout", None, "stopped after 1 s, the time it was given", tmp_path / "log", 1.0, None)
    monkeypatch.setattr("crosstrain.studies.classical.run_job", lambda *_, **__: late)
    comparison = Comparison(run(request(LVQ), tmp_path / "out"))
    assert not comparison.ok
    assert [c.status for c in comparison.cells] == ["done", "done"]
    assert "classic:LVQ:max_iter=2 at 8: timeout, stopped after 1 s" in str(comparison)


def test_the_budget_leaves_it_out(jobs: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run(request(LVQ, budget="0.000001s"), tmp_path / "out")
    assert {c.status for c in result.classical} == {"left out"}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("classic:LVQ", "classical estimators stand beside networks; name one too, as mlp,classic:LVQ"),
        ("mlp,classic:LVK", "there is no classical classifier 'LVK'; did you mean LVQ"),
        ("mlp,classic:LVQ:version=3,windw=2", "LVQ has no parameter 'windw'"),
    ],
)
def test_wrong_names_are_refused(names: str, sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        crosstrain.compare(names, "digits", progress=False)


def test_the_command_line_takes_them(
    jobs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from crosstrain.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*more: str) -> Any:
        return CliRunner().invoke(
            app, ["compare", *more, "-d", "digits", "--engines", "torch", "--size", "8"]
        )

    done = call("mlp,classic:LVQ:max_iter=2,version=3", "-e", "1", "--json", "r.json")
    assert done.exit_code == 0, done.output
    assert "LVQ:max_iter=2,version=3" in done.stdout
    written = json.loads(Path("r.json").read_text())["classical"]
    assert [each["estimator"] for each in written] == ["classic:LVQ:max_iter=2,version=3"]
    assert call("mlp,classic:LVQ:max_iter=two").exit_code == 2

"""The search for the best settings: its spelling, what it takes, and that it comes out the same again."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import crosstrain
from crosstrain.comparison.progress.watch import Silent
from crosstrain.comparison.settings import Settings, settings
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import CellResult, SearchResult
from crosstrain.studies import searching
from crosstrain.studies.searching import Choice, Range, remark, space
from tests.comparison.conftest import quick_definitions
from tests.comparison.fakes import Prover, Workers, prover, workers

__all__ = ["prover", "quick_definitions", "workers"]

ARGUMENTS: dict[str, Any] = {"engines": "torch,jax", "epochs": 2, "seeds": 3, "repeats": 2, "budget": "1h"}


def test_spelling() -> None:
    assert space(["learning-rate=1e-4..1e-1", "batch-size=16..32", "momentum=0..0.99"]) == {
        "learning_rate": Range(1e-4, 1e-1), "batch_size": Range(16, 32, True), "momentum": Range(0, 0.99),
    }  # fmt: skip
    assert space("optimizer=sgd|adam:beta_1=0.8") == {"optimizer": Choice(("sgd", "adam:beta_1=0.8"))}
    assert space("accumulate=1|4") == {"accumulate": Choice((1, 4))}
    assert space(None) == {}
    assert [Range(low, 1).logarithmic for low in (0, 0.05, 0.1, 0.2)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning-rate", "is no search; write learning-rate=1e-4..1e-1"),
        ("epochs=1..9", "a search does not change 'epochs'; it changes learning-rate"),
        ("learning-rate=1..1", "is empty"),
        ("learning-rate=low..high", "'low' in the search of learning-rate is not a number"),
        ("batch-size=1.5..9", "is not a whole number"),
    ],
)
def test_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(CrosstrainError, match=words):
        space(text)


class Trainer:
    """Stands for trainings: the validation is best at a learning rate of 0.01; above 0.05 it diverges."""

    def __init__(self) -> None:
        self.asked: list[Settings] = []
        self.folders: list[Path] = []

    def train(self, request: Settings, out: Path) -> Any:
        self.asked.append(request)
        self.folders.append(out)
        rate = request.recipe.optimizer.learning_rate
        accuracy = 1 - abs(math.log10(rate / 0.01)) / 4
        epochs = [
            {"train_seconds": 1, "images_per_second": 1, "validation_accuracy": accuracy - late}
            for late in (0, 0.1)
        ]
        result = CellResult(
            id="x", network="lenet5", engine="torch", status="done", epochs=epochs,
            diverged="the loss was nan" if rate > 0.05 else None, wall_seconds=2.5,
        )  # fmt: skip
        return SimpleNamespace(result=result)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    pytest.importorskip("optuna", reason="the search is an extra: pip install 'crosstrain[search]'")
    trainer = Trainer()
    monkeypatch.setattr(searching.training, "train", trainer.train)
    return trainer


def searched(
    folder: Path, text: str = "learning-rate=1e-4..1e-1", trials: int = 15, **more: Any
) -> SearchResult:
    arguments = {**ARGUMENTS, **more}
    request = settings("lenet5", "digits", **arguments)
    return searching.search(
        ["lenet5"], "digits", arguments, space(text), trials, request, folder / "run", Silent()
    )


def test_the_best_validation_is_found_on_one_engine(tmp_path: Path, trainer: Trainer) -> None:
    found = searched(tmp_path)
    rates = [request.recipe.optimizer.learning_rate for request in trainer.asked]
    best = found.best_trial.values["learning_rate"]
    assert best == min((rate for rate in rates if rate <= 0.05), key=lambda rate: abs(math.log(rate / 0.01)))
    assert best == pytest.approx(0.01, rel=0.5)
    assert {(r.engines, r.seeds, r.repeats, r.budget) for r in trainer.asked} == {(("torch",), 1, 1, None)}
    assert len(set(trainer.folders)) == len(rates) == 15
    kept = json.loads((tmp_path / "run-search" / "search.json").read_text())
    assert [each["values"]["learning_rate"] for each in kept["trials"]] == rates
    assert (found.engine, found.measure) == ("torch", "validation accuracy")
    assert found.space == {"learning_rate": "0.0001..0.1"}
    for trial, rate in zip(found.trials, rates, strict=True):
        assert (trial.values, trial.seconds) == ({"learning_rate": rate}, 2.5)
        ended = ("diverged", "the loss was nan", True) if rate > 0.05 else ("done", None, False)
        assert (trial.state, trial.error, trial.score is None) == ended
    assert "Searched learning-rate in 0.0001..0.1 in 15 trials on torch" in remark(found)


def test_the_same_search_is_the_same(tmp_path: Path, trainer: Trainer) -> None:
    first, again = searched(tmp_path), searched(tmp_path)
    assert first == again
    assert trainer.asked[:15] == trainer.asked[15:]
    assert trainer.folders[:15] == trainer.folders[15:]


def test_the_best_is_compared_on_all_engines_with_proofs(
    tmp_path: Path, workers: Workers, prover: Prover, quick_definitions: None
) -> None:
    pytest.importorskip("optuna", reason="the search is an extra: pip install 'crosstrain[search]'")
    result = crosstrain.compare(
        "mlp", "digits", engines="torch,jax", sizes=8, epochs=2, search="learning-rate=1e-4..1e-1", trials=3,
        out=tmp_path / "run", progress=False,
    ).result  # fmt: skip
    assert result.search is not None
    assert len(result.search.trials) == 3
    best = result.search.best_trial.values["learning_rate"]
    trained = [job for job in workers.jobs if job["task"] == "train"]
    assert [job["engine"] for job in trained[:3]] == ["torch"] * 3
    rates = [job["recipe"]["optimizer"]["learning_rate"] for job in trained]
    assert {job["engine"] for job in trained[3:]} == {"torch", "jax"}
    assert set(rates[3:]) == {best}
    assert sorted(engine for _, engine in prover.calls) == ["jax", "torch"]
    assert {(each.engine, each.status) for each in result.certificates} == {
        ("torch", "proved"), ("jax", "proved"),
    }  # fmt: skip
    assert "search-learning-rate" in (tmp_path / "run" / "report.html").read_text()
    assert any("validated best" in note for note in result.notes)


def test_several_at_once(tmp_path: Path, trainer: Trainer) -> None:
    arguments = {**ARGUMENTS}
    request = settings("lenet5", "digits", **arguments)
    both = space(["learning-rate=1e-3|1e-2", "batch-size=8..64"])
    found = searching.search(["lenet5"], "digits", arguments, both, 8, request, tmp_path / "run", Silent())
    values = found.best_trial.values
    assert values["learning_rate"] == 1e-2
    assert settings("lenet5", "digits", **{**arguments, **values}).recipe.batch_size in range(8, 65)


def test_what_cannot_be_searched(tmp_path: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CrosstrainError, match="at least 1 trial"):
        searched(tmp_path, trials=0)
    with pytest.raises(CrosstrainError, match="one network at one input size"):
        searched(tmp_path, sizes="28,32")
    with pytest.raises(CrosstrainError, match="no trial of the search ended well: the loss was nan"):
        searched(tmp_path, "learning-rate=0.06..0.1", trials=2)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(CrosstrainError, match="needs Optuna"):
        searched(tmp_path)

"""A network asked again and again: what it sees each time, and whole commands on real trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.continuing import numbers, tokens

TORCH: dict[str, Any] = {"engine": "torch", "device": "cpu", "threads": 1, "progress": False}


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_forecasts_become_part_of_the_window(relative: bool, horizon: int) -> None:
    """A rule that adds the last difference goes on along a line; nothing but the rule's own words is new."""
    seen: list[np.ndarray] = []

    def ask(batch: np.ndarray) -> np.ndarray:
        seen.append(batch)
        last, before = batch[:, -1, 0], batch[:, -2, 0]
        return np.stack([last + step * (last - before) for step in range(1, horizon + 1)], axis=1)

    start = np.array([[0.0, 1.0, 2.0, 3.0], [9.0, 7.0, 5.0, 3.0]], np.float32)[..., None]
    made = numbers(ask, start, {"steps": 7, "relative": relative})
    assert made.tolist() == [[4, 5, 6, 7, 8, 9, 10], [1, -1, -3, -5, -7, -9, -11]]
    assert len(seen) == -(-7 // horizon)
    assert all(batch.shape == (2, 4, 1) for batch in seen)
    assert all(not batch[:, -1].any() for batch in seen) == relative


def test_tokens_are_drawn_from_the_scores_of_the_last_step() -> None:
    """The rule says each token's successor; the text grows past the length that it sees."""
    shapes = set()

    def ask(batch: np.ndarray) -> np.ndarray:
        shapes.add(batch.shape)
        scores = np.zeros((1, 4, 10))
        scores[0, np.arange(4), (batch[0] + 1) % 10] = 50.0
        return scores

    job = {"steps": 6, "length": 4, "temperature": 0.0, "seed": 0, "reserved": 2}
    assert tokens(ask, np.array([2, 3]), job).tolist() == [4, 5, 6, 7, 8, 9]
    assert tokens(ask, np.array([2, 3]), {**job, "temperature": 1.0}).tolist() == [4, 5, 6, 7, 8, 9]
    assert shapes == {(1, 4)}
    drawn = tokens(
        lambda batch: np.zeros((1, 4, 10)), np.array([2]), {**job, "steps": 200, "temperature": 1.0}
    )
    assert set(drawn.tolist()) == set(range(2, 10)), "reserved numbers are never drawn"


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("sine")
    (folder / "sine.txt").write_text(" ".join(f"{v:.6f}" for v in 10 + 5 * np.sin(np.arange(240) / 3)))
    out = folder / "run"
    spec = f"series:{folder / 'sine.txt'}:window=8,relative=yes"
    crosstrain.train("rnn:units=8", spec, epochs=2, optimizer="adam", out=out, **TORCH)
    return out


def test_a_series_goes_on_beyond_its_end(forecaster: Path) -> None:
    result = crosstrain.forecast(forecaster, steps=5, threads=1, device="cpu", progress=False)
    assert (result.steps, len(result.values), result.variable) == (5, 5, "value")
    assert np.isfinite(result.values).all()
    assert [each["step"] for each in result.test["entries"][-1]["by_step"]] == [1, 2, 3, 4, 5]
    assert {e["kind"] for e in result.test["entries"]} == {"baseline", "network"}
    assert result.to_csv().splitlines()[0] == "step,value"
    one = crosstrain.forecast(forecaster, steps=1, threads=1, device="cpu", progress=False)
    assert one.values[0] == pytest.approx(result.values[0], rel=1e-5)
    series = forecaster.parent / "sine.txt"
    answered = crosstrain.predict(forecaster, series, threads=1, device="cpu", progress=False)
    assert answered.answers[0].values == pytest.approx(one.values, rel=1e-5)
    with pytest.raises(CrosstrainError, match="is no language model"):
        crosstrain.sample(forecaster, progress=False)
    command = [sys.executable, "-m", "crosstrain", "forecast", str(forecaster), "--steps", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "crosstrain: steps must be at least 1, not 0"


@pytest.mark.slow("a comparison and a language model, each in processes of their own")
def test_a_comparison_keeps_its_forecasts_and_a_language_model_writes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "a.txt").write_text("abcabdabe" * 60)
    spec = f"text:{tmp_path / 'a.txt'}:tokens=characters,length=12,stride=1"
    more: dict[str, Any] = {"epochs": 40, "optimizer": "adam", "learning_rate": 0.01}
    trained = crosstrain.train("gpt-nano", spec, out=tmp_path / "gpt", **more, **TORCH)
    written = crosstrain.sample(trained.folder, prompt="abc", tokens=9, temperature=0.0, progress=False)
    assert written.text == "abdabeabc"
    assert json.loads(json.dumps(written.to_json()))["prompt"] == "abc"

    series = tmp_path / "s.txt"
    series.write_text(" ".join(f"{v:.6f}" for v in np.sin(np.arange(300) / 3)))
    compared = crosstrain.compare(
        ["gru:units=8", "tcn:tiny"], f"series:{series}:window=8,horizon=3", epochs=2, engines="torch",
        device="cpu", threads=1, proof=False, out=tmp_path / "compared", progress=False,
    )  # fmt: skip
    names = [entry["name"] for entry in compared.result.forecasts["entries"]]
    assert names[-2:] == ["gru:units=8", "tcn:tiny"]
    assert "forecasts" in str(compared)
    assert (compared.folder / "forecasts.npz").exists()
    assert 'id="forecasts"' in (compared.folder / "report.html").read_text()

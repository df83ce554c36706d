"""Comparing engines at inference, through the public doors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.environments.environments import default
from crosstrain.errors import CrosstrainError
from crosstrain.results.inference import InferenceCell, InferenceRow, recommend
from crosstrain.runs.tasks.inference import compared, timed
from crosstrain.system.files import read_arrays, write_arrays

TRAINS = default()[:1]
SERVES = [*default(), "opencv"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network that was trained for an epoch."""
    if not TRAINS:
        pytest.skip("no framework is installed to train on")
    folder = tmp_path_factory.mktemp("trained") / "run"
    return crosstrain.train("mlp", "digits", engine=TRAINS[0], epochs=1, size=8, out=folder, progress=False)


@pytest.fixture(scope="module")
def served(run: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("served") / "out"
    return crosstrain.compare_inference(
        str(run.folder), engines=SERVES, repeats=1, batch_sizes=(1, 7), out=out, progress=False
    )


def test_every_engine_says_what_the_network_means(run: Any, served: Any) -> None:
    assert [cell.engine for cell in served.cells] == SERVES
    for cell in served.cells:
        assert cell.status == "done", cell.error
        assert cell.agrees, cell
        assert cell.classes_differ == 0
        assert cell.test_accuracy == pytest.approx(run.result.test_accuracy)
        assert cell.trained
    assert served.ok
    assert served.recommendation.engine in SERVES


def test_what_is_measured(served: Any) -> None:
    for cell in served.cells:
        assert len(cell.latencies) >= 5
        assert min(cell.latencies) > 0
        assert set(cell.throughput) == {"1", "7"}
        assert cell.peak_memory_bytes > 2**20
        assert cell.file_bytes > 1000
        assert cell.load_seconds > 0
    row = served.rows()[0].to_json()
    assert row["p50"] <= row["p95"] <= row["p99"]


def test_what_is_there_is_kept(run: Any, served: Any) -> None:
    """The same command again runs only the cell that is missing."""
    folder = Path(served.folder)
    gone = served.cells[0].id
    (folder / "cells" / f"{gone}.json").unlink()
    again = crosstrain.compare_inference(
        str(run.folder), engines=SERVES, repeats=1, batch_sizes=(1, 7), out=folder, progress=False
    )
    for before, after in zip(served.cells, again.cells, strict=True):
        assert (before.latencies == after.latencies) == (before.id != gone)


def test_an_engine_that_answers_otherwise_is_not_recommended(
    run: Any, served: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The reference, changed behind its back, stands for engines that answer wrongly."""
    folder = Path(served.folder)
    (path,) = (folder / "reference").glob("*.npz")
    true = read_arrays(path)
    write_arrays(path, {name: -value for name, value in true.items()})
    for file in (folder / "cells").glob("*.json"):
        file.unlink()
    wrong = crosstrain.compare_inference(
        str(run.folder), engines=SERVES, repeats=1, batch_sizes=(1, 7), out=folder, progress=False
    )
    assert not wrong.ok
    assert not any(cell.agrees for cell in wrong.cells)
    assert wrong.recommendation.engine is None
    assert "none is recommended" in wrong.recommendation.reason


def test_a_network_that_was_not_trained(tmp_path: Path) -> None:
    comparison = crosstrain.compare_inference(
        "mlp", "digits", engines=TRAINS, size=8, repeats=1, out=tmp_path / "out", progress=False
    )
    assert comparison.ok
    assert not comparison.cells[0].trained


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"network": "mlp"}, "--data"),
        ({"network": "no-such-net", "data": "digits"}, "no-such-net"),
        ({"network": "mlp", "data": "digits", "engines": ["abacus"]}, "abacus"),
        ({"network": "mlp", "data": "digits", "batch_sizes": (0,)}, "batch size"),
        ({"network": "mlp", "data": "digits", "repeats": -1}, "repeats"),
        ({"network": "mlp", "data": "digits", "options": {"abacus": {}}}, "abacus"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=word):
        crosstrain.compare_inference(**arguments, out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"plan\.json"):
        crosstrain.compare_inference(str(tmp_path), progress=False)


# -- the parts ------------------------------------------------------------------------------------
def test_compared() -> None:
    reference = {"a": np.eye(4), "b": np.ones((4, 1))}
    same = compared({name: value.astype("float32") for name, value in reference.items()}, reference)
    assert same == {"output_error": 0.0, "largest_difference": 0.0, "classes_differ": 0}
    swapped = compared({"a": np.eye(4)[::-1], "b": np.ones((4, 1))}, reference)
    assert swapped["classes_differ"] == 4
    assert swapped["largest_difference"] == 1.0
    assert swapped["output_error"] == pytest.approx(np.sqrt(2))


def test_timed_asks_for_batches_of_the_size_wished() -> None:
    batches = []

    class Listener:
        def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            batches.append(inputs["x"])
            return inputs

    seconds = timed(Listener(), {"x": np.arange(10.0)[:, None]}, 4, 20, 5.0)
    assert len(seconds) == 20
    assert {len(batch) for batch in batches} == {4}
    assert len({float(batch[0, 0]) for batch in batches}) > 1, "always the same examples"
    few = timed(Listener(), {"x": np.arange(3.0)[:, None]}, 8, 6, 5.0)
    assert len(few) == 6


def cell(engine: str, latencies: list[float], repeat: int, error: float = 0.0) -> InferenceCell:
    return InferenceCell(
        id=f"{engine}-{repeat}", network="net", engine=engine, repeat=repeat, status="done",
        latencies=latencies, throughput={"8": [100.0, 110.0, 120.0]}, output_error=error, classes_differ=0,
    )  # fmt: skip


def test_the_soonest_that_agrees_is_recommended() -> None:
    draw = np.random.default_rng(0)
    times = lambda middle: [float(t) for t in middle * (1 + 0.01 * draw.standard_normal(50))]
    cells = [cell("slow", times(2.0), r) for r in range(3)]
    cells += [cell("quick", times(1.0), r) for r in range(3)]
    cells += [cell("like it", times(1.0), r) for r in range(3)]
    cells += [cell("wrong", times(0.1), r, error=0.5) for r in range(3)]
    recommendation = recommend(cells)
    assert recommendation.engine in ("quick", "like it")
    assert "cannot be distinguished from it" in recommendation.reason
    assert "slow takes 2." in recommendation.reason
    assert "wrong" not in recommendation.reason


def test_percentiles_are_of_processes_not_of_the_pool() -> None:
    row = InferenceRow(
        [cell("a", [1.0] * 99 + [9.0], 0), cell("a", [1.0] * 100, 1), cell("a", [1.0] * 100, 2)]
    )
    assert row.percentile(0.999) == 1.0
    assert row.percentile(0.5) == 1.0

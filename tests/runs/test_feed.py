"""Augmented batches through real processes: the same bytes in every Python, in order, and no process left."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.data import Prepared, prepare
from crosstrain.environments.environments import isolated
from crosstrain.errors import CrosstrainError
from crosstrain.runs.feeder import Batches
from crosstrain.runs.feeding import feeder
from crosstrain.runs.process import run_job
from crosstrain.runs.tasks.feed import SLOTS, Feed, Launch
from crosstrain.training.recipe import Recipe
from tests.foreign import needed
from tests.runs.fed import EPOCHS

EVERYTHING = {
    "flip": True, "shift": 1, "rotate": 15, "zoom": 0.1, "crop": 10, "jitter": 0.2, "pca-colour": 0.1,
    "cutout": 3, "mixup": 0.2, "standardize-sample": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("signs")
    random = np.random.default_rng(0)
    np.savez(
        folder / "signs.npz", x=random.integers(0, 256, (150, 12, 12, 3), np.uint8), y=np.arange(150) % 4
    )
    return prepare(f"arrays:{folder / 'signs.npz'}", cache=folder / "cache", augmentation=EVERYTHING)


@pytest.fixture
def feeds() -> Iterator[list[Feed]]:
    """Feeds that are closed in the end."""
    started: list[Feed] = []
    yield started
    for each in started:
        each.close()


def started(data: Prepared, feeds: list[Feed], batch_size: int = 8, processes: int = 1) -> Feed:
    recipe = Recipe(augmentation=EVERYTHING, batch_size=batch_size, seed=2)
    feeds.append(Feed(data, recipe, Launch(**{**feeder(), "processes": processes})))
    return feeds[-1]


def expected(data: Prepared, epoch: int, batch_size: int = 8) -> list[dict[str, np.ndarray]]:
    recipe = Recipe(augmentation=EVERYTHING, batch_size=batch_size, seed=2)
    return list(Batches(data.folder, recipe).epoch(epoch))


def same(batch: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return batch.keys() == other.keys() and all(np.array_equal(batch[name], other[name]) for name in batch)


@pytest.mark.parametrize("processes", [1, 3])
def test_batches_come_in_order_from_any_number_of_processes(
    data: Prepared, feeds: list[Feed], processes: int
) -> None:
    feed = started(data, feeds, processes=processes)
    for epoch in (0, 1):
        got = list(feed.epoch(epoch))
        wanted = expected(data, epoch)
        assert len(got) == len(wanted) > 2 * SLOTS
        assert all(map(same, got, wanted))
        assert len(got[-1]["input/"]) == data.examples("train") % 8
        # Copies: what comes later does not overwrite them.
        assert not np.array_equal(got[0]["input/"], got[SLOTS]["input/"])


def test_an_epoch_that_is_left_in_the_middle(data: Prepared, feeds: list[Feed]) -> None:
    feed = started(data, feeds)
    batches = feed.epoch(0)
    next(batches)
    batches.close()
    assert all(map(same, feed.epoch(1), expected(data, 1)))


def test_a_batch_larger_than_the_data(data: Prepared, feeds: list[Feed]) -> None:
    (batch,) = started(data, feeds, batch_size=1000).epoch(0)
    assert len(batch["input/"]) == data.examples("train")


def test_what_is_wrong_there_is_told_here(data: Prepared, feeds: list[Feed], tmp_path: Path) -> None:
    broken = Prepared(data.folder, {**data.manifest})
    feed = Feed(Prepared(tmp_path, broken.manifest), Recipe(augmentation=EVERYTHING), Launch(**feeder()))
    feeds.append(feed)
    with pytest.raises(CrosstrainError, match="holds no prepared data set"):
        feed.wait()


def test_a_closed_feed_leaves_no_process(data: Prepared, feeds: list[Feed]) -> None:
    feed = started(data, feeds)
    next(feed.epoch(0))
    pids = [process._process.pid for process in feed._processes]
    feed.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def digest(data: Prepared) -> str:
    total = hashlib.sha256()
    for epoch in range(EPOCHS):
        for batch in expected(data, epoch):
            for name, array in sorted(batch.items()):
                total.update(f"{name} {array.shape} {array.dtype}".encode())
                total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax", "mxnet"])
def test_every_engine_reads_the_same_bytes(data: Prepared, engine: str, tmp_path: Path) -> None:
    """In its own Python, with its own NumPy and its own variables."""
    python = str(needed(engine).python)
    paths = [isolated(Path(crosstrain.__file__).parent), Path(__file__).parents[2]]
    job: dict[str, Any] = {
        "task": "tests.runs.fed:run", "engine": engine, "data_folder": str(data.folder), "threads": 1,
        "recipe": Recipe(augmentation=EVERYTHING, batch_size=8, seed=2).to_json(),
        "environment": {"PYTHONPATH": os.pathsep.join(map(str, paths))},
    }  # fmt: skip
    outcome = run_job(job, folder=tmp_path, python=python)
    assert outcome.result is not None, outcome.log.read_text()
    assert outcome.result["batches"] == EPOCHS * len(expected(data, 0))
    assert outcome.result["hash"] == digest(data)
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(data.folder) not in left

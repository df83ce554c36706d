"""One cell trained by several workers: what a single one makes of it, and nothing hangs where one ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.registry import engine_row, engines
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.tasks.workers.communication import Lost, SharedMemory, part_of
from crosstrain.runs.tasks.workers.team import team
from crosstrain.system.files import anonymous_file, read_arrays
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.schedules import Schedule
from tests.runs.test_cell import Job, job, recipe

SOON = [("torch", "float64"), ("torch", "float32"), ("jax", "float64")]
ALL = [
    (name, precision) if (name, precision) in SOON
    else pytest.param(name, precision, marks=pytest.mark.slow("others show the same sooner"))
    for name, row in engines().items() if row.trains and row.importable
    for precision in ("float64", "float32")
]  # fmt: skip
BOUNDS = {"float64": 1e-10, "float32": 1e-5}
EPOCHS = 4
"""Of 5 batches each, whose last has 22 examples in place of 32: 20 steps."""


def run(folder: Path, work: Job, name: str, **more: Any) -> tuple[dict[str, np.ndarray], Outcome]:
    """The trained weights and the outcome of the job with ``more``."""
    out = folder / f"{name}.npz"
    done = run_job({**work, "id": name, "weights_out": str(out), **more}, folder=folder / "logs", timeout=600)
    return (read_arrays(out) if out.exists() else {}), done


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The largest relative error of a weight, by norm."""
    return max(float(np.linalg.norm(one[k] - v) / np.linalg.norm(v)) for k, v in other.items())


@pytest.fixture
def trained(tmp_path: Path) -> Job:
    """A training on PyTorch in float64."""
    if not engine_row("torch").importable:
        pytest.skip("torch is not installed here")
    return job(tmp_path, recipe(epochs=EPOCHS), "torch", precision="float64", evaluate=False)


@pytest.mark.parametrize(("name", "precision"), ALL)
def test_two_workers_train_what_one_does(tmp_path: Path, name: str, precision: str) -> None:
    work = job(tmp_path, recipe(epochs=EPOCHS), name, precision=precision, evaluate=False)
    alone, one = run(tmp_path, work, "one")
    together, two = run(tmp_path, work, "two", workers=2)
    assert (one.status, two.status) == ("done", "done"), two.error
    assert one.result
    assert two.result
    assert (two.result["steps"], two.result["workers"], two.result["apart"]) == (20, 2, [])
    assert 0 < two.result["waiting_seconds"] <= two.result["communication_seconds"]
    assert distance(together, alone) < BOUNDS[precision]
    losses = [[epoch["train_loss"] for epoch in each.result["epochs"]] for each in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=10 * BOUNDS[precision])


def test_a_worker_without_examples_waits_for_the_others(tmp_path: Path, trained: Job) -> None:
    """150 examples in batches of 37: the last has 2, for 3 workers."""
    work = {**trained, "recipe": recipe(epochs=2, batch_size=37, optimizer=Optimizer("adam")).to_json()}
    alone, _ = run(tmp_path, work, "one")
    together, three = run(tmp_path, work, "three", workers=3)
    assert three.status == "done", three.error
    assert distance(together, alone) < 1e-10


def test_a_checkpoint_is_taken_up_by_another_number_of_workers(tmp_path: Path, trained: Job) -> None:
    alone, _ = run(tmp_path, trained, "whole")
    kept = {**trained, "checkpoint": str(tmp_path / "checkpoint.npz"), "resume": True}
    run(tmp_path, {**kept, "recipe": recipe(epochs=2).to_json()}, "begun")
    taken_up, done = run(tmp_path, kept, "taken-up", workers=2)
    assert done.result
    assert (len(done.result["epochs"]), done.result["steps"]) == (EPOCHS, 20)
    assert distance(taken_up, alone) < 1e-10


def test_the_rate_of_a_plateau_reaches_all(tmp_path: Path, trained: Job) -> None:
    plan = Schedule("plateau", {"patience": 1, "factor": 0.5, "min_delta": 10.0})
    work = {**trained, "evaluate": True, "recipe": recipe(epochs=EPOCHS, schedule=plan).to_json()}
    alone, one = run(tmp_path, work, "one")
    together, _ = run(tmp_path, work, "two", workers=2)
    assert one.result
    assert len({epoch["learning_rate"] for epoch in one.result["epochs"]}) > 1
    assert distance(together, alone) < 1e-10


def test_noise_that_workers_draw_apart_is_told(tmp_path: Path) -> None:
    if not engine_row("torch").importable:
        pytest.skip("torch is not installed here")
    work = job(tmp_path, recipe(epochs=1), "torch", noisy=True, evaluate=False)
    _, done = run(tmp_path, work, "two", workers=2)
    assert done.result
    assert done.result["apart"] == ["noise (dropout): each of the 2 workers draws its own"]


# -- what goes wrong --------------------------------------------------------------------------------
def of_rank(rank: int, work: Job) -> int | None:
    """The process of a rank above 0 that does this job."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            jobs = [Path(word.decode()) for word in words if word.endswith(f"/{rank}.json".encode())]
            if jobs and json.loads(jobs[0].read_text())["network_folder"] == work["network_folder"]:
                return int(path.parent.name)
        except OSError:
            continue  # ended meanwhile
    return None


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the system has no /proc to look in")
def test_a_worker_that_is_killed_ends_the_training_with_its_rank(tmp_path: Path, trained: Job) -> None:
    killed: list[float] = []

    def kill(event: dict[str, Any]) -> None:
        process = of_rank(2, trained)
        if event["event"] == "epoch" and process and not killed:
            os.kill(process, signal.SIGKILL)
            killed.append(time.monotonic())

    work = {**trained, "workers": 3, "recipe": recipe(epochs=100_000).to_json()}
    done = run_job(work, folder=tmp_path / "logs", timeout=100, on_event=kill)
    assert killed
    assert time.monotonic() - killed[0] < 10
    assert done.status == "failed"
    assert "rank 2 of 3 workers" in str(done.error)
    assert "SIGKILL" in str(done.error)


def test_a_worker_tells_its_own_error() -> None:
    work = {"task": "train", "engine": "abacus", "workers": 2, "recipe": recipe().to_json()}
    words = "rank 1 of 2 workers: there is no engine 'abacus'"
    with pytest.raises(CrosstrainError, match=words), team(work) as workers:
        workers.sum(np.ones(3))  # type: ignore[union-attr]


def test_several_workers_are_for_the_processor() -> None:
    words = "not on cuda:0; use --device cpu, or one worker"
    with pytest.raises(CrosstrainError, match=words), team({"workers": 2, "device": "cuda:0"}):
        raise AssertionError("not reached")


def test_a_loss_that_is_no_mean_over_examples_is_refused(tmp_path: Path, trained: Job) -> None:
    """Of the sum over a batch, the parts are smaller."""
    path = tmp_path / "network" / "loss.json"
    loss = json.loads(path.read_text())
    loss["nodes"][-1]["op"] = "sum"
    path.write_text(json.dumps(loss))
    _, done = run(tmp_path, trained, "two", workers=2)
    assert (done.status, done.kind) == ("cannot", "refused")
    assert "is no mean over the examples of a batch" in str(done.error)
    assert "use one worker" in str(done.error)


# -- adding up --------------------------------------------------------------------------------------
@pytest.fixture
def three() -> Iterator[list[SharedMemory]]:
    """Three workers in this process."""
    ends: list[dict[int, socket.socket]] = [{}, {}, {}]
    for low, high in ((0, 1), (0, 2), (1, 2)):
        ends[low][high], ends[high][low] = socket.socketpair()
    with anonymous_file() as memory:
        yield [SharedMemory(rank, memory.fileno(), ends[rank]) for rank in range(3)]
        for end in (end for own in ends for end in own.values()):
            end.close()


def test_sums_of_any_length_and_dtype_follow_each_other(three: list[SharedMemory]) -> None:
    forms = [(5, "float64"), (2, "float32"), (3000, "float64"), (3000, "float32"), (5, "float64")] * 20
    random = np.random.default_rng(0)
    vectors = [[random.normal(size=n).astype(dtype) for n, dtype in forms] for _ in three]

    def add(worker: SharedMemory) -> list[np.ndarray]:
        return [worker.sum(vector) for vector in vectors[worker.rank]]

    with ThreadPoolExecutor(3) as pool:
        sums = list(pool.map(add, three))
    for number, parts in enumerate(zip(*vectors, strict=True)):
        wanted = parts[0] + parts[1] + parts[2]
        assert sums[0][number].dtype == wanted.dtype
        for own in sums:
            np.testing.assert_array_equal(own[number], wanted)


def test_nobody_waits_for_a_worker_that_has_gone(three: list[SharedMemory]) -> None:
    for end in three[1]._others.values():
        end.close()
    for rank in (0, 2):
        with pytest.raises(Lost, match="rank 1 has gone"):
            three[rank].sum(np.ones(2))


@pytest.mark.parametrize(("count", "workers"), [(10, 3), (2, 5), (0, 2), (7, 7)])
def test_parts_are_disjoint_and_as_even_as_can_be(count: int, workers: int) -> None:
    parts = [range(count)[part_of(count, rank, workers)] for rank in range(workers)]
    assert [each for part in parts for each in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1

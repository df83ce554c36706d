"""Workers that crash, hang, overeat, babble: each ends in an outcome, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.runs.process import Interrupted, Outcome, environment, run_job

ROOT = Path(__file__).parents[2]
Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # a worker's path is safe: it has no current folder in it

    def run(task: str, *, job: dict[str, Any] | None = None, **more: Any) -> Outcome:
        return run_job({"task": f"tests.runs.faulty:{task}", **(job or {})}, folder=tmp_path / "logs", **more)

    return run


def gone(pid: int, within: float = 5.0) -> bool:
    """Whether a process has ended (a zombie has)."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_events_result_and_log_are_kept_apart(run: Run) -> None:
    events: list[dict] = []
    outcome = run("well", job={"threads": 1, "device": "cpu", "id": "a cell/1"}, on_event=events.append)
    assert outcome.status == "done"
    assert outcome.error is None
    assert [e["step"] for e in events] == [0, 1, 2]
    assert outcome.result is not None
    assert outcome.result["stdin"] == ""
    assert outcome.result["environment"]["OMP_NUM_THREADS"] == "1"
    assert outcome.result["environment"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert outcome.log.name == "a-cell-1.log"
    text = outcome.log.read_text()
    for words in ("printed to stdout", "written to descriptor 1", "printed to stderr"):
        assert words in text
    assert outcome.garbage == 0
    assert 0 < outcome.seconds < 60


def test_a_second_run_keeps_the_log_of_the_first(run: Run) -> None:
    logs = {run("well", job={"id": "cell"}).log.name for _ in range(2)}
    assert logs == {"cell.log", "cell-2.log"}


def test_peak_memory_is_the_workers_own(run: Run) -> None:
    """What the supervisor holds does not count (ru_maxrss would start from it)."""
    ballast = np.ones(600 * 2**20, np.uint8)
    outcome = run("well")
    assert outcome.peak_memory_bytes is not None
    assert 5 * 2**20 < outcome.peak_memory_bytes < 300 * 2**20 < ballast.nbytes


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("abort", "aborted"),
        ("segfault", "segmentation fault"),
        ("killed", "memory runs out"),
        ("leave", "exit code 3"),
    ],
)
def test_a_crash_is_reported_in_words(run: Run, task: str, words: str) -> None:
    outcome = run(task)
    assert outcome.status == "crashed"
    assert outcome.result is None
    assert words in (outcome.error or "")


@pytest.mark.parametrize(
    ("task", "status", "kind", "words"),
    [
        ("refused", "cannot", "refused", "the input is 3 channels and the data has 1"),
        ("cannot", "cannot", "cannot", "torch does not support the op 'warp'"),
        ("fails", "failed", "failed", "ZeroDivisionError: division by zero"),
        ("full_disk", "failed", "storage", "the disk is full"),
        ("no_memory", "memory", "memory", "not enough memory"),
        ("unspeakable", "failed", "failed", "an event cannot hold a object"),
        ("missing", "failed", "failed", "missing"),
    ],
)
def test_an_error_says_its_kind(run: Run, task: str, status: str, kind: str, words: str) -> None:
    outcome = run(task)
    assert (outcome.status, outcome.kind) == (status, kind)
    assert words in (outcome.error or "")
    assert "Traceback" in outcome.log.read_text()


def test_a_task_that_is_not_there(tmp_path: Path) -> None:
    outcome = run_job({"task": "dance"}, folder=tmp_path)
    assert outcome.status == "failed"
    assert "no task 'dance'" in (outcome.error or "")


def test_a_hanging_worker_is_stopped_in_time(run: Run) -> None:
    events: list[dict] = []
    outcome = run("hang", timeout=1.5, on_event=events.append)
    assert outcome.status == "timeout"
    assert "1.5 s" in (outcome.error or "")
    assert outcome.seconds < 5
    assert gone(events[0]["pid"])


@pytest.mark.parametrize("task", ["hang_with_children", "crash_with_child"])
def test_descendants_end_with_their_worker(run: Run, task: str) -> None:
    events: list[dict] = []
    outcome = run(task, timeout=3, on_event=events.append)
    assert outcome.status in ("timeout", "crashed")
    assert events[0]["pids"]
    assert all(gone(pid) for pid in events[0]["pids"])


@pytest.mark.parametrize("task", ["eat", "eat_in_child"])
def test_memory_is_limited_over_the_whole_tree(run: Run, task: str) -> None:
    limit = 300 * 2**20
    outcome = run(task, memory_limit=limit, timeout=60)
    assert outcome.status == "memory"
    assert "limit is 300 MiB" in (outcome.error or "")
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes > limit


def test_garbage_in_the_protocol_costs_no_event(run: Run) -> None:
    events: list[dict] = []
    outcome = run("garbage", on_event=events.append)
    assert outcome.status == "done"
    assert outcome.result == {"whole": True}
    assert [e["step"] for e in events] == [0, 1]
    assert outcome.garbage == 4
    assert "4 lines of the protocol were no events" in outcome.log.read_text()


def test_a_flood_of_events_arrives_whole(run: Run) -> None:
    steps: list[int] = []
    outcome = run("flood", on_event=lambda e: steps.append(e["step"]))
    assert outcome.result == {"last": 19_999}
    assert steps == list(range(20_000))


def test_an_endless_flood_is_stopped_in_time(run: Run) -> None:
    outcome = run("endless_flood", timeout=1.5)
    assert outcome.status == "timeout"
    assert outcome.seconds < 6


def test_a_worker_that_closes_its_pipe_is_still_watched(run: Run) -> None:
    outcome = run("silent_but_alive", timeout=1.5)
    assert outcome.status == "timeout"


def test_ctrl_c_ends_the_worker_and_is_raised_again(run: Run) -> None:
    events: list[dict] = []

    def once(event: dict) -> None:
        events.append(event)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(Interrupted) as caught:
        run("hang_with_children", on_event=once, timeout=30)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.outcome.status == "interrupted"
    assert caught.value.outcome.seconds < 10
    assert all(gone(pid) for pid in events[0]["pids"])


def test_a_failing_listener_leaves_no_worker(run: Run) -> None:
    pids: list[int] = []

    def fail(event: dict) -> None:
        pids.append(event["pid"])
        raise RuntimeError("the screen is gone")

    with pytest.raises(RuntimeError, match="the screen is gone"):
        run("hang", on_event=fail)
    assert gone(pids[0])


def test_the_worker_and_its_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from crosstrain.runs.process import run_job\n"
        "run_job({'task': 'tests.runs.faulty:hang_with_children'}, folder=Path(sys.argv[1]),"
        " on_event=lambda e: print(*e['pids'], flush=True))"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip
    assert supervisor.stdout is not None
    worker, child, stranger = map(int, supervisor.stdout.readline().split())
    assert not gone(worker, within=0.2)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    try:
        assert gone(worker)
        assert gone(child)
    finally:
        os.kill(stranger, signal.SIGKILL)  # it left the group: only a living supervisor finds it


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="cannot be started"):
        run_job({"task": "describe"}, folder=tmp_path, python=str(tmp_path / "python"))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        run_job({"task": "describe"}, folder=tmp_path / "file" / "logs")


def test_the_environment_says_everything_before_an_import() -> None:
    variables = environment({"threads": 2, "device": "cpu", "keras_backend": "numpy"})
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC"):
        assert variables[name] == "2"
    assert variables["KERAS_BACKEND"] == "numpy"
    assert variables["JAX_PLATFORMS"] == "cpu"
    assert "JAX_PLATFORMS" not in environment({"device": "cuda:0"}) or "JAX_PLATFORMS" in os.environ

"""Workers that are started ahead of their jobs: they do them as any other, and none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import default
from crosstrain.errors import StorageError
from crosstrain.runs.process import Interrupted, Outcome, run_job
from crosstrain.runs.spares import Spares
from tests.runs.test_process import ROOT, gone

Workers = Callable[[], list[int]]

WELL = {"task": "tests.runs.faulty:well", "device": "cpu", "threads": 1}


PATH = os.pathsep.join([str(ROOT / "src"), str(ROOT)])


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PATH)


def children() -> set[int]:
    """The living processes below this one."""
    below = psutil.Process().children(recursive=True)
    return {child.pid for child in below if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def workers() -> Callable[[], list[int]]:
    """The living processes that a test has started. Those of earlier tests do not count: multiprocessing's
    tracker of resources lives as long as Python."""
    before = children()
    return lambda: sorted(children() - before)


@pytest.fixture
def spares(tmp_path: Path, workers: Workers) -> Iterator[Spares]:
    """Leaves no process and no log of its own."""
    with Spares(tmp_path / "logs") as spares:
        yield spares
    assert not workers()
    assert not list((tmp_path / "logs").glob("spare*"))


def run(spares: Spares, job: dict[str, Any], folder: Path, **more: Any) -> Outcome:
    return run_job(job, folder=folder / "logs", waiting=spares.take, **more)


def test_a_spare_does_the_job(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    spares.start(WELL)
    (waiting,) = workers()
    events: list[dict[str, Any]] = []
    outcome = run(spares, {**WELL, "id": "a", "steps": 2}, tmp_path, on_event=events.append)
    assert outcome.status == "done"
    assert outcome.result is not None
    assert outcome.result["pid"] == waiting
    assert outcome.result["environment"]["OMP_NUM_THREADS"] == "1"
    assert outcome.result["stdin"] == ""
    assert [event["step"] for event in events] == [0, 1]
    assert outcome.log == tmp_path / "logs" / "a.log"
    text = outcome.log.read_text()
    for words in ("printed to stdout", "written to descriptor 1", "printed to stderr"):
        assert words in text
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes > 5 * 2**20
    assert run(spares, WELL, tmp_path).status == "done"  # a second job: none waits any more


def test_what_a_job_needs_is_there_before_it(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    job = {"task": "tests.runs.faulty:modules", "engine": default()[0], "device": "cpu"}
    spares.start(job)
    (waiting,) = workers()
    outcome = run(spares, job, tmp_path)
    assert outcome.result is not None
    assert outcome.result["pid"] == waiting
    assert engine_row(default()[0]).module in outcome.result["modules"]


@pytest.mark.parametrize(
    "other",
    [{"threads": 2}, {"environment": {"OURS": "1"}}, {"cores": [0]}, {"task": "tests.runs.faulty:hang"}],
    ids=["threads", "environment", "cores", "task"],
)
def test_a_job_of_another_shape_gets_a_worker_of_its_own(
    spares: Spares, tmp_path: Path, workers: Workers, other: dict[str, Any]
) -> None:
    spares.start({**WELL, **other})
    (waiting,) = workers()
    outcome = run(spares, WELL, tmp_path)
    assert outcome.result is not None
    assert outcome.result["pid"] != waiting
    assert not gone(waiting, within=0.1)


def test_another_python_is_another_shape(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    spares.start(WELL)
    (waiting,) = workers()
    same = tmp_path / "python"
    same.symlink_to(sys.executable)
    assert spares.take(WELL, str(same), tmp_path / "job.json", tmp_path / "log") is None
    assert not gone(waiting, within=0.1)


def test_a_job_s_cores_are_its_spare_s(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    core = min(os.sched_getaffinity(0))
    job = {"task": "tests.runs.faulty:modules", "cores": [core]}
    spares.start(job)
    (waiting,) = workers()
    outcome = run(spares, job, tmp_path)
    assert outcome.result is not None
    assert (outcome.result["pid"], outcome.result["cores"]) == (waiting, [core])


def test_a_dead_spare_costs_nothing(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    spares.start(WELL)
    (waiting,) = workers()
    os.kill(waiting, signal.SIGKILL)
    assert gone(waiting)
    outcome = run(spares, WELL, tmp_path)
    assert outcome.status == "done"
    assert outcome.result is not None
    assert outcome.result["pid"] != waiting


def test_a_death_while_importing_is_the_job_s(spares: Spares, tmp_path: Path) -> None:
    job = {"task": "tests.runs.dies_imported:run"}
    spares.start(job)
    outcome = run(spares, job, tmp_path)
    assert outcome.status == "crashed"
    assert "aborted" in (outcome.error or "")
    assert "the library for matrices is not there" in outcome.log.read_text()


@pytest.mark.parametrize("task", ["missing", "fails", "refused"])
def test_errors_are_those_of_any_worker(spares: Spares, tmp_path: Path, task: str) -> None:
    job = {"task": f"tests.runs.faulty:{task}"}
    spares.start(job)
    ahead, usual = run(spares, job, tmp_path), run(spares, job, tmp_path)
    assert (ahead.status, ahead.kind, ahead.error) == (usual.status, usual.kind, usual.error)
    assert "Traceback" in ahead.log.read_text()


def test_limits_are_those_of_any_worker(spares: Spares, tmp_path: Path, workers: Workers) -> None:
    for task in ("hang", "eat"):
        spares.start({"task": f"tests.runs.faulty:{task}"})
    slow = run(spares, {"task": "tests.runs.faulty:hang"}, tmp_path, timeout=1.0)
    large = run(spares, {"task": "tests.runs.faulty:eat"}, tmp_path, memory_limit=300 * 2**20, timeout=60)
    assert (slow.status, large.status) == ("timeout", "memory")
    assert not workers()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Spares(tmp_path / "file" / "logs") as spares, pytest.raises(StorageError, match="not a folder"):
        spares.start(WELL)


def test_an_error_ends_those_that_wait(tmp_path: Path, workers: Workers) -> None:
    with pytest.raises(RuntimeError, match="the screen is gone"), Spares(tmp_path) as spares:  # noqa: PT012
        spares.start(WELL)
        (waiting,) = workers()
        raise RuntimeError("the screen is gone")
    assert gone(waiting, within=0.1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["ctrl-c", "stop"])
def test_an_interrupted_job_ends_its_spare_and_the_others(tmp_path: Path, workers: Workers, way: str) -> None:
    stop, pids = threading.Event(), []

    def interrupt(event: dict[str, Any]) -> None:
        pids.extend(event["pids"])
        end = stop.set if way == "stop" else lambda: os.kill(os.getpid(), signal.SIGINT)
        threading.Timer(0.2, end).start()

    job = {"task": "tests.runs.faulty:hang_with_children"}
    with pytest.raises(Interrupted), Spares(tmp_path / "logs") as spares:  # noqa: PT012
        spares.start(job)
        spares.start(WELL)
        pids += workers()
        run(spares, job, tmp_path, on_event=interrupt, stop=stop)
    assert len(set(pids)) == 4
    assert all(gone(pid) for pid in pids)


def test_a_spare_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from crosstrain.runs.spares import Spares\n"
        "import psutil\n"
        "with Spares(Path(sys.argv[1])) as spares:\n"
        "    spares.start({'task': 'tests.runs.faulty:well'})\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": PATH}, text=True,
    )  # fmt: skip
    assert supervisor.stdout is not None
    waiting = int(supervisor.stdout.readline())
    assert not gone(waiting, within=0.2)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    assert gone(waiting)

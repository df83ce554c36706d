"""Several tasks at a time: how many, in what order, and that none outlives what asked for it."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from crosstrain.runs import at_once as module
from crosstrain.runs.at_once import MEMORY_EACH, Task, at_once, slots
from crosstrain.runs.process import Interrupted, run_job

HERE = "tests.runs.test_at_once"


def test_tasks_really_run_side_by_side() -> None:
    together = threading.Barrier(2, timeout=10)  # breaks where one waits for the other to end

    def task(stop: threading.Event) -> int:
        return together.wait()

    assert sorted(number for number, _ in at_once([task] * 2, 2)) == [0, 1]


def test_no_more_run_than_may_and_they_begin_in_order() -> None:
    running, most, begun = [0], [0], []
    lock = threading.Lock()

    def task(number: int) -> Task[int]:
        def go(stop: threading.Event) -> int:
            with lock:
                begun.append(number)
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.02)
            with lock:
                running[0] -= 1
            return number * number

        return go

    results = dict(at_once([task(number) for number in range(9)], 3))
    assert results == {number: number * number for number in range(9)}
    assert most[0] <= 3
    assert begun[0] == 0
    assert sorted(begun) == list(range(9))


def test_an_error_stops_those_beside_it_and_begins_no_further() -> None:
    begun = threading.Event()
    seen: list[str] = []

    def fails(stop: threading.Event) -> None:
        begun.wait(10)
        raise OSError("no space")

    def waits(stop: threading.Event) -> None:
        begun.set()
        seen.append("stopped" if stop.wait(10) else "left alone")

    def never(stop: threading.Event) -> None:
        seen.append("begun")

    with pytest.raises(OSError, match="no space"):
        list(at_once([fails, waits, never], 2))
    assert seen == ["stopped"]


def test_where_the_consumer_goes_away_no_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Ctrl-C, which only the main thread hears."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pids: list[int] = []
    both = threading.Event()
    ended: list[BaseException] = []

    def hear(event: dict[str, object]) -> None:
        pids.append(int(str(event["pid"])))
        if len(pids) == 2:
            both.set()

    def work(stop: threading.Event) -> None:
        try:
            run_job({"task": f"{HERE}:lasting"}, folder=tmp_path, on_event=hear, stop=stop)
        except Interrupted as error:
            ended.append(error)
            raise

    def soon(stop: threading.Event) -> str:
        both.wait(60)
        return "first"

    def go_away_after_the_first() -> None:
        with closing(at_once([work, work, soon], 3)) as outcomes:
            for _ in outcomes:
                raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        go_away_after_the_first()
    assert time.monotonic() - started < 60
    assert len(ended) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def lasting(job: dict[str, object], emit: object) -> dict[str, object]:
    """A task that does not end by itself."""
    import os

    emit({"event": "here", "pid": os.getpid()})  # type: ignore[operator]
    time.sleep(600)
    return {}


def test_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 16)
    assert slots(40, free=1000 * MEMORY_EACH) == 16
    assert slots(3, free=1000 * MEMORY_EACH) == 3
    assert slots(40, free=5 * MEMORY_EACH) == 5
    assert slots(40, each=3 * MEMORY_EACH, free=10 * MEMORY_EACH) == 3, "a large network's proofs"
    assert slots(40, free=1000 * MEMORY_EACH, on_device=4 * MEMORY_EACH) == 4
    assert slots(40, free=0) == 1
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    assert slots(40, free=1000 * MEMORY_EACH) == 2

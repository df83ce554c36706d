"""What else the machine did: another process is seen, the job itself is not, and looking costs next to
nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crosstrain.runs.process import run_job
from crosstrain.system import surroundings
from crosstrain.system.process_tree import Tree
from crosstrain.system.surroundings import Surroundings

BURN = "while True: pass"


@contextmanager
def burning() -> Iterator[int]:
    """A process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", BURN], start_new_session=True)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@dataclass
class Core:
    user: float = 0.0
    steal: float = 0.0
    system: float = 0.0


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    """The only core of a machine whose counters and clock a test moves: real ones are never quiet."""
    fake = Core()
    monkeypatch.setattr(surroundings, "_usable", lambda: [0])
    monkeypatch.setattr(surroundings.psutil, "cpu_times", lambda percpu: [fake])
    monkeypatch.setattr(surroundings.time, "process_time", lambda: 0.0)
    return fake


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(surroundings.time, "monotonic", lambda: seconds)


def test_what_others_use_is_what_the_job_does_not(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    used = [0.0]
    at(monkeypatch, 100.0)
    watched = Surroundings(lambda: used[0])
    core.user, core.steal, used[0] = 9.0, 0.5, 6.0
    at(monkeypatch, 110.0)
    watched.sample()
    report = watched.to_json()
    assert report["other_load"] == pytest.approx(0.3)
    assert report["stolen_load"] == pytest.approx(0.05)


def test_too_short_a_time_says_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 100.0)
    watched = Surroundings(lambda: 0.0)
    at(monkeypatch, 100.3)
    watched.sample()
    assert watched.to_json() == dict.fromkeys(("other_load", "stolen_load", "throttled", "megahertz"))


def test_a_job_that_is_gone_ends_it(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[float | None] = [1.0]
    at(monkeypatch, 0.0)
    watched = Surroundings(lambda: used[0])
    core.user, used[0] = 2.0, 3.0
    at(monkeypatch, 2.0)
    watched.sample()
    core.user, used[0] = 9.0, None
    at(monkeypatch, 9.0)
    watched.sample()
    assert watched.to_json()["other_load"] == 0.0


def test_heat_and_frequency_where_the_system_tells(
    core: Core, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counter = tmp_path / "cpu0" / "thermal_throttle" / "core_throttle_count"
    speed = tmp_path / "cpu0" / "cpufreq" / "scaling_cur_freq"
    for path, value in ((counter, "7"), (speed, "3200000")):
        path.parent.mkdir(parents=True)
        path.write_text(f"{value}\n")
    at(monkeypatch, 0.0)
    watched = Surroundings(lambda: 0.0, tmp_path)
    at(monkeypatch, 10.0)
    watched.sample()
    counter.write_text("9\n")
    speed.write_text("2800000\n")
    at(monkeypatch, 20.0)
    watched.sample()
    report = watched.to_json()
    assert report["throttled"] == 2
    assert report["megahertz"] == 3000


def test_a_real_process_is_its_own_load_and_a_second_one_is_not() -> None:
    """With one burning process beside the job, others' load is the larger by some of a core."""
    with burning() as job, burning():
        used = Tree(job).processor_seconds
        watched = Surroundings(used)
        started, began = time.monotonic(), used() or 0.0
        while time.monotonic() - started < 2.5:
            time.sleep(0.2)
            watched.sample()
        own = ((used() or 0.0) - began) / (time.monotonic() - started)
        other = watched.to_json()["other_load"]
    assert own > 0.1
    assert other > 0.1


def test_a_job_tells_what_was_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    job = {"task": "tests.runs.test_surroundings:busy"}
    around = run_job(job, folder=tmp_path).surroundings
    assert around["other_load"] is not None
    assert around["other_load"] >= 0.0


def busy(job: dict[str, object], emit: object) -> dict[str, object]:
    """A task: keeps a core for a while."""
    until = time.monotonic() + 1.8
    while time.monotonic() < until:
        pass
    return {}

"""A comparison's folder under a full disk, a second comparison, a killed supervisor, damaged files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.runs.process import run_job
from crosstrain.runs.store import Store
from crosstrain.system.files import TEMPORARY, read_arrays, write_arrays, write_bytes, write_json, write_whole
from tests.runs.supervisor import CELLS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "comparison") as store:
        yield store


def python(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


# -- what is kept ---------------------------------------------------------------------------------
def test_cells_are_found_again(store: Store) -> None:
    assert store.cell("a") is None
    weights = {"dense/kernel": np.arange(6.0).reshape(2, 3), "file": np.array(3, np.int64)}
    store.write_cell("a", {"status": "done", "epochs": [{"train_loss": float("nan")}]}, weights)
    again = Store(store.folder)
    assert again.finished(["a", "b"]) == {"a": {"status": "done", "epochs": [{"train_loss": None}]}}
    for name, value in again.weights("a").items():
        assert np.array_equal(value, weights[name])
        assert value.dtype == weights[name].dtype
    assert not list(store.folder.rglob(f"*{TEMPORARY}"))


def test_the_plan(store: Store) -> None:
    assert store.plan() is None
    store.write_plan({"cells": ["a"]})
    assert store.plan() == {"cells": ["a"]}
    (store.folder / "plan.json").write_text("{")
    with pytest.raises(CrosstrainError, match=r"plan\.json is damaged"):
        store.plan()


@pytest.mark.parametrize("content", [b"", b'{"status": "do', b"[1]", b"\xff\xfe\x00", b"null"])
def test_a_damaged_cell_is_reported_and_done_again(store: Store, content: bytes) -> None:
    (store.cells / "a.json").write_bytes(content)
    assert store.cell("a") is None
    assert "a.json is damaged; the cell is run again" in store.warnings[0]
    store.write_cell("a", {"status": "done"})
    assert store.cell("a") == {"status": "done"}


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".a", "a\n"])
def test_a_name_cannot_leave_the_folder(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name"):
        store.write_cell(name, {})


def test_what_dead_writers_left_is_taken_away(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        temporaries = [store.folder / f"plan.json.1{TEMPORARY}", store.cells / f"a.npz.1{TEMPORARY}"]
        for path in temporaries:
            path.write_text("half")
    with Store(tmp_path):
        assert not any(path.exists() for path in temporaries)


def test_pickles_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a.npz", {"x": np.array([object()])})
    assert list(tmp_path.iterdir()) == []
    np.savez(tmp_path / "b.npz", x=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path / "b.npz")


# -- two at once ----------------------------------------------------------------------------------
def test_a_second_comparison_in_the_folder_is_refused(store: Store) -> None:
    with pytest.raises(CrosstrainError, match=r"another crosstrain .* is at work"), Store(store.folder):
        pass
    other = python("-m", "tests.runs.supervisor", str(store.folder))
    _, errors = other.communicate(timeout=60)
    assert other.returncode != 0
    assert f"another crosstrain (process {os.getpid()}) is at work in {store.folder}" in errors
    assert list(store.cells.iterdir()) == []


def test_the_folder_is_free_again_afterwards(store: Store) -> None:
    store.__exit__(None, None, None)
    with Store(store.folder):
        pass


# -- a killed supervisor --------------------------------------------------------------------------
def test_killed_in_the_middle_a_second_run_repeats_nothing(tmp_path: Path) -> None:
    first = python("-m", "tests.runs.supervisor", str(tmp_path), "c")
    assert first.stdout is not None
    assert first.stderr is not None
    lines: list[str] = []
    while "start c" not in lines:
        lines.append(first.stdout.readline().strip())
        assert lines[-1], first.stderr.read()
    while (tmp_path / "marks").read_text().split() != ["a", "b", "c"]:
        time.sleep(0.05)  # the worker of c is at work when its supervisor dies
    first.kill()
    assert first.wait() == -signal.SIGKILL
    first.communicate()
    cells = {path.name: path.read_bytes() for path in (tmp_path / "cells").glob("*.json")}
    assert set(cells) == {"a.json", "b.json"}

    second = python("-m", "tests.runs.supervisor", str(tmp_path))
    out, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    assert out.split() == ["start", "c", "kept", "c", "start", "d", "kept", "d"]
    assert (tmp_path / "marks").read_text().split() == ["a", "b", "c", "c", "d"]
    for name, content in cells.items():
        assert (tmp_path / "cells" / name).read_bytes() == content
    assert set(Store(tmp_path).finished(CELLS)) == set(CELLS)


# -- a full disk ----------------------------------------------------------------------------------
@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB; skipped where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_keeps_what_was_finished(full_disk: Path) -> None:
    with Store(full_disk / "comparison") as store:
        store.write_cell("a", {"status": "done"}, {"w": np.zeros(1000)})
        before = {path: path.read_bytes() for path in store.cells.iterdir()}
        with pytest.raises(StorageError, match="the disk is full") as caught:
            store.write_cell("b", {"status": "done"}, {"w": np.zeros(10**6)})
        assert str(store.cells / "b.npz") in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(StorageError, match="the disk is full"):
            store.write_cell("a", {"status": "x" * 2**21})
        assert {path: path.read_bytes() for path in store.cells.iterdir()} == before
        assert store.finished(["a", "b"]) == {"a": {"status": "done"}}


def test_a_job_that_cannot_be_written_is_not_started(full_disk: Path) -> None:
    (full_disk / "filling").write_bytes(b"x" * (2**20 - 8192))
    with pytest.raises(StorageError, match="the disk is full"):
        run_job({"task": "describe", "filling": "x" * 2**16}, folder=full_disk / "logs")


def test_a_worker_whose_log_is_full_says_so(full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    outcome = run_job({"task": "tests.runs.faulty:chatty"}, folder=full_disk / "logs")
    assert (outcome.status, outcome.kind) == ("failed", "storage")
    assert "the disk is full" in (outcome.error or "")


def limited(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that may write no file larger than 64 KiB (a full disk for everybody)."""
    # The child limits itself: forking this process, in which other tests have started frameworks, might hang.
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))\n"
    )
    return subprocess.run([sys.executable, "-c", limit + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "write",
    [
        "write_arrays(path, {'w': np.zeros(10**5)})",
        "write_json(path, ['x' * 10**5])",
        "checkpoint.save(path, State({'w': np.zeros(10**5)}), Progress(), {})",
    ],
)
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path, write: str) -> None:
    path = tmp_path / "kept"
    path.write_text("the old one")
    done = limited(
        "from pathlib import Path; import numpy as np\n"
        "from crosstrain.engines.contract import State\n"
        "from crosstrain.errors import StorageError\n"
        "from crosstrain.runs.tasks import checkpoint\n"
        "from crosstrain.runs.tasks.checkpoint import Progress\n"
        "from crosstrain.system.files import write_arrays, write_json\n"
        f"path = Path({str(path)!r})\n"
        f"try:\n    {write}\nexcept StorageError as error:\n    print(error)"
    )
    assert done.stderr == ""
    assert done.stdout.strip() == f"cannot write {path}: the file would be larger than the system allows"
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", write)
    assert list(tmp_path.iterdir()) == []
    write_bytes(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"), Store(tmp_path / "file" / "comparison"):
        pass


def test_json_has_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [float("nan"), float("-inf"), 1.5], "y": (1,)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, None, 1.5], "y": [1]}

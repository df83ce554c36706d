"""The cache: content decides, folders are whole or absent, and processes do not disturb each other."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstrain.data import prepare
from crosstrain.data.cache import UNFINISHED, Cache
from crosstrain.errors import CrosstrainError, StorageError
from tests.data.making import class_folders, mnist_folder


def folders(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "data").iterdir() if path.is_dir())


def test_the_second_time_nothing_is_done(tmp_path: Path, prepared: Callable) -> None:
    spec = f"mnist:{mnist_folder(tmp_path / 'm', train=2000)}"
    first, calls = prepared(spec, size=32), []
    again = prepared(spec, size=32, progress=lambda *event: calls.append(event))
    assert (first.cached, again.cached) == (False, True)
    assert again.folder == first.folder
    assert "preparing" not in {what for _, _, what in calls}


def test_identical_sources_have_the_same_hash(tmp_path: Path, prepared: Callable) -> None:
    one = class_folders(tmp_path / "one")
    shutil.copytree(one, tmp_path / "two", copy_function=shutil.copyfile)
    first, second = prepared(f"folder:{one}", size=8), prepared(f"folder:{tmp_path / 'two'}", size=8)
    assert first.hash == second.hash
    assert second.cached
    assert second.manifest["spec"] == f"folder:{tmp_path / 'two'}"


def test_content_and_every_setting_change_the_hash(tmp_path: Path, prepared: Callable) -> None:
    root = class_folders(tmp_path / "pets")
    settings = [{}, {"size": 9}, {"size": (8, 9)}, {"channels": 1}, {"seed": 1}]
    hashes = [prepared(f"folder:{root}", **{"size": 8, **changed}).hash for changed in settings]
    shutil.copyfile(root / "cat" / "000.png", root / "dog" / "000.png")
    hashes.append(prepared(f"folder:{root}", size=8).hash)
    (root / "cat" / "001.png").rename(root / "cat" / "new.png")
    hashes.append(prepared(f"folder:{root}", size=8).hash)
    assert len(set(hashes)) == len(hashes) == 7


def test_a_change_without_a_trace_in_the_size_is_seen(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, (1e9, 1e9))
    store = Cache(cache)
    first = store.content_hash([("", path)])
    path.write_bytes(b"two")
    os.utime(path, (1e9, 1e9))
    assert store.content_hash([("", path)]) != first


def test_settled_files_are_hashed_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    store, read = Cache(cache), []
    monkeypatch.setattr("crosstrain.data.cache._hash_file", lambda p: read.append(p) or b"digest")
    store.content_hash([("", path)])
    store.content_hash([("", path)])
    assert len(read) == 2, "a file written just now may change again within the clock's tick"
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
    store.content_hash([("", path)])
    store.content_hash([("", path)])
    assert len(read) == 3


def test_a_damaged_folder_is_prepared_anew(prepared: Callable) -> None:
    first = prepared("digits")
    pixels = first.arrays("train")[0][""].copy()
    (first.folder / "train.input.npy").write_bytes(b"nothing")
    again = prepared("digits")
    assert not again.cached
    assert np.array_equal(again.arrays("train")[0][""], pixels)
    (first.folder / "manifest.json").write_text("{")
    assert not prepared("digits").cached


def test_a_truncated_array_is_prepared_anew(prepared: Callable) -> None:
    path = prepared("digits").folder / "train.input.npy"
    os.truncate(path, path.stat().st_size - 1)
    assert not prepared("digits").cached


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), CrosstrainError("no"), OSError(errno.ENOSPC, "full")]
)
def test_nothing_stays_of_a_failure(
    cache: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("crosstrain.data.preparation.write_json", fail)
    expected = StorageError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected):
        prepare("digits", cache=cache)
    assert folders(cache) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path, cache: Path) -> None:
    """In a process whose files may not grow: the arrays' room is asked for before they are mapped."""
    code = (
        "import resource, signal, sys; from crosstrain.data import prepare; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000,) * 2); "
        f"prepare('digits', size=32, cache={str(cache)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, "not killed by a signal"
    assert "StorageError: cannot write" in done.stderr.splitlines()[-1]
    assert folders(cache) == []


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path, cache: Path) -> None:
    root = mnist_folder(tmp_path / "m")
    code = (
        "import time, crosstrain.data.preparation as p; p._class_counts = lambda *_: time.sleep(600); "
        f"p.prepare('mnist:{root}', size=32, cache=__import__('pathlib').Path({str(cache)!r}))"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not list(cache.glob(f"data/*{UNFINISHED}/test.target.npy")):
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.02)
        prepare("digits", cache=cache)
        assert len(list(cache.glob(f"data/*{UNFINISHED}"))) == 1, "a living process's folder is left alone"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    prepare("digits", size=9, cache=cache)
    assert not list(cache.glob(f"data/*{UNFINISHED}"))
    assert len(folders(cache)) == 2


def test_processes_at_once_prepare_once(tmp_path: Path, cache: Path) -> None:
    root = mnist_folder(tmp_path / "m", train=500)
    code = (
        "import json; from pathlib import Path; from crosstrain.data import prepare; "
        f"d = prepare('mnist:{root}', size=32, cache=Path({str(cache)!r})); "
        "print(json.dumps([d.cached, d.hash, len(d.arrays('train')[0][''])]))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    results = [json.loads(child.communicate(timeout=120)[0]) for child in children]
    assert sorted(cached for cached, _, _ in results) == [False, True, True, True]
    assert len({content for _, content, _ in results}) == 1
    assert {count for _, _, count in results} == {450}
    assert len(folders(cache)) == 1


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "elsewhere"))
    assert prepare("digits").folder.is_relative_to(tmp_path / "elsewhere")


def test_a_cache_that_cannot_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a part of that path is a file"):
        prepare("digits", cache=tmp_path / "file")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "data").write_text("x")
    with pytest.raises(CrosstrainError, match="there is a file in its place"):
        prepare("digits", cache=tmp_path / "dir")

"""The cache of prepared data: content hashes, and folders that are either whole or not there.

A folder is filled under a temporary name and renamed when complete. A lock for each folder lets a second
process wait for the first; the system frees it when a process dies, so nothing stale can remain.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crosstrain.data.prepared import Prepared
from crosstrain.data.source import Files
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import storage_errors, write_json
from crosstrain.system.locks import LOCKS, locked
from crosstrain.system.places import cache_root

UNFINISHED = ".part"
_SETTLED_NANOSECONDS = 2_000_000_000
"""A file changed more recently than this may change again without its time of change showing it."""

Progress = Callable[[int, int, str], None]


class Cache:
    """Prepared data sets under ``root`` (default: ``$CROSSTRAIN_CACHE``, else the user's cache folder)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (Path(root).expanduser().absolute() if root else cache_root()) / "data"
        with storage_errors(self.root):
            try:
                self.root.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                raise CrosstrainError(
                    f"the cache cannot be {self.root}: there is a file in its place"
                ) from error

    def content_hash(self, files: Files, progress: Progress | None = None) -> str:
        """SHA-256 over names and bytes of ``files``, in order of their names.

        Remembered by path, size and times of change, so that big sources are read once.
        """
        ordered = sorted(files)
        facts, newest = _facts(ordered)
        note = self.root / f"source-{_digest(json.dumps(facts))[:32]}.json"
        cached = _read_note(note)
        if cached is not None:
            return cached
        content = _hash_files(ordered, progress)
        if time.time_ns() - newest > _SETTLED_NANOSECONDS:
            write_json(note, {"content": content})
        return content

    def obtain(self, name: str, fill: Callable[[Path], None]) -> Prepared:
        """The prepared data set in the folder ``name``; ``fill(folder)`` makes it if it is not there.

        When ``fill`` raises, or is interrupted, nothing stays. What processes that died left behind is
        removed.
        """
        folder = self.root / name
        ready = _ready(folder)
        if ready is not None:
            return ready
        with storage_errors(self.root), locked(self._lock(name)):
            ready = _ready(folder)
            if ready is not None:
                return ready
            self._remove_leftovers(name)
            part = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=UNFINISHED, dir=self.root))
            try:
                fill(part)
                shutil.rmtree(folder, ignore_errors=True)  # one that was damaged
                _rename(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return Prepared.load(folder)

    def find(self, key: str) -> Prepared | None:
        """The prepared data set whose ``hash`` is ``key``, if it is still here and whole."""
        for folder in self.root.glob(f"*-{glob.escape(key[:32])}"):
            ready = _ready(folder)
            if ready is not None and ready.hash == key:
                return ready
        return None

    def _lock(self, name: str) -> Path:
        return self.root / f"{name}.lock"

    def _remove_leftovers(self, mine: str) -> None:
        """Delete unfinished folders whose maker is gone: those whose lock is free, or ours."""
        if not LOCKS:
            return
        for part in self.root.glob(f"*{UNFINISHED}"):
            name = part.name.split(".")[0]
            if name == mine:
                shutil.rmtree(part, ignore_errors=True)
                continue
            with locked(self._lock(name), wait=False) as acquired:
                if acquired:
                    shutil.rmtree(part, ignore_errors=True)


def _ready(folder: Path) -> Prepared | None:
    """The data set in ``folder``, or None where there is none or it is damaged."""
    try:
        prepared = Prepared.load(folder)
    except CrosstrainError:
        return None
    return Prepared(prepared.folder, prepared.manifest, cached=True)


def _rename(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if _ready(folder) is None:  # otherwise another process, on a system without locks, was first
            raise


def _read_note(note: Path) -> str | None:
    try:
        content = json.loads(note.read_text())["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or damaged: the files are read again and the note is written anew
    return content if isinstance(content, str) else None


def _facts(files: Files) -> tuple[list[tuple[str | int, ...]], float]:
    """What tells a file from a changed one, for each, and the latest change (ns since the epoch)."""
    facts: list[tuple[str | int, ...]] = [(os.getcwd(),)]
    newest: float = 0
    for name, path in files:  # plain strings and calls: there may be 50,000
        try:
            status = os.stat(path)
        except OSError as error:
            facts.append((name, str(path), f"error {error.errno}"))
            newest = math.inf  # not remembered; whoever reads the file will say what is wrong with it
            continue
        facts.append((name, str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
    return facts, newest


def _hash_files(files: Files, progress: Progress | None) -> str:
    total = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for done, ((name, _), part) in enumerate(
            zip(files, pool.map(_hash_file, [p for _, p in files]), strict=True)
        ):
            total.update(f"{len(name.encode())}:{name}".encode() + part)
            if progress is not None and (done % 256 == 0 or done + 1 == len(files)):
                progress(done + 1, len(files), "reading files")
    return total.hexdigest()


def _hash_file(path: str | Path) -> bytes:
    """The digest of a file, or a mark in its place: one unreadable picture does not stop a data set."""
    try:
        if not os.path.isfile(path):  # a pipe or a device would be waited for
            return b"no regular file"
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return b"unreadable"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

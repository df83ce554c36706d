"""Makes the environments of engines, and removes them.

An environment is made where it will stay, under a lock, and ``environment.json`` is written last. What a
process that died has left behind lacks that file, and its lock is free: the next call removes it.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import IO

from crosstrain.engines.registry import EngineRow
from crosstrain.environments import pip
from crosstrain.environments.environments import (
    MANIFEST,
    Environment,
    find,
    folder_of,
    folders_of,
    minors,
    own_environment,
    pins_of,
    requirements_of,
    root,
)
from crosstrain.environments.pip import Tell
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import storage_errors, write_json
from crosstrain.system.locks import LOCKS, locked
from crosstrain.training.spelling import listed

_NAME = re.compile(r".+-[0-9a-f]{12}")


@dataclass(frozen=True)
class Installed:
    """What ``install`` did: ``fresh`` says whether it made the environment, in so many ``seconds``, or
    found it."""

    environment: Environment
    fresh: bool
    seconds: float


def install(row: EngineRow, tell: Tell = lambda words: None) -> Installed:
    """The environment of an engine, made where it is not there yet. ``tell`` hears what is being done.

    While another process makes the same one, this waits and takes what the other has made. Whatever goes
    wrong, nothing half-made stays. Raises ``CrosstrainError`` (no index, no such version, no Python that
    fits, a missing compiler, pip's own words otherwise) and ``StorageError`` (full disk, no right to
    write), each in one sentence.
    """
    started = time.monotonic()
    sweep()
    if environment := own_environment(row):
        return Installed(environment, False, 0.0)
    if not row.requirements:
        raise CrosstrainError(
            f"the engine {row.name} brings no list of what it needs; install {row.distribution} yourself"
        )
    _check_programs(row)
    python, minor = interpreter(row)
    folder = folder_of(row, minor)
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(row, folder, tell) as lock:
            if environment := own_environment(row):  # by the process that was waited for
                return Installed(environment, False, time.monotonic() - started)
            tell(to_download(row))
            try:
                _make(row, folder, python, minor, lock, tell, started)
            except BaseException:
                _erase(folder)
                raise
    environment = own_environment(row)
    if environment is None:
        raise CrosstrainError(f"the environment {folder} vanished while it was made; try again")
    return Installed(environment, True, time.monotonic() - started)


def to_download(row: EngineRow) -> str:
    """What an installation will fetch, in a sentence: how many packages, and the first of them by weight (a
    framework's own, then NVIDIA's)."""
    names = [pin.partition("==")[0] for pin in pins_of(row)]
    own = [name for name in names if name.lower() == row.distribution.lower()]
    nvidia = [name for name in names if name.startswith(("nvidia-", "cuda-")) or "-cuda" in name]
    heaviest = [*own, *nvidia]
    return f"fetching {len(names)} packages" + (f", among them {listed(heaviest)}" if heaviest else "")


@contextlib.contextmanager
def _exclusive(row: EngineRow, folder: Path, tell: Tell) -> Iterator[IO[str]]:
    """Hold the lock of an environment; waits for whoever holds it, and says so."""
    with locked(_lock(folder), wait=False) as lock:
        if lock is not None:
            yield lock
            return
    tell(f"waiting: another process is installing {row.name}")
    with locked(_lock(folder)) as lock:
        assert lock is not None
        yield lock


def _make(
    row: EngineRow, folder: Path, python: str, minor: int, lock: IO[str], tell: Tell, started: float
) -> None:
    """Fill ``folder``; the caller clears it away when this raises."""
    _erase(folder)  # what a process that died left
    place = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wheels = ["--only-binary", ":all:", *(word for name in row.sources for word in ("--no-binary", name))]
    quiet = ["--no-input", "--disable-pip-version-check"]
    wanted = pins_of(row) if row.release else ["-r", str(requirements_of(row))]
    steps = (
        (python, ["venv", str(folder)]),
        (str(place), ["pip", "install", *quiet, *wheels, *wanted]),
    )
    path = log_of(folder)
    tell(f"making an environment with Python 3.{minor}")
    with path.open("w", encoding="utf-8") as log:
        for interpreter_, arguments in steps:
            try:
                pip.run(interpreter_, arguments, lock=lock, log=log, tell=tell)
            except subprocess.CalledProcessError as error:
                raise pip.explained(row.name, folder, path, error.output, f"3.{minor}") from error
    version = version_in(folder, row.distribution)
    if version is None:
        raise CrosstrainError(f"cannot install {row.name}: its list of requirements lacks {row.distribution}")
    manifest = {
        "engine": row.name, "python": place.relative_to(folder).as_posix(), "version": version,
        "python_version": _python_version(folder) or f"3.{minor}", "requirements": pins_of(row),
        "seconds": round(time.monotonic() - started, 1), "bytes": size_of(folder),
    }  # fmt: skip
    write_json(folder / MANIFEST, manifest)
    path.unlink(missing_ok=True)


def provide(rows: Iterable[EngineRow], tell: Tell) -> None:
    """Make the environments of those engines whose release is not here; raises as ``install`` does."""
    for row in rows:
        if row.release and find(row) is None:
            install(row, lambda words, name=row.name: tell(f"{name}: {words}"))  # type: ignore[misc]


def remove(row: EngineRow) -> int:
    """Delete all environments of an engine, those of former pins too; returns the bytes freed.

    The user's own Python is never touched. Raises ``CrosstrainError`` while one is being installed,
    ``StorageError`` where the disk does not let it.
    """
    sweep()
    freed = 0
    for folder in folders_of(row):
        with locked(_lock(folder), wait=False) as lock:
            if lock is None:
                raise CrosstrainError(f"another process is installing {row.name}; wait for it or end it")
            freed += 0 if folder.is_symlink() else size_of(folder)
            with storage_errors(folder):
                _erase(folder)
        log_of(folder).unlink(missing_ok=True)
    return freed


def sweep() -> None:
    """Delete what processes that died have left half-made."""
    if not LOCKS or not root().is_dir():
        return
    for folder in root().iterdir():
        if not _NAME.fullmatch(folder.name) or not folder.is_dir() or (folder / MANIFEST).exists():
            continue
        with storage_errors(folder), locked(_lock(folder), wait=False) as lock:
            if lock is not None and not (folder / MANIFEST).exists():
                _erase(folder)


def _erase(folder: Path) -> None:
    """Delete an environment, first of all the mark of its wholeness."""
    if folder.is_symlink():
        folder.unlink()
        return
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)  # once more, to raise what is in the way


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def log_of(folder: Path) -> Path:
    """What venv and pip printed, kept where an installation failed."""
    return folder.with_name(f"{folder.name}.log")


# -- what is needed -----------------------------------------------------------------------------
def _check_programs(row: EngineRow) -> None:
    """``CrosstrainError`` where a compiler that the framework calls is not there."""
    if row.programs and not any(shutil.which(p) or ctypes.util.find_library(p) for p in row.programs):
        raise CrosstrainError(
            f"{row.name} compiles its networks and needs {' or '.join(row.programs)}, which is not on the "
            "PATH; install it with the system's package manager, then try again"
        )


def interpreter(row: EngineRow) -> tuple[str, int]:
    """A Python that the framework has wheels for, and its minor version: the running one, else one on the
    PATH. ``CrosstrainError`` where there is none."""
    for minor in minors(row):
        if minor == sys.version_info.minor:
            return sys.executable, minor
        path = shutil.which(f"python3.{minor}")
        if path and (real := _real_path(path, minor)):
            return real, minor
    (_, first), (_, last) = row.python
    python_range = f"Python 3.{first}" if first == last else f"a Python from 3.{first} to 3.{last}"
    raise CrosstrainError(
        f"{row.name} needs {python_range}, and there is none on the PATH (this one is "
        f"{sys.version_info.major}.{sys.version_info.minor}); install python3.{last}, then try again"
    )


def _real_path(python: str, minor: int) -> str | None:
    """The executable behind a name on the PATH; None where it does not start or is another version (the
    name may be that of a launcher)."""
    code = "import sys; print(sys.version_info.minor, sys.executable)"
    try:
        process = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, executable = process.stdout.strip().partition(" ")
    return executable if process.returncode == 0 and version == str(minor) else None


# -- what is there ------------------------------------------------------------------------------
def packages_in(folder: Path) -> list[Path]:
    """The ``site-packages`` of an environment."""
    return [*folder.glob("lib/python3*/site-packages"), *folder.glob("Lib/site-packages")]


def version_in(folder: Path, distribution: str) -> str | None:
    """The version of a distribution in an environment; nothing is started."""
    path = [str(each) for each in packages_in(folder)]
    for installed in Distribution.discover(name=distribution, path=path):
        return installed.version
    return None


def _python_version(folder: Path) -> str | None:
    for line in (folder / "pyvenv.cfg").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "version":
            return value.strip()
    return None


def size_of(folder: Path) -> int:
    """The bytes that a folder takes on the disk."""
    total = 0
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                status = entry.stat(follow_symlinks=False)
                total += getattr(status, "st_blocks", status.st_size // 512 + 1) * 512
    return total

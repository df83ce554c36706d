"""Where an engine runs: the user's own Python, or an environment that crosstrain makes, pins and keeps.

The supervisor's side. An environment is a folder under the user's cache, named by the engine and a hash of
all that decides its content. It counts only once its ``environment.json`` is there, which is written last.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstrain.engines.registry import EngineRow, engine_row, engines
from crosstrain.environments.cuda import REQUIREMENTS, builds
from crosstrain.system.files import storage_errors
from crosstrain.system.places import cache_root

MANIFEST = "environment.json"
"""Written last: its presence says that the environment is whole."""


@dataclass(frozen=True)
class Environment:
    """A Python that has an engine's framework. ``folder`` is None for the user's own; ``manifest`` is what
    the installer recorded of one that it made (Python's version, seconds, bytes)."""

    python: str
    version: str | None
    folder: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is the user's own Python."""
        return self.folder is None


def root() -> Path:
    """The folder of all environments. It need not exist yet."""
    return cache_root() / "environments"


def requirements_of(row: EngineRow) -> Path:
    """The file that pins all that an engine's environment has; a row of another package names it in full."""
    return REQUIREMENTS / row.requirements


def pins_of(row: EngineRow) -> list[str]:
    """Its lines, ``name==version``, without comments. Where a release is asked for, the framework's is that
    and comes first, so that pip looks for it before all else; other frameworks keep their pins, and pip
    chooses what else fits."""
    lines = (line.partition("#")[0].strip() for line in requirements_of(row).read_text().splitlines())
    pins = [line for line in lines if line]
    if not row.release:
        return pins
    return sorted((_released(row, pin) for pin in pins), key=lambda pin: not _is_of(row, pin))


def _is_of(row: EngineRow, pin: str) -> bool:
    """Whether a pin is the framework's own."""
    return pin.partition("==")[0].lower() == row.distribution.lower()


def _released(row: EngineRow, pin: str) -> str:
    name = pin.partition("==")[0]
    if _is_of(row, pin):
        exact = row.release.count(".") > 1 or not row.release.replace(".", "").isdigit()
        return f"{name}=={row.release}{'' if exact else '.*'}"
    return pin if name in row.imports else name


def minors(row: EngineRow) -> list[int]:
    """The Pythons 3.x that an engine can have: the running one first if it fits, then the newest."""
    (_, first), (_, last) = row.python
    return sorted(range(first, last + 1), key=lambda minor: (minor != sys.version_info.minor, -minor))


def folder_of(row: EngineRow, minor: int | None = None) -> Path:
    """Where the environment of an engine is, once made, with Python 3.``minor`` (left out: the first of
    ``minors``)."""
    content = "\n".join(pins_of(row)).encode() if row.release else requirements_of(row).read_bytes()
    machine = f"{sys.platform} {platform.machine()} 3.{minors(row)[0] if minor is None else minor}"
    return root() / f"{row.name}-{hashlib.sha256(content + machine.encode()).hexdigest()[:12]}"


def folders_of(row: EngineRow) -> list[Path]:
    """All environments of an engine that are there, whole or not, those of former pins too."""
    name = re.compile(re.escape(row.name) + r"-[0-9a-f]{12}")
    return sorted(folder for folder in _entries() if name.fullmatch(folder.name))


def _entries() -> Iterator[Path]:
    try:
        entries = list(root().iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if entry.is_dir())


def own_environment(row: EngineRow) -> Environment | None:
    """The environment that crosstrain made for an engine; None where there is none, or only a part."""
    if not row.requirements:
        return None
    for minor in minors(row):
        folder = folder_of(row, minor)
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            return Environment(str(folder / manifest["python"]), manifest["version"], folder, manifest)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # absent, or damaged: then it is made anew
    return None


def find(row: EngineRow) -> Environment | None:
    """Where the engine can run: the environment with a CUDA build, where one was made; else the running
    Python if it has the framework, else the environment made for it. None where there is none of these.
    Nothing is imported or started."""
    if with_cuda := cuda_environment(row):
        return with_cuda
    return Environment(sys.executable, row.version) if row.importable else own_environment(row)


def cuda_environment(row: EngineRow) -> Environment | None:
    """The environment with a CUDA build that was made for an engine (``engines install --cuda``)."""
    there = (own_environment(replace(row, requirements=name)) for name in builds(row).values())
    return next(filter(None, there), None)


def ready(*, training: bool = False) -> tuple[str, ...]:
    """The names of all engines that can run here; with ``training``, only of those that train."""
    rows = engines().items()
    return tuple(name for name, row in rows if (row.trains or not training) and find(row))


def default() -> tuple[str, ...]:
    """The engines of a comparison that names none: the native ones in the user's own Python."""
    return tuple(name for name, row in engines().items() if row.trains and row.native and row.importable)


def python_of(engine: str) -> str:
    """The Python in which an engine runs; the running one where it has no environment (its worker will
    then say what is missing)."""
    environment = find(engine_row(engine))
    return environment.python if environment else sys.executable


def keras_python(backend: str) -> str | None:
    """A Python that has Keras and this backend of it; None where there is none.

    Networks are defined, and truths are found, by Keras. Where the user's own Python has no framework for
    it, the environment of the engine ``keras-…`` does.
    """
    if all(importlib.util.find_spec(name) is not None for name in ("keras", backend)):
        return sys.executable
    row = engines().get(f"keras-{backend}")
    environment = row and own_environment(row)
    return environment.python if environment else None


def isolated(package: Path) -> Path:
    """A folder that holds nothing but ``package`` (a link to it): safe on the path of another Python.

    Beside an installed package lie all others of that Python. Where links cannot be made, it holds a copy,
    called after what it is a copy of.
    """
    mark = hashlib.sha256(str(package).encode()).hexdigest()[:12]
    place = cache_root() / "packages" / mark
    link = place / package.name
    if link.is_dir() and os.path.samefile(link, package):
        return place
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(f"{mark}.{os.getpid()}")
        try:
            unfinished.symlink_to(package, target_is_directory=True)
            os.replace(unfinished, link)
        except (OSError, NotImplementedError):
            return _copied(package, place)
    return place


def _copied(package: Path, place: Path) -> Path:
    """A copy of a package, made anew whenever one of its files has changed."""
    files = sorted(package.rglob("*.py"))
    facts = "".join(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files)
    copy = place.with_name(f"{place.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}")
    if not copy.is_dir():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(package, unfinished / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        try:
            unfinished.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
    return copy

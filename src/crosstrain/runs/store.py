"""A comparison's folder: its plan, its cells, their weights and logs. Everything is written whole."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.system.files import read_arrays, remove_temporaries, storage_errors, write_arrays, write_json

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class Store:
    """The folder of one comparison: ``plan.json``, ``cells/<id>.json`` and ``.npz``, ``logs/``, ``.lock``.

    Used as a context it holds the folder's lock, and takes away what writers that died left unfinished.
    Reading needs no lock. ``warnings`` are sentences about damaged files that were met.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.warnings: list[str] = []
        self._lock: IO[str] | None = None

    @property
    def cells(self) -> Path:
        return self.folder / "cells"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    # -- holding it -----------------------------------------------------------------------------
    def __enter__(self) -> Store:
        """Make the folder and lock it. ``CrosstrainError`` where another process holds it,
        ``StorageError`` where it cannot be written."""
        with storage_errors(self.folder):
            for folder in (self.folder, self.cells, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            # Never deleted: a lock file that comes and goes can be locked twice.
            self._lock = (self.folder / ".lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise CrosstrainError(
                    f"{self.folder} cannot be locked ({error.strerror}); use a local disk"
                ) from error
            by = f" (process {holder})" if holder else ""
            raise CrosstrainError(
                f"another crosstrain{by} is at work in {self.folder}; wait for it, or name another folder"
            ) from error
        with storage_errors(self.folder):
            self._lock.truncate(0)
            self._lock.write(f"{os.getpid()}\n")
            self._lock.flush()
        for folder in (self.folder, self.cells):
            remove_temporaries(folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    # -- the plan -------------------------------------------------------------------------------
    def plan(self) -> dict[str, Any] | None:
        """The plan, or None where there is none. A damaged one is a ``CrosstrainError``: without it
        nobody knows what the cells are."""
        path = self.folder / "plan.json"
        if not path.exists():
            return None
        data = _object(path)
        if data is None:
            raise CrosstrainError(f"{path} is damaged; delete it, or name another folder")
        return data

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        write_json(self.folder / "plan.json", plan)

    # -- cells ----------------------------------------------------------------------------------
    def cell(self, name: str) -> dict[str, Any] | None:
        """The record of a cell; None where it is not there, or damaged (then ``warnings`` has a sentence
        and the cell is to be run again)."""
        path = self._path(name, ".json")
        if not path.exists():
            return None
        record = _object(path)
        if record is None:
            self.warnings.append(f"{path} is damaged; the cell is run again")
        return record

    def finished(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The records of those of ``names`` that are there, by name."""
        records = ((name, self.cell(name)) for name in names)
        return {name: record for name, record in records if record is not None}

    def write_cell(
        self, name: str, record: Mapping[str, Any], weights: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Keep a cell's record, after its weights if they are given: where the record is, all is."""
        if weights is not None:
            write_arrays(self.weights_path(name), weights)
        write_json(self._path(name, ".json"), record)

    def weights_path(self, name: str) -> Path:
        """Where a cell's trained weights lie; a worker writes them itself."""
        return self._path(name, ".npz")

    def weights(self, name: str) -> dict[str, np.ndarray]:
        return read_arrays(self.weights_path(name))

    def _path(self, name: str, suffix: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a valid name for a cell's file")
        return self.cells / f"{name}{suffix}"


def _object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where it holds anything else."""
    try:
        data = json.loads(path.read_bytes())
    except ValueError:
        return None
    return data if isinstance(data, dict) else None

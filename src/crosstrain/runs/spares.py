"""Workers that are started ahead of their jobs, so that they import a framework while something else runs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from crosstrain.runs.process import environment, python_of_job, start
from crosstrain.runs.worker import AHEAD
from crosstrain.system.files import storage_errors
from crosstrain.system.process_tree import Tree

SHAPING = ("task", "engine", "cores", "unneeded")
"""What of a job, besides its environment, decides how a process begins."""


@dataclass(frozen=True)
class _Spare:
    """A worker that waits for its job; what it prints is in ``log``."""

    process: subprocess.Popen[bytes]
    shape: Mapping[str, Any]
    log: Path

    def hand(self, path: Path, log: Path) -> bool:
        """Give it the job of a file; what it printed begins the job's log. False where it has died."""
        assert self.process.stdin is not None
        self.log.replace(log)  # the worker goes on writing to it under its new name
        try:
            os.write(self.process.stdin.fileno(), f"{json.dumps(str(path.resolve()))}\n".encode())
        except BrokenPipeError:
            return False
        return self.process.poll() is None

    def end(self) -> None:
        """Leave no process of it, and no log."""
        Tree(self.process.pid).kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.log.unlink(missing_ok=True)


class Spares:
    """The workers that wait; those that nobody took are ended with the ``with`` block.

    A worker reserves nothing but what an import takes: it is for jobs on the CPU. ``folder`` takes the logs;
    it must lie on the disk of the jobs' own.

        with Spares(folder) as spares:
            spares.start({"task": "evidence", "engine": "torch", "device": "cpu"})
            ...
            run_job(job, folder=folder, waiting=spares.take)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[_Spare] = []
        self._started = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for spare in waiting:
            spare.end()

    def start(self, job: Mapping[str, Any], python: str | None = None) -> None:
        """Start a worker for a job of the same task, engine, cores and environment as this one; it imports
        what they need. ``python`` is as ``run_job`` takes it. Raises ``StorageError`` where the folder cannot
        be written, ``CrosstrainError`` where ``python`` cannot be started."""
        python = python or python_of_job(job)
        self._started += 1
        log = self._folder / f"spare-{os.getpid()}-{id(self)}-{self._started}.log"
        beginning = {name: job[name] for name in SHAPING if name in job}
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            stream = log.open("ab")
        with stream:
            process = start([AHEAD, json.dumps(beginning)], job, python, stream)
        with self._lock:
            self._waiting.append(_Spare(process, _shape(job, python), log))

    def take(
        self, job: Mapping[str, Any], python: str, path: Path, log: Path
    ) -> subprocess.Popen[bytes] | None:
        """A worker that begins the job in the file ``path`` at once; None where none that fits lives."""
        shape = _shape(job, python)
        with self._lock:
            spare = next((each for each in self._waiting if each.shape == shape), None)
            if spare:
                self._waiting.remove(spare)
        if spare is None:
            return None
        with contextlib.ExitStack() as unless_it_lives:
            unless_it_lives.callback(spare.end)
            if spare.hand(path, log):
                unless_it_lives.pop_all()
                return spare.process
        return None


def _shape(job: Mapping[str, Any], python: str) -> dict[str, Any]:
    """All that a process is born with: jobs of one shape may have each other's."""
    return {
        "python": python,
        "environment": environment(job, python),
        **{name: job.get(name) for name in SHAPING},
    }

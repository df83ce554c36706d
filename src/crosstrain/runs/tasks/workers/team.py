"""The worker of rank 0: starts the others, and tells why one of them ended.

They are processes like itself (``runs/worker.py``), in its group, with its log and its environment; their job
is its own with the task ``peer``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.workers.communication import Communication, Lost, SharedMemory
from crosstrain.runs.tasks.workers.mpi import launch
from crosstrain.system.exit_codes import death
from crosstrain.system.files import anonymous_file

LAST_WORDS_SECONDS = 5.0
"""How long to wait for a worker that has gone to say why."""

_REFUSALS = ("cannot", "refused")


@contextmanager
def team(job: Mapping[str, Any]) -> Iterator[Communication | None]:
    """The workers of ``job["workers"]``, this process being the first of them; None where it is the only one.
    With ``job["mpi"]`` they are those of ``mpirun``, else processes that are started here. They end with the
    ``with`` block. Where one of them has ended before, its error is raised."""
    workers = job.get("workers") or 1
    if workers == 1:
        yield None
        return
    device = job.get("device", "cpu")
    if device != "cpu":
        raise CrosstrainError(
            f"several workers train on the CPU, not on {device}; use --device cpu, or one worker"
        )
    if job.get("mpi"):
        with launch(job) as communication:
            yield communication
        return
    others = _Others(job, workers)
    try:
        yield others.communication
    except Lost as lost:
        raise others.reason(lost) from lost
    finally:
        others.close()


class _Others:
    """The processes of rank 1 and above, and this one's connections to them."""

    def __init__(self, job: Mapping[str, Any], workers: int) -> None:
        self._workers = workers
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._stack = contextlib.ExitStack()
        memory = self._stack.enter_context(anonymous_file()).fileno()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="crosstrain-workers-")))
        ends: dict[int, dict[int, socket.socket]] = {rank: {} for rank in range(workers)}
        for low, high in combinations(range(workers), 2):
            ends[low][high], ends[high][low] = socket.socketpair()
        try:
            for rank in range(1, workers):
                self._processes[rank] = _started(job, rank, memory, ends.pop(rank), folder)
        finally:
            for end in ends[0].values():
                self._stack.enter_context(end)
        self.communication = SharedMemory(0, memory, ends[0])

    def reason(self, lost: Lost) -> Exception:
        """What the worker that ended first had to say."""
        until = time.monotonic() + LAST_WORDS_SECONDS
        first = [lost.rank, *(rank for rank in self._processes if rank != lost.rank)]
        while True:
            over = time.monotonic() > until
            for rank in first:
                process = self._processes[rank]
                if process.poll() is not None and (error := self._error(rank, process)):
                    return error
            if over:
                return RuntimeError(f"{lost} without a word")
            time.sleep(0.02)

    def _error(self, rank: int, process: subprocess.Popen[bytes]) -> Exception | None:
        """Of a worker that has ended; None where it ended because another had."""
        assert process.stdout
        name = f"rank {rank} of {self._workers} workers"
        events = [json.loads(line) for line in process.stdout if line.strip()]
        for event in events:
            if event["event"] == "error":
                refused = event["kind"] in _REFUSALS
                words = f"{name}: {event['message']}"
                return CrosstrainError(words) if refused else RuntimeError(words)
        return None if events else RuntimeError(f"{name}: {death(process.returncode)}")

    def close(self) -> None:
        """Leave no process of them."""
        for process in self._processes.values():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe
                pipe.close()
        self._stack.close()


def _started(
    job: Mapping[str, Any], rank: int, memory: int, ends: Mapping[int, socket.socket], folder: Path
) -> subprocess.Popen[bytes]:
    """The process of a rank; its ends of the connections are its alone from here on."""
    own = {other: end.fileno() for other, end in ends.items()}
    path = folder / f"{rank}.json"
    peer = {**job, "task": "peer", "rank": rank, "memory": memory, "connections": own}
    path.write_text(json.dumps(peer, default=os.fspath))
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "crosstrain.runs.worker", str(path)],
            stdin=subprocess.PIPE,  # its end tells that this process has gone
            stdout=subprocess.PIPE,
            pass_fds=(memory, *own.values()),
        )
    finally:
        for end in ends.values():
            end.close()

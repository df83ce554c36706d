"""A worker with all its descendants: what memory they hold together, and how to end them all."""

from __future__ import annotations

import os
import signal
import time

import psutil

REFRESH_SECONDS = 1.0
"""How often descendants are looked for. That reads every process of the machine, so it is done less
often than memory is sampled: supervision must not disturb what is being timed."""


class Tree:
    """The process ``pid``, leader of a process group of its own, and its descendants.

    Descendants that were once seen are remembered, so that those which left the group are still found
    after their parent has died.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak = 0
        self._known: dict[int, psutil.Process] = {}
        self._refreshed = -REFRESH_SECONDS
        self._look()

    def _look(self) -> None:
        try:
            root = self._known.get(self.pid) or psutil.Process(self.pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            self._known.setdefault(process.pid, process)

    def memory(self) -> int:
        """Resident bytes of all of them now; 0 when none is left. Pages that several share count once
        for each, so the sum is an upper bound."""
        now = time.monotonic()
        if now - self._refreshed >= REFRESH_SECONDS:
            self._look()
            self._refreshed = now
        total = 0
        for pid, process in list(self._known.items()):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                del self._known[pid]
            except psutil.AccessDenied:
                continue  # a descendant that runs as another user: neither counted nor ended
        self.peak = max(self.peak, total)
        return total

    def processor_seconds(self) -> float | None:
        """What all of them have used so far, with what those used that they waited for; None once the leader
        is gone. Descendants are those that ``memory`` knows."""
        total = 0.0
        for pid, process in list(self._known.items()):
            try:
                total += sum(process.cpu_times()[:4])  # user, system, and both of children
            except psutil.NoSuchProcess:
                if pid == self.pid:
                    return None
            except psutil.AccessDenied:
                continue
        return total if self.pid in self._known else None

    def pids(self) -> list[int]:
        """Those that ``memory`` knows."""
        return list(self._known)

    def kill(self) -> None:
        """End every process of the tree at once (SIGKILL); returns when none runs any more."""
        for _ in range(5):  # a process may fork while it is being looked for
            self._look()
            _signal_group(self.pid)
            for process in self._known.values():
                _end(process)
            _, alive = psutil.wait_procs(
                [p for pid, p in self._known.items() if pid != self.pid], timeout=1.0
            )
            if not alive:
                return


def _signal_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # the group is empty, or (macOS) holds zombies only


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return

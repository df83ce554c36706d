"""Asks engine after engine, each in a worker process; one that crashes at an op goes on behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crosstrain.conformance.cases import OP_CASES
from crosstrain.conformance.findings import Conformance, EngineResult, OpResult
from crosstrain.conformance.holding.task import TASK
from crosstrain.runs.process import Interrupted, run_job

Tell = Callable[[str], None]

OPS = tuple(dict.fromkeys(case.op for case in OP_CASES.values()))
"""Every op that can be tried, in the order of the cases."""
PATIENCE = 300.0
"""Seconds that an op may take: engines that compile need up to a minute for some."""

IMPORTING = 180.0
"""Seconds that it may take to import a framework."""
TELLING = 2.0
"""Seconds between two words of progress."""


def tried(
    engines: Sequence[str],
    ops: Sequence[str],
    *,
    precision: str | None,
    device: str,
    patience: float | None,
    tell: Tell,
) -> Conformance:
    """Try ops on engines, one engine after the other."""
    with TemporaryDirectory(prefix="crosstrain-ops-") as folder:
        return Conformance(
            tuple(
                _Trial(engine, precision, device, patience or PATIENCE, Path(folder), tell).run(ops)
                for engine in engines
            )
        )


class _Trial:
    """One engine's ops. An op at which its process ends costs itself alone: another process does the rest."""

    def __init__(
        self, engine: str, precision: str | None, device: str, patience: float, folder: Path, tell: Tell
    ) -> None:
        self._engine, self._precision, self._device = engine, precision, device
        self._patience, self._folder, self._tell = patience, folder, tell
        self._about: dict[str, Any] = {}
        self._found: dict[str, OpResult] = {}
        self._now: str | None = None
        self._count = 0
        self._until = 0.0
        self._told = time.monotonic()

    def run(self, ops: Sequence[str]) -> EngineResult:
        started, error = time.monotonic(), ""
        self._count = len(ops)
        self._tell(f"{self._engine}: importing it")
        while left := [op for op in ops if op not in self._found]:
            self._now = None
            error = self._worker(left)
            if self._now is None:
                break  # done, or it ended before any op: nothing would be different another time
            self._found[self._now] = OpResult(self._now, "crashed", _cases(self._now), reason=error)
            error = ""
        about = {name: self._about.get(name) for name in ("version", "precision")}
        results = tuple(self._found[op] for op in ops if op in self._found)
        return EngineResult(
            self._engine, seconds=time.monotonic() - started, error=error, ops=results, **about
        )

    def _worker(self, ops: Sequence[str]) -> str:
        """Run one process; why it ended early, or ""."""
        job = {
            "task": TASK, "engine": self._engine, "ops": list(ops), "precision": self._precision,
            "device": self._device,
        }  # fmt: skip
        stop, done = threading.Event(), threading.Event()
        self._until = time.monotonic() + max(self._patience, IMPORTING)
        watch = threading.Thread(target=self._watch, args=(stop, done), daemon=True)
        watch.start()
        try:
            outcome = run_job(job, folder=self._folder, on_event=self._hear, stop=stop)
        except Interrupted:
            if not stop.is_set():
                raise
            return f"stopped after {self._patience:g} s, the time an operation is given"
        finally:
            done.set()
            watch.join()
        return "" if outcome.status == "done" else outcome.error or outcome.status

    def _watch(self, stop: threading.Event, done: threading.Event) -> None:
        while not done.wait(0.1):
            if time.monotonic() > self._until:
                stop.set()

    def _hear(self, event: dict[str, Any]) -> None:
        self._until = time.monotonic() + self._patience
        if event["event"] == "engine":
            self._about = event
        elif event["event"] == "op":
            self._now = event["op"]
            if time.monotonic() - self._told > TELLING:
                self._told = time.monotonic()
                self._tell(f"{self._engine}: {self._now} ({len(self._found) + 1} of {self._count})")
        elif event["event"] == "held":
            result = OpResult.from_json(event["result"])
            self._found[result.op], self._now = result, None


def _cases(op: str) -> int:
    return sum(case.op == op for case in OP_CASES.values())

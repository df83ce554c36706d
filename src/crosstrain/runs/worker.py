"""The child's side: runs one job and speaks with its supervisor in JSON lines.

``python -m crosstrain.runs.worker JOB.json`` takes the pipe that it finds as standard output for the
protocol and the one that it finds as standard input for the supervisor's pulse, then points the
descriptors 0, 1 and 2 elsewhere: whatever a framework prints goes to the log.
``python -m crosstrain.runs.worker --ahead BEGINNING`` imports what the beginning of a job (JSON) names, then
takes the path of the job's file (JSON) from the pulse, as a line. Only the standard library
and NumPy are needed here; a task brings what it needs.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstrain.system.hidden import hidden

TASKS = {
    "define": "crosstrain.graph.define:run",
    "define-file": "crosstrain.exchange.foreign:run",
    "define-torch": "crosstrain.exchange.torch_import.define:run",
    "describe": "crosstrain.runs.tasks.describe:run",
    "train": "crosstrain.runs.tasks.cell:run",
    "peer": "crosstrain.runs.tasks.workers.peer:run",
    "trial": "crosstrain.runs.tasks.trial:run",
    "evidence": "crosstrain.proof.evidence:run",
    "truth": "crosstrain.proof.truths.by_keras:run",
    "truth-torch": "crosstrain.exchange.torch_import.witness:run",
    "infer": "crosstrain.runs.tasks.inference:run",
    "reference": "crosstrain.runs.tasks.inference:reference",
    "answer": "crosstrain.runs.tasks.answering:run",
    "continue": "crosstrain.runs.tasks.continuing:run",
    "stream": "crosstrain.runs.tasks.streaming:run",
}
"""What a worker can do; a job may also name a function of its own as ``module:function``."""

AHEAD = "--ahead"

Event = dict[str, Any]
Emit = Callable[[Event], None]

# Frameworks say "no memory" each in its own class and words.
_NO_MEMORY_TYPES = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError", "_ArrayMemoryError"}
_NO_MEMORY_WORDS = ("RESOURCE_EXHAUSTED", "can't allocate memory", "out of memory")


class Protocol:
    """Writes events, one JSON object a line, to a descriptor that nothing else knows of."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        # A line break first: whatever a stray writer left unfinished ends there and costs no event.
        data = memoryview(f"\n{json.dumps(event, default=_plain)}\n".encode())
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except BrokenPipeError:
                _end_group()


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and sets as JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


def run(job: Event, emit: Emit) -> None:
    """Do the job and emit its result, or the error that stopped it."""
    try:
        result = _task(job)(job, emit)
        emit({"event": "result", "result": result, "peak_memory_bytes": peak_memory()})
    except Exception as error:
        with contextlib.suppress(OSError):  # the log's disk may be full, which is then what is to be told
            traceback.print_exc()
        kind, message = explained(error)
        emit({"event": "error", "kind": kind, "message": message, "peak_memory_bytes": peak_memory()})


def _task(job: Event) -> Callable[[Event, Emit], Event]:
    """The function that does a job; its module is imported without ``job["unneeded"]``."""
    name: str = job["task"]
    module, _, function = TASKS.get(name, name).partition(":")
    if not function:
        raise ValueError(f"a worker has no task {name!r}")
    with hidden(job.get("unneeded") or ()):
        task: Callable[[Event, Emit], Event] = getattr(importlib.import_module(module), function)
    return task


def explained(error: BaseException) -> tuple[str, str]:
    """The kind of an error (cannot, refused, storage, memory, failed) and the sentence to show.

    ``cannot``: the engine lacks something, the job is sound. ``refused``: the input is at fault.
    ``storage``: the disk. ``memory``: the machine's or the device's. The rest ``failed``.
    """
    from crosstrain.errors import CrosstrainError, EngineMissingError, StorageError
    from crosstrain.graph.evaluate import UnsupportedOp
    from crosstrain.graph.graph import GraphError
    from crosstrain.system.files import FULL

    message = str(error) or type(error).__name__
    if isinstance(error, UnsupportedOp | EngineMissingError):
        return "cannot", message
    if isinstance(error, CrosstrainError | GraphError):
        return "refused", message
    if isinstance(error, StorageError):
        return "storage", message
    if isinstance(error, OSError) and error.errno in FULL:
        return "storage", f"the disk is full or its quota used up: {message}"
    named = f"{type(error).__name__}: {message}"
    if type(error).__name__ in _NO_MEMORY_TYPES or any(words in message for words in _NO_MEMORY_WORDS):
        return "memory", "not enough memory: " + named.splitlines()[0]
    return "failed", named.splitlines()[0]


def peak_memory() -> int | None:
    """The most resident memory (bytes) that this process has held; None where the system does not say.

    On Linux ``VmHWM``: ``ru_maxrss`` would start from the size of whoever started this process.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: asked below
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _watch(pulse: int, paths: queue.SimpleQueue[str]) -> None:
    """Pass on the lines of the pulse. Return only by ending: its end means that the supervisor is gone."""
    with open(pulse, encoding="utf-8") as lines:
        for line in lines:
            paths.put(json.loads(line))
    _end_group()


def _prepare(beginning: Event) -> None:
    """Import what a job needs that begins like this."""
    _use_cores(beginning)
    try:
        _task(beginning)
        if engine := beginning.get("engine"):
            from crosstrain.engines.registry import engine_row

            engine_row(engine).load()
    except Exception:
        traceback.print_exc()  # the job meets it again, and its result tells


def _use_cores(job: Event) -> None:
    """Keep to the job's cores: to be called before any framework counts them or starts a thread."""
    if job.get("cores"):
        os.sched_setaffinity(0, job["cores"])


def _end_group() -> None:
    """End this process and all that it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(arguments: list[str]) -> None:
    pulse, protocol = os.dup(0), Protocol(os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # the supervisor made descriptor 2 the log
    paths: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_watch, args=(pulse, paths), daemon=True, name="pulse").start()
    faulthandler.enable()
    if arguments[0] == AHEAD:
        _prepare(json.loads(arguments[1]))
        job = json.loads(Path(paths.get()).read_text())
    else:
        job = json.loads(Path(arguments[0]).read_text())
        _use_cores(job)
    run(job, protocol.emit)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Frameworks may crash or hang while an interpreter is taken down; all work is done, so it is not.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

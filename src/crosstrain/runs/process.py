"""The supervisor's side: starts a worker for one job, listens to it, and ends it when it must end.

A worker runs in a session of its own. Three channels join it to the supervisor: a pipe of JSON lines
(events), a pipe whose end of file tells the worker that the supervisor is gone, and a log file that
takes everything else it prints.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from crosstrain.engines.devices import OVERRIDE
from crosstrain.engines.registry import engines
from crosstrain.environments.environments import isolated, python_of
from crosstrain.errors import CrosstrainError
from crosstrain.runs.feeding import feeder
from crosstrain.system import gpus
from crosstrain.system.exit_codes import death, last_line
from crosstrain.system.files import storage_errors
from crosstrain.system.gpu_load import GpuLoad
from crosstrain.system.places import cache_root
from crosstrain.system.process_tree import Tree
from crosstrain.system.surroundings import Surroundings

OnEvent = Callable[[dict[str, Any]], None]
Waiting = Callable[[Mapping[str, Any], str, Path, Path], "subprocess.Popen[bytes] | None"]
"""Gives a worker that was started ahead (``Spares.take``) or None: for a job, its Python, file and log."""
Status = Literal["done", "failed", "crashed", "timeout", "memory", "interrupted", "cannot"]

COMPILED = "JAX_COMPILATION_CACHE_DIR"
"""Where JAX keeps what XLA has compiled."""
POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
"""How long a worker may take to go once its result is there."""
LONGEST_LINE = 64 * 2**20

_STATUS_OF_KIND: dict[str, Status] = {"cannot": "cannot", "refused": "cannot", "memory": "memory"}

_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    "NPROC",  # XLA's thread pools
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    ``kind`` tells more of an error that the worker itself reported: ``cannot`` (the engine lacks
    something), ``refused`` (the input is at fault), ``storage``, ``memory``, ``failed``.
    ``peak_memory_bytes`` is the larger of the worker's own high-water mark and the sampled sum over its
    process tree. ``garbage`` counts the lines of the protocol that were no events. ``surroundings`` is what
    else the machine did (``Surroundings.to_json``), and the GPU (``GpuLoad.to_json``).
    """

    status: Status
    result: dict[str, Any] | None
    error: str | None
    log: Path
    seconds: float
    peak_memory_bytes: int | None
    kind: str | None = None
    garbage: int = 0
    surroundings: dict[str, Any] = field(default_factory=dict)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a job, raised once its processes are gone; ``outcome`` tells what was."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


def run_job(
    job: Mapping[str, Any],
    *,
    folder: Path,
    timeout: float | None = None,
    memory_limit: int | None = None,
    on_event: OnEvent | None = None,
    python: str | None = None,
    stop: threading.Event | None = None,
    waiting: Waiting | None = None,
) -> Outcome:
    """Run one job in a process of its own and wait for it.

    ``folder`` takes the job's file and its log. ``timeout`` is in seconds, ``memory_limit`` in bytes of
    resident memory of the whole process tree. ``on_event`` is called for each event on its way; the
    result is in the outcome. ``python`` is left out for the one in which ``job["engine"]`` runs (without
    an engine: the running one). ``stop``, once it is set, ends the job as Ctrl-C does: for jobs in threads,
    which no signal reaches. ``waiting`` may give a worker that waits for such a job, in place of a new one.
    Whatever happens, no process of the job is left when this returns or raises. Raises ``Interrupted`` on
    Ctrl-C and on ``stop``, ``StorageError`` where the folder cannot be written, ``CrosstrainError`` where
    ``python`` cannot be started.
    """
    started = time.monotonic()
    if (job.get("recipe") or {}).get("augmentation"):
        job = {**job, "feeder": feeder()}
    with storage_errors(folder):
        path, log = _files(folder, job)
        path.write_text(json.dumps(job, indent=1, default=os.fspath))
        python = python or python_of_job(job)
        process = waiting and waiting(job, python, path, log)
    with log.open("ab") as log_file:
        worker = _Worker(job, process or start([str(path.resolve())], job, python, log_file))
        interrupted, stopped = False, None
        try:
            stopped = worker.watch(timeout, memory_limit, on_event, stop)
            interrupted = stopped is not None and stopped[0] == "interrupted"
        except KeyboardInterrupt:
            interrupted, stopped = True, ("interrupted", "interrupted from the keyboard")
        finally:
            worker.end()
            if worker.garbage:
                log_file.write(worker.note_of_garbage().encode())
    if on_event and not interrupted:
        for event in worker.late:
            on_event(event)
    outcome = replace(worker.report(log), seconds=time.monotonic() - started)
    if stopped:
        outcome = replace(outcome, status=stopped[0], result=None, error=stopped[1], kind=None)
    if interrupted:
        raise Interrupted(outcome)
    return outcome


def _files(folder: Path, job: Mapping[str, Any]) -> tuple[Path, Path]:
    """New names for the job's file and its log, made from its ``id`` or task."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(c if c.isalnum() or c in "._-" else "-" for c in str(job.get("id") or job["task"]))
    for number in range(1, 100_000):
        log = folder / (f"{stem}.log" if number == 1 else f"{stem}-{number}.log")
        try:
            log.open("xb").close()
        except FileExistsError:
            continue
        return log.with_suffix(".job.json"), log
    raise CrosstrainError(f"{folder} holds 100000 logs of {stem}; empty it")


def python_of_job(job: Mapping[str, Any]) -> str:
    """The Python in which a job's engine runs; the running one where it has none."""
    return python_of(job["engine"]) if job.get("engine") in engines() else sys.executable


def environment(job: Mapping[str, Any], python: str = sys.executable) -> dict[str, str]:
    """The environment of a job's process: all that frameworks read before they are imported.

    In another Python than the running one, nothing of the latter can be seen but crosstrain itself.
    ``job["threads"]`` sets every library's number of threads; the device ``cpu`` hides accelerators, so
    that nothing reserves their memory, and on another one products in float32 of the closed division are
    IEEE's, not TF32's; ``job["keras_backend"]`` chooses Keras's backend;
    ``job["environment"]`` are variables that come last.
    """
    variables = {**os.environ, "PYTHONFAULTHANDLER": "1", "PYTHONSAFEPATH": "1"}
    # A worker must run the very crosstrain that started it, also from a source tree that is not installed.
    package = Path(__file__).resolve().parents[1]
    if python != sys.executable:
        # What the user's own Python finds is not for another one: a NumPy there would hide that one's.
        variables |= {"PYTHONPATH": str(isolated(package)), "PYTHONNOUSERSITE": "1"}
        variables.pop("PYTHONHOME", None)
    elif package.parent.name not in ("site-packages", "dist-packages"):
        variables["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(package.parent), os.environ.get("PYTHONPATH")])
        )
    # GNU OpenMP threads wait spinning, for so long that on a machine with anything else to do they keep each
    # other from the cores: PyTorch was seen ten times slower. Some 50 µs bridge the gaps between its kernels.
    variables.setdefault("GOMP_SPINCOUNT", "3000")
    if job.get("threads"):
        variables.update(dict.fromkeys(_THREADS, str(job["threads"])))
    if job.get("device") == "cpu":
        variables.update(CUDA_VISIBLE_DEVICES="-1", HIP_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    elif job.get("device"):
        variables.update(_gpu_variables(job))
    if job.get("keras_backend"):
        variables["KERAS_BACKEND"] = str(job["keras_backend"])
    if row := engines().get(job.get("engine") or ""):
        variables.update(row.variables)
    variables.update({name: str(value) for name, value in (job.get("environment") or {}).items()})
    return variables


def _gpu_variables(job: Mapping[str, Any]) -> dict[str, str]:
    """What NVIDIA's libraries, the frameworks' allocators and XLA read."""
    variables = dict(gpus.ORDER)
    # XLA compiles for a GPU for up to a minute: the repeats of a cell, which run in processes of their own,
    # take what the first has compiled. Their records say so (``compilations_reused``).
    if COMPILED not in os.environ:
        variables[COMPILED] = str(cache_root() / "compiled" / "xla")
    # A job that does not say its division is of the closed one, unless it has options of its own.
    if job.get("division", "open" if job.get("options") else "closed") == "closed":
        variables[OVERRIDE] = "0"
    if job.get("task") == "evidence":  # several share the card: none may take all of its memory at its start
        variables.update(XLA_PYTHON_CLIENT_PREALLOCATE="false", TF_FORCE_GPU_ALLOW_GROWTH="true")
    return variables


def start(
    arguments: Sequence[str], job: Mapping[str, Any], python: str, log_file: IO[bytes]
) -> subprocess.Popen[bytes]:
    """A worker's process, in the environment of ``job``. ``CrosstrainError`` where ``python`` cannot be
    started."""
    try:
        return subprocess.Popen(
            [python, "-m", "crosstrain.runs.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=environment(job, python),
            start_new_session=True,
        )
    except OSError as error:
        raise CrosstrainError(f"the Python {python} cannot be started: {error.strerror}") from error


class _Worker:
    """A running worker, its channels, and what it has said so far."""

    def __init__(self, job: Mapping[str, Any], process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.garbage = 0
        self.late: list[dict[str, Any]] = []
        self.final: dict[str, Any] | None = None
        self._first_garbage = b""
        self._silent = False  # the worker has closed its end of the protocol
        self.tree = Tree(self.process.pid)
        self.surroundings = Surroundings(self.tree.processor_seconds)
        self.gpu = GpuLoad(str(job.get("device", "cpu")), self.tree.pids)
        # Bounded: a worker that floods its pipe is held up by it, rather than filling our memory.
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=1000)
        self._reader = threading.Thread(target=self._read, daemon=True, name="events")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while line := stream.readline(LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(b"")

    # -- listening ------------------------------------------------------------------------------
    def watch(
        self,
        timeout: float | None,
        memory_limit: int | None,
        on_event: OnEvent | None,
        stop: threading.Event | None = None,
    ) -> tuple[Status, str] | None:
        """Pass events on until the worker has ended (None) or has to be ended: with what status, and why."""
        started = time.monotonic()
        sampled, result_at = -math.inf, math.inf
        while self.process.poll() is None:
            for event in self.events(POLL_SECONDS):
                if on_event:
                    on_event(event)
            if stop is not None and stop.is_set():
                return "interrupted", "ended with all that ran beside it"
            now = time.monotonic()
            if self.final:
                result_at = min(result_at, now)
                if now - result_at > GRACE_SECONDS:
                    return None
            elif timeout is not None and now - started > timeout:
                return "timeout", f"stopped after {timeout:g} s, the time it was given"
            if now - sampled >= POLL_SECONDS:
                sampled, memory = now, self.tree.memory()
                self.surroundings.sample()
                self.gpu.sample()
                if memory_limit is not None and memory > memory_limit and not self.final:
                    limit = f"its limit is {memory_limit / 2**20:.0f} MiB"
                    return "memory", f"stopped at {memory / 2**20:.0f} MiB of memory; {limit}"
        return None

    def events(self, wait: float | None) -> Iterator[dict[str, Any]]:
        """The events that are there, waiting up to ``wait`` seconds for the first line; not without end,
        however fast the worker writes."""
        if self._silent and wait:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(wait)
            return
        for _ in range(self._lines.maxsize):
            try:
                line = self._lines.get(timeout=wait) if wait else self._lines.get_nowait()
            except queue.Empty:
                return
            wait = None
            event = _parsed(line)
            if not line:
                self._silent = True
            elif event is None:
                if line.strip():
                    self._first_garbage = self._first_garbage or line
                    self.garbage += 1
            elif event["event"] in ("result", "error"):
                self.final = event
            else:
                yield event

    # -- ending ---------------------------------------------------------------------------------
    def end(self) -> None:
        """Leave no process of the job; what it said last is in ``late``."""
        self.tree.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        until = time.monotonic() + 2.0  # a descendant out of reach may hold the pipe open
        while not self._silent and time.monotonic() < until:
            self.late.extend(self.events(POLL_SECONDS))

    def note_of_garbage(self) -> str:
        first = self._first_garbage[:200].decode(errors="replace").strip()
        return f"\n[crosstrain] {self.garbage} lines of the protocol were no events; the first: {first}\n"

    def report(self, log: Path) -> Outcome:
        """What the worker's last word and its exit code amount to."""
        final = self.final or {}
        peak = max(final.get("peak_memory_bytes") or 0, self.tree.peak) or None
        outcome = Outcome(
            "done", final.get("result"), None, log, 0.0, peak, garbage=self.garbage,
            surroundings={**self.surroundings.to_json(), **self.gpu.to_json()},
        )  # fmt: skip
        if final.get("event") == "result":
            return outcome
        if final:
            status = _STATUS_OF_KIND.get(final["kind"], "failed")
            return replace(outcome, status=status, error=final["message"], kind=final["kind"])
        sentence = death(self.process.returncode)
        if line := last_line(log):
            sentence += f"; its last words: {line}"
        return replace(outcome, status="crashed", error=sentence)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The event on a line; None for what is not one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None

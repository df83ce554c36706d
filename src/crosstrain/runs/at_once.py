"""Runs several tasks at a time, each of which starts worker processes; ends all of them when one must end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import psutil

from crosstrain.system.machine import usable_cores

T = TypeVar("T")
Task = Callable[[threading.Event], T]
"""Is given an event that is set once the task is to stop; ``run_job`` takes it as ``stop``."""

MEMORY_EACH = 2 * 2**30
"""Bytes that a process with a framework and a small network may come to."""
GRACE_SECONDS = 15.0
"""How long tasks may take to end their processes once they are to stop."""


def slots(
    tasks: int, *, each: int = MEMORY_EACH, free: int | None = None, on_device: int | None = None
) -> int:
    """How many tasks to run at a time: as cores and memory allow, at least one.

    A task takes ``each`` bytes of memory; ``free`` can be had (left out: what the system says), ``on_device``
    of the GPU where the tasks use one.
    """
    available = [psutil.virtual_memory().available if free is None else free]
    available += [] if on_device is None else [on_device]
    return max(1, min(tasks, usable_cores(), *(memory // each for memory in available)))


def at_once(
    tasks: Sequence[Task[T]], most: int, stop: threading.Event | None = None
) -> Generator[tuple[int, T], None, None]:
    """The tasks' numbers and results as they come, up to ``most`` running at a time, begun in their order.
    ``stop`` is the event that tasks are given, where the caller has one.

    Where one raises, or the consumer goes away (Ctrl-C is one way), the others are told to stop and their
    processes are gone when this raises or returns; tasks that were not begun are left out.
    """
    stop = stop or threading.Event()
    waiting: queue.SimpleQueue[tuple[int, Task[T]]] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    for numbered in enumerate(tasks):
        waiting.put(numbered)

    def work() -> None:
        while not stop.is_set():
            try:
                number, task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                finished.put((number, task(stop), None))
            except BaseException as error:
                stop.set()  # here, lest another task is begun before the consumer hears of it
                finished.put((number, None, error))

    # Daemons: what computes in this process, without a worker, cannot be stopped and must not keep it alive.
    threads = [threading.Thread(target=work, daemon=True, name=f"task-{i}") for i in range(most)]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            number, result, error = finished.get()
            if error is not None:
                raise error
            yield number, result  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join(GRACE_SECONDS)

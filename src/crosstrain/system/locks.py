"""Locks between processes. The system frees one when its holder dies, so nothing stale can remain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: no lock; two processes may then both work, the first to finish wins
    fcntl = None  # type: ignore[assignment]

LOCKS = fcntl is not None
"""Whether the system has them."""


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[IO[str] | None]:
    """Hold the lock at ``path``; yields None where ``wait`` is off and another process holds it.

    What is yielded otherwise is the open file: a child that inherits it holds the lock too, to its end.
    """
    with path.open("a") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield None
                return
        yield stream

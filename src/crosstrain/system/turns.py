"""Threads of one process that would make the same files: one makes them, the others wait and find them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_turns: dict[Path, threading.RLock] = defaultdict(threading.RLock)
_guard = threading.Lock()


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold a file or folder that one thread is to make; a thread that holds it already may enter again."""
    with _guard:
        lock = _turns[path.resolve()]
    with lock:
        yield

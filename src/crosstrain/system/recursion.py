"""Room for libraries that walk long chains by recursion."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DEEP = 50_000
"""Frames: Keras needs one for each layer of the longest path, and ResNet-1202 has 4,200."""


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Allow ``DEEP`` nested calls within the context (Python's own limit is 1000)."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)

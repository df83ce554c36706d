"""Packages that an import is to do without, though they are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def hidden(packages: Sequence[str]) -> Iterator[None]:
    """Inside, importing one of these packages fails as if it were not installed, unless it is already there.

    For packages that another takes along where it finds them, and that take long to import. None in
    ``sys.modules`` is the import system's own way to say so ("The module cache" in Python's reference).
    """
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            if sys.modules.get(name, sys) is None:
                del sys.modules[name]

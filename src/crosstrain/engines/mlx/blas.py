"""Which library does MLX's products of matrices on a CPU, and with how many threads.

MLX's wheel for Linux is linked to the reference BLAS (one thread, a few GFLOP/s). A faster library with the
same interface takes its place if its symbols are in the process first, as they would be where MLX was built
against it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Library:
    """A BLAS: the names of its file, and the function that takes a number of threads."""

    name: str
    files: tuple[str, ...]
    set_threads: str


LIBRARIES = (
    Library("mkl", ("libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"), "MKL_Set_Num_Threads"),
    Library("openblas", ("libopenblas.so.0", "libopenblas.so"), "openblas_set_num_threads"),
)

VARIABLE = "CROSSTRAIN_MLX_BLAS"
"""``wheel``: MLX's own library; ``mkl`` or ``openblas``: that one alone; unset: the first that is found."""


def _opened(library: Library) -> ctypes.CDLL | None:
    """The library with its symbols made public: this environment's own, else the system's."""
    for place in (f"{Path(sys.prefix) / 'lib'}{os.sep}", ""):
        for file in library.files:
            try:
                return ctypes.CDLL(place + file, mode=ctypes.RTLD_GLOBAL)
            except OSError:  # not there, or not for this machine
                continue
    return None


def _chosen() -> tuple[Library, ctypes.CDLL] | None:
    setting = os.environ.get(VARIABLE)
    if not sys.platform.startswith("linux") or setting == "wheel":
        return None
    for library in LIBRARIES:
        if setting in (None, library.name):
            opened = _opened(library)
            if opened is not None:
                return library, opened
    return None


_USED = _chosen()

NAME = _USED[0].name if _USED else ""
"""The library that stands in for the wheel's own; empty where none does."""


def set_threads(threads: int) -> None:
    """Let the library use ``threads`` threads. The wheel's own has one."""
    if _USED:
        library, opened = _USED
        getattr(opened, library.set_threads)(ctypes.c_int(threads))

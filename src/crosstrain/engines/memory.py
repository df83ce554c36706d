"""Memory that stays with the process between training steps.

A step frees its activations and the next one asks for them again. glibc hands large blocks back to the
system each time, and the system clears every page anew before it is touched: up to a fifth of the time of
a step on a CPU. Told to keep them, it does not.
"""

from __future__ import annotations

import ctypes

# From malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER = 2**31 - 1
_STEP = 64 * 2**20


def keep_freed_memory() -> bool:
    """Set the C library's allocator so for the whole process; False where it has no such switch."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return all(mallopt(*pair) for pair in ((_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP), (_MMAP_MAX, 0)))

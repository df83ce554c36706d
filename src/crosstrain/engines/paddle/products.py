"""Matrix products at the level of instructions that the processor has.

Paddle's wheels bring Intel's MKL of 2019. On a processor of another maker it takes its oldest code, several
times slower than AVX2 or AVX-512, whatever the processor can do; a variable of the environment, read at the
first product, tells it the level.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "MKL_DEBUG_CPU_TYPE"
_AVX512 = {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}
_AVX2 = {"avx2", "fma"}


def level(description: str) -> str | None:
    """MKL's number for a processor as Linux describes it (``/proc/cpuinfo``); None where MKL finds it itself
    or nothing is known."""
    lines = (line.partition(":") for line in description.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    if fields.get("vendor_id", "GenuineIntel") == "GenuineIntel":
        return None
    flags = set(fields.get("flags", "").split())
    if flags >= _AVX512 | _AVX2:
        return "7"
    return "5" if flags >= _AVX2 else None


def use_the_processor() -> None:
    """Tell MKL the processor's level, unless the user has. Too late after the process's first product."""
    if VARIABLE in os.environ:
        return
    try:
        isa = level(Path("/proc/cpuinfo").read_text())
    except OSError:  # not Linux, where Paddle has other libraries
        return
    if isa is not None:
        os.environ[VARIABLE] = isa

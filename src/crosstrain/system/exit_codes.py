"""What an exit code says, in words."""

from __future__ import annotations

import signal
from pathlib import Path

_SIGNALS = {
    "SIGABRT": "the worker aborted: an assertion failed or memory was corrupted inside the framework",
    "SIGSEGV": "the worker crashed with a segmentation fault inside the framework",
    "SIGBUS": "the worker crashed with a bus error: a memory-mapped file was cut short, or a disk is full",
    "SIGFPE": "the worker crashed with an arithmetic fault inside the framework",
    "SIGILL": "the worker used an instruction that this CPU does not have: wrong build of the framework",
    "SIGKILL": "the worker was killed from outside, most often by the system when memory runs out",
    "SIGTERM": "the worker was terminated from outside",
    "SIGXCPU": "the worker used up the CPU time that the system allows",
    "SIGXFSZ": "the worker wrote a file larger than the system allows",
}


def death(returncode: int | None) -> str:
    """One sentence for a worker that ended without a result; negative codes are signals."""
    if returncode is None:
        return "the worker never ended"
    if returncode >= 0:
        return f"the worker ended with exit code {returncode} and without a result"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        return f"the worker was ended by signal {-returncode}"
    return f"{_SIGNALS.get(name, 'the worker was ended')} ({name})"


def last_line(log: Path, limit: int = 200) -> str:
    """The last line of a log that is not empty, shortened."""
    with log.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 8192))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "")

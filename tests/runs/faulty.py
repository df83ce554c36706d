"""Tasks for real child processes that do what frameworks do on a bad day."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def well(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    print("printed to stdout")
    os.write(1, b"written to descriptor 1\n")
    print("printed to stderr", file=sys.stderr)
    for step in range(job.get("steps", 3)):
        emit({"event": "progress", "step": step})
    return {"pid": os.getpid(), "stdin": sys.stdin.read(), "environment": dict(os.environ)}


def modules(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    """What is imported by now, and the cores that the process may use."""
    return {"pid": os.getpid(), "modules": sorted(sys.modules), "cores": sorted(os.sched_getaffinity(0))}


def abort(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    emit({"event": "progress", "step": 0})
    os.abort()


def segfault(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def killed(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    os.kill(os.getpid(), 9)
    return {}


def leave(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    os._exit(3)


def hang(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    emit({"event": "hanging", "pid": os.getpid()})
    time.sleep(600)
    return {}


def hang_with_children(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    """One child in the worker's group, one that left it for a session of its own."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    same = subprocess.Popen(command)
    own = subprocess.Popen(command, start_new_session=True)
    emit({"event": "hanging", "pids": [os.getpid(), same.pid, own.pid]})
    time.sleep(600)
    return {}


def crash_with_child(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    emit({"event": "hanging", "pids": [child.pid]})
    os.abort()


def eat(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    blocks = []
    while True:
        blocks.append(bytearray(b"x") * (16 * 2**20))
        time.sleep(0.02)


def eat_in_child(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    code = "import time; held = bytearray(b'x') * (400 * 2**20); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code])
    time.sleep(600)
    return {}


def no_memory(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    raise MemoryError("cannot have 9 TiB")


def _pipes() -> list[int]:
    """The descriptors of this process that are the writing end of a pipe: the protocol is one of them."""
    descriptors = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
            flags = Path(f"/proc/self/fdinfo/{name}").read_text()
        except FileNotFoundError:
            continue
        if target.startswith("pipe:") and int(flags.split("flags:")[1].split()[0], 8) & os.O_WRONLY:
            descriptors.append(int(name))
    return descriptors


def garbage(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    """Bytes that are no text, JSON that is no event, and an unfinished line just before an event."""
    pipes = [p for p in _pipes() if p > 2]
    assert pipes, "the protocol is not a pipe of its own"
    emit({"event": "progress", "step": 0})
    for pipe in pipes:
        os.write(pipe, b'\xff\xfe\x00 not text\n[1, 2]\n{"no": "event"}\n{"event": "result", "resul')
    emit({"event": "progress", "step": 1})
    return {"whole": True}


def flood(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    """More than any buffer between the two holds, then a result."""
    for step in range(20_000):
        emit({"event": "progress", "step": step, "filling": "x" * 200})
    return {"last": step}


def endless_flood(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    while True:
        emit({"event": "progress"})


def silent_but_alive(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    for pipe in _pipes():
        if pipe > 2:
            os.close(pipe)
    time.sleep(600)
    return {}


def refused(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    from crosstrain.errors import CrosstrainError

    raise CrosstrainError("the input is 3 channels and the data has 1")


def cannot(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    from crosstrain.graph.evaluate import UnsupportedOp

    raise UnsupportedOp("torch does not support the op 'warp'")


def fails(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    return {"never": 1 / 0}


def full_disk(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    from crosstrain.system.files import storage_errors

    with storage_errors(Path("/somewhere")):
        raise OSError(errno.ENOSPC, "No space left on device")
    return {}


def chatty(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    for _ in range(4096):
        print("x" * 1024, flush=True)
    return {}


def unspeakable(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    return {"object": object()}

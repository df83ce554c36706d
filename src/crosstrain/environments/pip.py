"""Runs ``venv`` and ``pip`` for an environment, follows what they print, and says in one sentence why they
fail."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.system.locks import LOCKS

Tell = Callable[[str], None]
"""Is told what is being done, in a few words."""

_GUARDED = """
import os, runpy, signal, sys, threading
pulse = os.dup(0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
def watch():
    while os.read(pulse, 1):
        pass
    os.killpg(0, signal.SIGKILL) if os.name == "posix" else os._exit(1)
threading.Thread(target=watch, daemon=True).start()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module, and ends with all that it started as soon as the process that wants it is gone."""

_NOT_FOR_PIP = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT")
"""What would lead pip astray, to another folder or to packages that are not the environment's."""

NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|Name or service not known"
    r"|nodename nor servname|Connection refused|Network is unreachable|No route to host|ConnectTimeout"
    r"|Max retries exceeded|ReadTimeoutError|ProxyError|Connection reset|RemoteDisconnected"
    r"|connection broken by|SSLError|CERTIFICATE_VERIFY_FAILED"
)
_STORAGE = (
    (re.compile(r"Errno 28\b|No space left on device"), "the disk is full"),
    (re.compile(r"Errno 122\b|Disk quota exceeded"), "your disk quota is used up"),
    (re.compile(r"Errno 30\b|Read-only file system"), "the disk is read-only"),
    (re.compile(r"Errno 13\b|Permission denied"), "you have no right to write there"),
)
_INDEXES = re.compile(r"Looking in indexes: (.+)")
_RAISED = re.compile(r"^\s*(\w+(?:Error|Exception|Interrupt): .+)$", re.MULTILINE)
_NO_MATCH = re.compile(r"No matching distribution found for (\S+)")
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")
_STEPS = (
    (re.compile(r"Downloading (\S+?)-\d\S* (\([^)]*\))"), "downloading {0} {1}"),
    (re.compile(r"Collecting ([\w.-]+)"), "looking for {0}"),
    (re.compile(r"Building wheel for ([\w.-]+)"), "building {0}"),
    (re.compile(r"Installing collected packages: (.+)"), "installing {0}"),
)


def run(python: str, arguments: Sequence[str], *, lock: IO[str], log: IO[str], tell: Tell) -> str:
    """Run ``python -m ARGUMENTS`` apart from the user's own packages; what it prints goes to ``log`` too.

    Returns its last 400 lines. It holds the lock to its end, and ends when this process does, however
    that comes about. Raises ``CalledProcessError`` with these lines as ``output`` where it fails.
    """
    process = subprocess.Popen(
        [python, "-I", "-u", "-c", _GUARDED, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={k: v for k, v in os.environ.items() if k not in _NOT_FOR_PIP} | {"PIP_USER": "0"},
        text=True, encoding="utf-8", errors="replace", start_new_session=True,
        pass_fds=(lock.fileno(),) if LOCKS else (),
    )  # fmt: skip
    assert process.stdout is not None
    lines: deque[str] = deque(maxlen=400)
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            log.write(line)
            if words := _step(line):
                tell(words)
        log.flush()
        code = process.wait()
    finally:
        _end(process)
    output = "\n".join(lines)
    if code:
        raise subprocess.CalledProcessError(code, list(arguments), output)
    return output


def _end(process: subprocess.Popen[str]) -> None:
    """Leave nothing of it, nor of what it has started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def _step(line: str) -> str:
    """What a line of pip's says to a user; empty for most."""
    for pattern, words in _STEPS:
        if match := pattern.search(line):
            message = words.format(*match.groups())
            return message if len(message) <= 60 else f"{message[:59]}…"
    return ""


def explained(name: str, folder: Path, log: Path, output: str, python: str) -> Exception:
    """The error to raise where ``name`` could not be installed into ``folder``, from what was printed."""
    for pattern, reason in _STORAGE:
        if pattern.search(output):
            return StorageError(
                f"cannot install {name} into {folder}: {reason}; nothing of it was kept (log: {log})"
            )
    if _free(folder) < 2**20:  # venv hides what stopped it
        return StorageError(f"cannot install {name} into {folder}: the disk is full; nothing of it was kept")
    missing = _NO_MATCH.search(output)
    known = _VERSIONS.findall(output)
    index = _INDEXES.search(output)
    where = f" {index[1]}" if index else ""
    if NO_NETWORK.search(output) and (missing is None or not known or known[-1] in ("none", "")):
        return CrosstrainError(
            f"cannot install {name}: the package index{where} cannot be reached; "
            f"check the network and pip's settings (pip config list), then try again (log: {log})"
        )
    if missing:
        fits = f"there is no {missing[1]} for Python {python} on {sys.platform}"
        if known and known[-1] not in ("none", ""):
            last = ", ".join(known[-1].split(", ")[-5:])
            return CrosstrainError(f"cannot install {name}: {fits} (the last that are: {last}; log: {log})")
        return CrosstrainError(
            f"cannot install {name}: {fits} in the package index{where}, or it cannot be reached (log: {log})"
        )
    if "ensurepip is not available" in output or "No module named venv" in output:
        return CrosstrainError(
            f"cannot install {name}: Python {python} cannot make environments; "
            f"install its venv module (on Debian and Ubuntu: apt install python{python}-venv)"
        )
    return CrosstrainError(f"cannot install {name}: {_relevant(output)} (log: {log})")


def _free(folder: Path) -> int:
    """The bytes that are left on the disk of a folder, which may not be there."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free


def _relevant(output: str) -> str:
    """What a build raised, else the last line that pip calls an error, else the last one."""
    raised = _RAISED.findall(output)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|error|Error)\b", line)]
    last = (raised or errors or lines or ["pip ended without a word"])[-1]
    return re.sub(r"^(ERROR|error|Error):\s*", "", last)[:200]

"""Reads damaged files one by one, and says of each what its reader did.

``readings`` runs in this process, under a limit of processor time. ``watched`` runs it in a process of its
own, which a file may bring down or stop for good: that file is named, and a new process goes on.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError, StorageError
from tests.mutations import Mutation

SECONDS = 20.0
"""A file that takes more processor time than this hangs its reader."""
SILENCE = 300.0
"""So long may a file take on a busy machine, or wait for what never comes, before its process is ended."""
MEMORY = 12 << 30
"""Bytes of address space; what asks for more is a fault too."""
RIGHT = ("refused", "read")


@dataclass(frozen=True)
class Reader:
    """``make`` writes whole inputs, each a file or a folder, to a folder, and gives the files to damage;
    ``read`` reads such a file, and is told the folder of the input."""

    make: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, Path], object]
    mutate: Mutation


@dataclass(frozen=True)
class Reading:
    """What a reader did with the file of this number: ``refused`` or ``read``, else what went wrong, with
    ``why``. ``seconds`` are of processor time."""

    number: int
    answer: str
    seconds: float
    why: str = ""

    @property
    def wrong(self) -> bool:
        return self.answer not in RIGHT


class Hangs(BaseException):
    """Raised in whatever runs when a file's time is over."""


def readings(name: str, reader: Reader, numbers: range) -> Iterator[Reading]:
    """Damage and read the files of these numbers; each follows from the reader's name and its number."""
    with tempfile.TemporaryDirectory() as folder:
        whole, copy = Path(folder) / "whole", Path(folder) / "damaged"
        files = list(reader.make(whole))
        for number in numbers:
            rng = random.Random(f"{name} {number}")
            victim = rng.choice(files).relative_to(whole)
            target = _copied(whole, victim, copy)
            data = reader.mutate((whole / victim).read_bytes(), rng)
            target.unlink()  # a link to the whole one
            target.write_bytes(data)
            began = time.process_time()
            answer, why = _answer(reader, target, copy / victim.parts[0] if len(victim.parts) > 1 else copy)
            yield Reading(number, answer, time.process_time() - began, why)
            shutil.rmtree(copy)
            if number == numbers[0]:
                gc.freeze()  # a framework is loaded now, whose objects each clear_session would visit anew


def _copied(whole: Path, victim: Path, copy: Path) -> Path:
    """The input that a file belongs to, in another folder."""
    copy.mkdir()
    if len(victim.parts) > 1:
        shutil.copytree(whole / victim.parts[0], copy / victim.parts[0], copy_function=os.link)
    else:
        os.link(whole / victim, copy / victim)
    return copy / victim


def _answer(reader: Reader, target: Path, folder: Path) -> tuple[str, str]:
    try:
        with _limit(SECONDS), contextlib.redirect_stderr(io.StringIO()):
            reader.read(target, folder)
    except (CrosstrainError, StorageError) as error:
        text = str(error)
        if "\n" in text or not text:
            return "no sentence", repr(text[:300])
        return "refused", ""
    except Hangs:
        return "hang", _last_lines(6)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return type(error).__name__, _last_lines(7)
    return "read", ""


def _last_lines(count: int) -> str:
    return "".join(traceback.format_exc().splitlines(keepends=True)[-count:])


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """A limit of processor time, which other programs on the machine do not use up."""

    def stop(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# -- in a process of its own ------------------------------------------------------------------------
Read = Callable[[str, range], Iterator[Reading]]


def watched(read: Read, name: str, numbers: range) -> Iterator[Reading]:
    """``read(name, numbers)`` in a process of its own, begun anew behind a file that ended or stopped it."""
    spawn = multiprocessing.get_context("spawn")
    waiting = numbers
    while waiting:
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_serve, args=(theirs, read, name, waiting), daemon=True)
        process.start()
        theirs.close()
        try:
            ours.recv()  # it has begun; how long its imports take says nothing of a file
            while waiting:
                if not ours.poll(SILENCE):
                    process.kill()
                    yield Reading(waiting[0], "hang", SILENCE, f"no answer in {SILENCE:.0f} s")
                    break
                yield ours.recv()
                waiting = waiting[1:]
            else:
                return
        except EOFError:
            process.join()
            yield Reading(waiting[0], "died", 0.0, f"exit code {process.exitcode}")
        finally:
            process.kill()
            process.join()
        waiting = waiting[1:]


def _serve(connection: Connection, read: Read, name: str, numbers: range) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    connection.send("begun")
    for reading in read(name, numbers):
        connection.send(reading)

"""What a running comparison is doing, in a small file of its folder: ``crosstrain open`` shows it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from crosstrain.comparison.plan import Cell
from crosstrain.comparison.progress.remaining import Course
from crosstrain.comparison.progress.watch import Watch
from crosstrain.results.schema import CellResult

FILE = "progress.json"
EVERY = 1.0
"""Seconds between two writings, at least, while nothing but time passes."""
SHARE = 0.01
"""The share of the time that may go into writing results that are not final."""


class Published:
    """A ``Watch`` that also keeps ``progress.json`` in ``folder``, and passes all on to ``watch``.

    Context manager: at its end the file is taken away. A process that dies leaves it behind; ``running``
    tells such a one apart.
    """

    def __init__(self, watch: Watch, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._path = folder / FILE
        self._clock = clock
        self._course = Course()
        self._words = {"stage": "", "cell": ""}
        self._written = -EVERY

    def __enter__(self) -> Published:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)

    # -- what the comparison calls --------------------------------------------------------------
    def stage(self, text: str) -> None:
        self._words = {"stage": text, "cell": ""}
        self._write()
        self._watch.stage(text)

    def begin(self, cells: Sequence[Cell], finished: Sequence[CellResult], epochs: int) -> None:
        self._course.begin(cells, finished, epochs)
        self._write()
        self._watch.begin(cells, finished, epochs)

    def start(self, cell: Cell) -> None:
        self._course.start(cell, self._clock())
        self._words = {"stage": "", "cell": str(cell)}
        self._write()
        self._watch.start(cell)

    def event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        self._course.event(event)
        if self._clock() - self._written >= EVERY:
            self._write()
        self._watch.event(cell, event)

    def finish(self, cell: Cell, result: CellResult) -> None:
        self._course.finish(cell, result)
        self._write()
        self._watch.finish(cell, result)

    def note(self, text: str) -> None:
        self._watch.note(text)

    # -- the file -------------------------------------------------------------------------------
    def _write(self) -> None:
        now = self._written = self._clock()
        state = {
            "process": os.getpid(), "since": psutil.Process().create_time(), **self._words,
            "done": self._course.ended, "cells": self._course.cells, "share": self._course.share,
            "left_seconds": self._course.seconds_left(now) if self._course.cells else None,
        }  # fmt: skip
        # Whole, but not synced to the disk: nobody needs it after a power cut, and syncing disturbs what is
        # being measured. A full disk is reported where results are written.
        temporary = self._path.with_name(f"{FILE}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(state))
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)


@dataclass
class Sparing:
    """Says when something that costs time may be done again, so that it takes at most ``SHARE`` of all."""

    clock: Callable[[], float] = time.monotonic
    _next: float = float("-inf")

    def may(self) -> bool:
        return self.clock() >= self._next

    def took(self, seconds: float) -> None:
        self._next = self.clock() + seconds * (1 / SHARE - 1)


def running(folder: Path) -> dict[str, Any] | None:
    """What the comparison in ``folder`` is doing; None where none is at work there.

    ``stage`` (a sentence) or ``cell`` (its name) is what it is at, ``done`` of ``cells`` are over, ``share``
    (0 to 1, or None) of the present one is done, ``left_seconds`` (or None) remain.
    """
    try:
        state = json.loads((folder / FILE).read_text())
        process = psutil.Process(state["process"])
        # Numbers of processes are used again; when it began tells one from another.
        alive = abs(process.create_time() - state["since"]) < 1 and process.is_running()
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return state if alive else None

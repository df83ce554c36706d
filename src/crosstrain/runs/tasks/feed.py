"""The worker's side of augmentation: batches out of memory that it shares with processes which make them.

Those run in the supervisor's Python (``runs/feeder.py``), which has OpenCV: one code on one build makes the
bytes for every engine, while the engine trains. A process announces a batch by a line on a pipe; a line back
says that its place in the memory is free again.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import anonymous_file
from crosstrain.training.recipe import Recipe

SLOTS = 4
"""Batches that a process is ahead at most."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """Shape (of one example) and dtype of one array of a batch; both kinds of dtype have 4 bytes."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def numbers(self) -> int:
        return int(np.prod(self.shape))


Layout = dict[str, Part]
"""The arrays of a batch: ``input/NAME`` and ``target/NAME``."""


@dataclass(frozen=True)
class Launch:
    """How to start the processes: ``python`` is the supervisor's, ``variables`` what differs in its
    environment (None: not set), ``processes`` how many there are."""

    python: str = sys.executable
    variables: Mapping[str, str | None] = field(default_factory=dict)
    processes: int = 1


def layout(data: Prepared, augmentation: Mapping[str, Any]) -> Layout:
    """What a batch of ``data`` brings, in this order: pictures, regions, label maps, boxes, and targets where
    they are mixed."""
    moved = {**data.pictures(), **data.regions()}
    parts: Layout = {f"input/{name}": Part(tuple(shape)) for name, shape in moved.items()}
    parts |= {f"target/{name}": Part(tuple(shape), "int32") for name, shape in data.label_maps().items()}
    parts |= {f"target/{name}": Part(tuple(shape)) for name, shape in data.boxes().items()}
    if "mixup" in augmentation:
        parts |= {f"target/{n}": Part(tuple(spec["shape"])) for n, spec in data.manifest["targets"].items()}
    return parts


def slots_in(memory: mmap.mmap, parts: Layout, batch_size: int) -> list[Arrays]:
    """The arrays, (batch_size, …), of each slot of the shared memory."""
    slots, position = [], 0
    for _ in range(SLOTS):
        arrays = {}
        for name, part in parts.items():
            flat = np.frombuffer(memory, part.dtype, batch_size * part.numbers, position)
            arrays[name] = flat.reshape(batch_size, *part.shape)
            position += flat.nbytes
        slots.append(arrays)
    return slots


def memory_size(parts: Layout, batch_size: int) -> int:
    """Bytes of the shared memory of one process."""
    return 4 * SLOTS * batch_size * sum(part.numbers for part in parts.values())


class Feed:
    """Augmented batches for a training. The processes start at once and are waited for when they are needed.

    ``examples`` are those of the training part.
    """

    def __init__(self, data: Prepared, recipe: Recipe, launch: Launch) -> None:
        self._batch_size = min(recipe.batch_size, data.examples("train"))
        self._batches = -(-data.examples("train") // recipe.batch_size)
        self._start = lambda: [
            _Process(data, recipe, launch, part, self._batch_size) for part in range(launch.processes)
        ]
        self._processes = self._start()

    def wait(self) -> None:
        """Return when all processes are ready."""
        for process in self._processes:
            process.wait()

    def epoch(self, epoch: int) -> Iterator[Arrays]:
        """The batches of an epoch (from 0) in the recipe's order, as copies; the last may be shorter."""
        if not self._processes:
            self._processes = self._start()
        for process in self._processes:
            process.begin(epoch)
        done = 0
        try:
            for done in range(1, self._batches + 1):
                yield self._processes[(done - 1) % len(self._processes)].next()
        finally:
            if done < self._batches:  # left in the middle: what is under way is of no more use
                self.close()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()
        self._processes = []


class _Process:
    """One process and the memory shared with it."""

    def __init__(self, data: Prepared, recipe: Recipe, launch: Launch, part: int, batch_size: int) -> None:
        parts = layout(data, recipe.augmentation)
        size = memory_size(parts, batch_size)
        self._ready = False
        self._number = 0
        with anonymous_file() as file:
            file.truncate(size)
            self._slots = slots_in(mmap.mmap(file.fileno(), size), parts, batch_size)
            job = {
                "memory": file.fileno(), "data_folder": str(data.folder), "recipe": recipe.to_json(),
                "part": part, "parts": launch.processes,
            }  # fmt: skip
            variables = {**os.environ, **launch.variables}
            self._process = subprocess.Popen(
                [launch.python, "-m", "crosstrain.runs.feeder", json.dumps(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: value for name, value in variables.items() if value is not None},
                pass_fds=(file.fileno(),),
            )

    def wait(self) -> None:
        if not self._ready:
            self._heard()
            self._ready = True

    def begin(self, epoch: int) -> None:
        self.wait()
        self._number = 0
        self._say(str(epoch))

    def next(self) -> Arrays:
        count = self._heard()
        slot = self._slots[self._number % SLOTS]
        self._number += 1
        batch = {name: array[:count].copy() for name, array in slot.items()}
        self._say("free")
        return batch

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self._heard()  # its last words say why
            raise

    def _heard(self) -> int:
        """The number on the next line. ``CrosstrainError`` where the process says what is wrong."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that augments ended with {self._process.wait()}")
        said = json.loads(line)
        if isinstance(said, str):
            raise CrosstrainError(said)
        return int(said)


def launch_of(job: Mapping[str, Any]) -> Launch:
    """How a job says that the processes are started."""
    return Launch(**(job.get("feeder") or {}))

"""How workers add up their vectors: the one thing that they do together."""

from __future__ import annotations

import mmap
import os
import socket
import time
from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Lost(RuntimeError):  # noqa: N818 (a worker is lost; what was wrong it says itself)
    """Another worker has gone. ``rank`` is the first that was missed."""

    def __init__(self, rank: int) -> None:
        super().__init__(f"the worker of rank {rank} has gone")
        self.rank = rank


class Communication(Protocol):
    """The workers of one training as one of them sees them. Ranks count from 0."""

    rank: int
    workers: int
    seconds: float
    """What adding up has taken so far, waiting for others included."""
    waiting: float
    """Of these, what passed until the slowest worker had its vector ready."""

    def sum(self, vector: np.ndarray) -> np.ndarray:
        """The sum of the vectors of all workers, bit for bit the same on each. All call it in the same order,
        with vectors of one length and dtype. Raises ``Lost``."""


class SharedMemory:
    """Processes of one machine. Each writes its vector to memory that all of them see, adds up its part of
    all vectors, and copies the whole sum.

    ``memory`` is the descriptor of a file that all have open; ``others`` are sockets, one to each of the
    other workers. A byte on each says "I am here"; the end of one, that a worker has gone.
    """

    def __init__(self, rank: int, memory: int, others: Mapping[int, socket.socket]) -> None:
        self.rank, self.workers = rank, len(others) + 1
        self.seconds = self.waiting = 0.0
        self._memory, self._others = memory, others
        self._form: tuple[int, np.dtype] = (0, np.dtype(np.uint8))
        self._vectors = self._total = np.empty(0)

    def sum(self, vector: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        if self._form != (len(vector), vector.dtype):
            self._meet()  # until all have taken the last sum out of memory that is to be divided anew
            self._divide(len(vector), vector.dtype)
        self._vectors[self.rank] = vector
        written = time.perf_counter()
        self._meet()
        self.waiting += time.perf_counter() - written
        own = part_of(len(vector), self.rank, self.workers)
        np.add.reduce(self._vectors[:, own], axis=0, out=self._total[own])
        self._meet()
        total = self._total.copy()
        self.seconds += time.perf_counter() - started
        return total

    def _meet(self) -> None:
        """Return when all workers are here."""
        for rank, other in self._others.items():
            try:
                other.sendall(b".")
            except OSError as error:
                raise Lost(rank) from error
        for rank, other in self._others.items():
            try:
                here = other.recv(1)
            except OSError as error:
                raise Lost(rank) from error
            if not here:
                raise Lost(rank)

    def _divide(self, length: int, dtype: np.dtype) -> None:
        """See the memory as a vector of each worker, and their sum."""
        size = (self.workers + 1) * length * dtype.itemsize
        if os.fstat(self._memory).st_size < size:
            os.ftruncate(self._memory, size)
        flat = np.frombuffer(mmap.mmap(self._memory, size), dtype)
        rows = flat.reshape(self.workers + 1, length)
        self._vectors, self._total, self._form = rows[:-1], rows[-1], (length, dtype)


def part_of(count: int, rank: int, workers: int) -> slice:
    """Which of ``count`` things are a worker's: consecutive ones, as many for each as can be."""
    return slice(count * rank // workers, count * (rank + 1) // workers)

"""Workers that ``mpirun`` has started, on one machine or several: they add up through MPI (mpi4py)."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.workers.network import order

NAP_SECONDS = 50e-6
OVER = -1
"""The epoch of the order that ends a training."""


class Mpi:
    """All processes of a launch (``COMM_WORLD``)."""

    def __init__(self) -> None:
        try:
            # By name: nothing else of crosstrain needs it.
            self._mpi: Any = importlib.import_module("mpi4py.MPI")
        except ImportError as error:
            raise CrosstrainError(
                f"training under mpirun needs mpi4py in the engine's Python ({error}); install it with: "
                "pip install mpi4py, or leave out mpirun and say --workers N"
            ) from error
        self._all = self._mpi.COMM_WORLD
        self.rank, self.workers = self._all.Get_rank(), self._all.Get_size()
        self.seconds = self.waiting = 0.0

    def sum(self, vector: np.ndarray) -> np.ndarray:
        """Reduced on one rank and sent from there: MPI does not promise that all find the same bits."""
        started = time.perf_counter()
        here = self._all.Ibarrier()
        while not here.Test():  # MPI's own waiting keeps a core busy, which the slowest worker may need
            time.sleep(NAP_SECONDS)
        self.waiting += time.perf_counter() - started
        total = np.empty_like(vector)
        self._all.Reduce(np.ascontiguousarray(vector), total)
        self._all.Bcast(total)
        self.seconds += time.perf_counter() - started
        return total

    def leave(self) -> None:
        """Tell MPI that this process ends well; it takes another end for a failure of all."""
        self._mpi.Finalize()


@contextmanager
def launch(job: Mapping[str, Any]) -> Iterator[Mpi]:
    """The workers, as rank 0 has them: the others are given its job, and end with it. Where it fails they are
    left to ``mpirun``, which ends all when one has failed."""
    workers = Mpi()
    told(workers, job)
    yield workers
    order(workers, OVER, 0, 0.0)
    workers.leave()


def told(workers: Mpi, job: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The job of rank 0, which alone gives it, on every rank."""
    text = np.frombuffer(json.dumps(job or {}).encode(), np.uint8).astype(np.int64)
    length = int(workers.sum(np.array([len(text) if workers.rank == 0 else 0]))[0])
    data = np.zeros(length, np.int64)
    if workers.rank == 0:
        data[:] = text
    shared: dict[str, Any] = json.loads(workers.sum(data).astype(np.uint8).tobytes())
    return shared

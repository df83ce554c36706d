"""The task ``peer``: a worker of rank 1 or above. It trains what the first one trains, and keeps nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from crosstrain.runs.tasks import checkpoint
from crosstrain.runs.tasks.cell import identity, recipe_of, set_up
from crosstrain.runs.tasks.workers.communication import Communication, Lost, SharedMemory
from crosstrain.runs.tasks.workers.mpi import OVER, Mpi, told
from crosstrain.runs.tasks.workers.network import next_order
from crosstrain.system.clocks import Clocks


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Train with the others until they have gone; the result is empty.

    The job is that of a cell, and has ``rank``, ``memory`` (the descriptor of the file that all see) and
    ``connections`` (those of sockets, by the rank of the other). With ``mpi`` it has nothing but what a
    process is started with: the rest comes from rank 0.
    """
    if job.get("mpi"):
        workers = Mpi()
        if given := told(workers):  # nothing where rank 0 has nothing to train
            _train(given, workers)
        workers.leave()
        return {}
    others = {int(rank): socket.socket(fileno=end) for rank, end in job["connections"].items()}
    communication = SharedMemory(job["rank"], job["memory"], others)
    with suppress(Lost):  # the training is over, or another worker has failed: that one says why
        _train(job, communication)
    return {}


def _train(job: Mapping[str, Any], communication: Communication) -> None:
    clocks = Clocks(lambda event: None)
    _, network, material = set_up(job, recipe_of(job), clocks, evaluate=False, communication=communication)
    with closing(material):
        path = Path(job["checkpoint"]) if job.get("checkpoint") else None
        if job.get("resume") and path and path.exists():
            network.load(checkpoint.load(path, identity(job, material))[0])
        while True:
            epoch, step, rate = next_order(communication)
            if epoch == OVER:
                return
            for number, (_, batch) in enumerate(material.epoch(epoch, step), step):
                network.train(batch, material.schedule.rate(rate, number))
            network.wait()

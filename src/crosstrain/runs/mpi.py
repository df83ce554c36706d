"""Whether this process was started by ``mpirun``, and as which of its ranks."""

from __future__ import annotations

import os

_NAMES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI
)


def launched() -> tuple[int, int] | None:
    """This process's rank and how many there are, from the launcher's variables; None where there are not
    several."""
    for rank, size in _NAMES:
        if rank in os.environ and int(os.environ.get(size, 1)) > 1:
            return int(os.environ[rank]), int(os.environ[size])
    return None

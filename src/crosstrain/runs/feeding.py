"""How workers start the processes that augment: in this Python, which has OpenCV, whatever theirs is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from crosstrain.system.machine import usable_cores

CORES_EACH = 4
MOST = 4
"""One process keeps up with a training on up to eight cores; a GPU beside more of them needs several."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Set to 1: the number of threads decides the order of BLAS's sums, and so their last bits."""


def feeder() -> dict[str, Any]:
    """``Launch`` of ``runs/tasks/feed.py``, as JSON for a job."""
    package = Path(__file__).resolve().parents[2]
    paths = [str(package)] if package.name not in ("site-packages", "dist-packages") else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return {
        "python": sys.executable,
        "variables": {
            "PYTHONPATH": os.pathsep.join(paths) or None,
            "PYTHONHOME": os.environ.get("PYTHONHOME"),
            "PYTHONNOUSERSITE": os.environ.get("PYTHONNOUSERSITE"),
            **dict.fromkeys(ONE_THREAD, "1"),
        },
        "processes": max(1, min(MOST, usable_cores() // CORES_EACH)),
    }

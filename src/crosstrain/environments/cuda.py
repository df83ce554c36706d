"""Environments with CUDA builds: which pins an engine has for them, and which of these the driver runs."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

from crosstrain.engines.registry import EngineRow
from crosstrain.errors import CrosstrainError
from crosstrain.system import gpus
from crosstrain.system.gpus import Gpus

REQUIREMENTS = Path(__file__).parent / "requirements"

_FILE = re.compile(r"(?P<stem>.+)-cuda(?P<major>\d+)\.txt")


def builds(row: EngineRow) -> dict[int, str]:
    """The requirement files of an engine's CUDA builds by the major version of CUDA, the newest first."""
    files: dict[int, str] = {}
    if row.release:
        return files  # they are of the pinned release
    for path in REQUIREMENTS.glob("*-cuda*.txt"):
        match = _FILE.fullmatch(path.name)
        if match and f"{match['stem']}.txt" == row.requirements:
            files[int(match["major"])] = path.name
    return dict(sorted(files.items(), reverse=True))


def has_cuda_build(row: EngineRow) -> bool:
    return bool(builds(row))


def cuda_row(row: EngineRow, available: Gpus | None = None) -> EngineRow:
    """The engine with the pins of the newest CUDA build that the driver runs.

    ``available`` are the GPUs (default: those of this machine). Raises ``CrosstrainError`` for an engine
    without a CUDA build, for a machine without a GPU, and for a driver too old for every build.
    """
    known = builds(row)
    if not known:
        raise CrosstrainError(f"{row.name} has no build for CUDA on the package index")
    if sys.platform != "linux":
        raise CrosstrainError(f"the CUDA builds of {row.name} are for Linux alone")
    here = available or gpus.gpus()
    if here.cuda is None:
        why = here.reason or "the driver does not say which CUDA it runs"
        raise CrosstrainError(f"{row.name} with CUDA needs a GPU of NVIDIA's: {why}")
    fitting = [major for major in known if major <= here.cuda[0]]
    if not fitting:
        able = ".".join(map(str, here.cuda))
        raise CrosstrainError(
            f"{row.name} needs a driver that runs CUDA {min(known)}; {here.driver} runs CUDA {able} at most: "
            "install a newer driver"
        )
    return replace(row, requirements=known[fitting[0]])

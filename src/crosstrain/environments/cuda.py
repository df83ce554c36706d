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
    found = {}
    for path in REQUIREMENTS.glob("*-cuda*.txt"):
        name = _FILE.fullmatch(path.name)
        if name and f"{name['stem']}.txt" == row.requirements:
            found[int(name["major"])] = path.name
    return dict(sorted(found.items(), reverse=True))


def has_cuda_build(row: EngineRow) -> bool:
    return bool(builds(row))


def cuda_row(row: EngineRow, found: Gpus | None = None) -> EngineRow:
    """The engine with the pins of the newest CUDA build that the driver runs.

    ``found`` are the GPUs (left out: those of this machine). ``CrosstrainError`` for an engine without a
    CUDA build, a machine without a GPU, and a driver that is too old for all of them.
    """
    known = builds(row)
    if not known:
        raise CrosstrainError(f"{row.name} has no build for CUDA on the package index")
    if sys.platform != "linux":
        raise CrosstrainError(f"the CUDA builds of {row.name} are for Linux alone")
    here = found or gpus.gpus()
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

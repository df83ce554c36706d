"""Define jobs whose function is given as an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstrain.exchange.torch_import import define as torch_define


def job(build: Callable[[], Any], folder: Path, losses: Mapping[str, Any] | None) -> dict[str, Any]:
    """A job for what ``build`` returns; the file only has to be there."""
    return {"source": f"{__file__}:build", "folder": str(folder), "losses": losses, "seed": 0}


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the define task does: a Keras model is left to Keras's."""
    return torch_define.run(job, lambda event: None)

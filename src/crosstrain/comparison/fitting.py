"""Which batch would have fitted where the memory of a GPU did not hold a training: found by trying."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstrain.runs.process import Outcome

PATIENCE = 300.0
"""Seconds for each try: the framework's import, compilation and a few steps."""


def batch_that_fits(
    job: Mapping[str, Any], launch: Callable[..., Outcome], folder: Path, timeout: float | None = None
) -> int | None:
    """The largest of half, a quarter, … of the job's batch whose steps fit into memory, each tried in a
    process of its own; 0 where not even a single example does, None where a try ended otherwise."""
    size = int(job["recipe"]["batch_size"]) // 2
    while size:
        trial = {
            **job, "task": "crosstrain.runs.tasks.fitting:run", "id": f"{job['id']}-batch-{size}",
            "recipe": {**job["recipe"], "batch_size": size},
        }  # fmt: skip
        outcome = launch(trial, folder=folder, timeout=min(PATIENCE, timeout or PATIENCE))
        if outcome.status == "done":
            return size
        if outcome.status != "memory":
            return None
        size //= 2
    return 0


def in_words(size: int | None) -> str:
    """What to add to the sentence that memory was not enough; "" where it is not known."""
    if size is None:
        return ""
    return f"; a batch of {size} fits" if size else "; not even a batch of 1 fits"

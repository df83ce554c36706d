"""The task ``trial``: a few steady steps of a training, on the clock of an epoch (``training.py``).

Importing, preparing, compiling and warming up are as in a cell and timed apart. Then the epoch's own batches
are trained in windows, each of which ends as an epoch does: with the wait for all work and for the losses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from crosstrain.engines.contract import Network
from crosstrain.runs.tasks.cell import set_up
from crosstrain.runs.tasks.material import Arrays, Material
from crosstrain.runs.worker import peak_memory
from crosstrain.system.clocks import Clocks
from crosstrain.training.recipe import Recipe

WINDOWS = 8
"""Windows of a trial; the first settles caches and thread pools, and does not count."""

MOST_SECONDS = 4.0
"""A trial ends after so many times the seconds that were asked for, even with fewer windows."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure for about ``job["seconds"]``; the rest of the job is as of the task ``train``.

    The result has ``samples``, seconds for an epoch as each window after the first would have it (windows
    cover the same number of batches), ``steps``, and the seconds of every phase.
    """
    clocks = Clocks(emit)
    recipe = Recipe.from_json(job["recipe"])
    version, network, material = set_up(job, recipe, clocks, evaluate=False)
    with closing(material), clocks.phase("train"):
        samples, steps = _measured(network, material, float(job["seconds"]))
    return {
        "engine_version": version,
        "samples": samples,
        "steps": steps,
        **{f"{phase}_seconds": clocks.seconds.get(phase, 0.0) for phase in PHASES},
        "peak_memory_bytes": peak_memory(),
    }


PHASES = ("import", "prepare", "compile", "train")


def _measured(network: Network, material: Material, seconds: float) -> tuple[list[float], int]:
    """Seconds an epoch, a sample for each window, and the steps done."""
    examples = material.splits["train"].examples
    source = _endless(material)
    started = time.perf_counter()
    first = _window(network, material, source, 1)[0]
    length = max(1, round(seconds / WINDOWS / max(first, 1e-6)))
    samples: list[float] = []
    steps = 1
    # The length rests on one step, which may have been slow: it is found anew in the window that settles.
    spent, _ = _window(network, material, source, length)
    steps += length
    length = max(1, round(length * seconds / WINDOWS / max(spent, 1e-6)))
    while len(samples) < WINDOWS - 1:
        used, count = _window(network, material, source, length)
        samples.append(used / count * examples)
        steps += length
        if len(samples) >= 2 and time.perf_counter() - started > MOST_SECONDS * seconds:
            break
    return samples, steps


def _window(
    network: Network, material: Material, source: Iterator[tuple[int, Arrays]], steps: int
) -> tuple[float, int]:
    """Train some steps; seconds, and examples."""
    schedule = material.schedule
    rate = float(material.recipe.optimizer.learning_rate or 0.0)
    losses, count = [], 0
    started = time.perf_counter()
    for step in range(steps):
        size, batch = next(source)
        losses.append(network.train(batch, schedule.rate(rate, step)))
        count += size
    network.wait()
    used = time.perf_counter() - started
    for loss in losses:
        float(loss)  # a framework that fails late fails here
    return used, count


def _endless(material: Material) -> Iterator[tuple[int, Arrays]]:
    """The batches of one epoch after another."""
    epoch, step = 0, 0
    while True:
        for size, batch in material.epoch(epoch, step):
            yield size, batch
            step += 1
        epoch += 1

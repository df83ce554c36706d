"""The task that measures how fast a device multiplies matrices and copies memory: what limits a training."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

SIZES = (512, 1024, 2048, 4096)
LARGER = (8192,)
"""Further sizes for a GPU, which smaller ones do not fill."""
COPIED = 256 * 2**20
"""Bytes of the array that is copied: far more than any cache holds."""
REPEATS = 7
LONGEST = 1.0
"""Seconds for the samples of one size, of which there are three at least."""
TOO_LONG = 0.75
"""A size whose product would take so many seconds is left out: the one before it has reached the peak."""

Product = Callable[[], None]
Prepare = Callable[[np.ndarray, np.ndarray, str], Product]
"""Takes two matrices and the device to a library; what it gives multiplies them and waits for it."""

PrepareCopy = Callable[[int, str], Product]
"""Likewise takes a number of bytes and the device; what it gives copies as many and waits for it."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Multiply square matrices of ``job["precision"]`` on ``job["device"]``, and copy an array there, with
    NumPy or, where ``job["engine"]`` names an engine, with its framework (``crosstrain.engines.NAME.peak``).

    The result has the ``size`` that was fastest, its median ``flops_per_second`` (2 n³ for a product), and
    the ``samples`` (seconds) by size, and ``bytes_per_second`` of the copy, read and written bytes together.
    ``job["sizes"]`` may name others than ``SIZES``, ``job["copied"]`` another number of bytes.
    """
    prepare: Prepare = _numpy
    copy: PrepareCopy = _numpy_copy
    device = str(job.get("device", "cpu"))
    if job.get("engine"):
        module = importlib.import_module(f"crosstrain.engines.{job['engine']}.peak")
        module.set_threads(job.get("threads"))
        prepare, copy = module.prepare, module.prepare_copy
    samples: dict[int, list[float]] = {}
    random = np.random.default_rng(0)
    for size in job.get("sizes") or (*SIZES, *(LARGER if device != "cpu" else ())):
        if any(min(times) * (size / other) ** 3 > TOO_LONG for other, times in samples.items()):
            continue
        a, b = (random.random((size, size)).astype(job["precision"]) for _ in range(2))
        samples[size] = _timed(prepare(a, b, device))
    rates = {size: 2.0 * size**3 / float(np.median(seconds)) for size, seconds in samples.items()}
    copied = int(job.get("copied") or COPIED)
    moved = _timed(copy(copied, device))
    best = max(rates, key=lambda size: rates[size])
    return {
        "flops_per_second": rates[best],
        "size": best,
        "bytes_per_second": 2.0 * copied / float(np.median(moved)),
        "samples": {str(size): seconds for size, seconds in samples.items()},
    }


def _timed(product: Product) -> list[float]:
    product()
    seconds: list[float] = []
    end = time.perf_counter() + LONGEST
    while len(seconds) < REPEATS and (len(seconds) < 3 or time.perf_counter() < end):
        started = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - started)
    return seconds


def _numpy(a: np.ndarray, b: np.ndarray, device: str) -> Product:
    out = np.empty_like(a)

    def product() -> None:
        np.matmul(a, b, out=out)

    return product


def _numpy_copy(size: int, device: str) -> Product:
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)

    def copy() -> None:
        np.copyto(target, source)

    return copy

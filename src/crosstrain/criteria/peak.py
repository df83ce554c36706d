"""A device's measured peaks, of matrix products and of copies, and what of them a training reaches."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from crosstrain.criteria.case import Case
from crosstrain.criteria.record import FailedError, UnknownError
from crosstrain.engines.registry import engines
from crosstrain.environments.environments import find
from crosstrain.environments.versions import versions_of
from crosstrain.graph.cost import cost
from crosstrain.runs.process import run_job
from crosstrain.system.files import write_json
from crosstrain.system.gpus import gpus
from crosstrain.system.machine import processor, usable_cores
from crosstrain.system.places import cache_root

FORWARD_AND_BACKWARD = 3
"""A training step multiplies about three times what the forward pass does: gradients for the inputs and for
the weights take as much each (the convention of Kaplan et al. 2020, arXiv:2001.08361, section 2.1). The
first layer's gradient for its input is not needed; that is not subtracted."""

FLOPS_OF_A_MAC = 2
READ_AND_WRITTEN = 2
"""Every activation is written by one node and read by the next, and so is its gradient; backward reads the
activation once more and writes a gradient of the weights, which by the same convention is twice forward."""
FORMAT = 2
"""Of what is remembered."""
SHELF_LIFE = 24 * 3600.0
QUIETER = 0.1
"""A peak is measured again where the machine is less busy than it was then by this part of it."""
PATIENCE = 300.0


def share(case: Case) -> dict[str, Any]:
    """``peak_share`` is the row's floating-point operations a second (``training_flops``) over the
    device's ``matrix_peak``. Only products count, so that it is a lower limit of what the chip does.

    ``bandwidth_share`` is the bytes a second that its activations are (``training_bytes``) over the device's
    ``copy_bandwidth``; what is joined into one kernel moves fewer, what is transposed more. ``limited_by`` is
    ``products`` or ``memory``, whichever of the two takes longer at its peak.
    """
    costs = cost(case.definition.graph)
    macs = costs.macs
    rate = case.row.images_per_second
    if not macs:
        raise UnknownError("the network has no matrix products to count")
    if rate is None:
        raise UnknownError("no epoch was timed")
    settings = case.bench.settings
    key = ("peak", settings.device, settings.precision, case.job["threads"])
    if key not in case.shared:
        case.shared[key] = peak(settings.device, settings.precision, case.job["threads"])
    top = case.shared[key]
    flops = FORWARD_AND_BACKWARD * FLOPS_OF_A_MAC * macs * rate
    reached = flops / top["flops_per_second"]
    result = {
        "macs": macs, "training_flops": flops, "matrix_peak": top["flops_per_second"],
        "matrix_peak_library": top["library"], "peak_share": reached,
    }  # fmt: skip
    if not (bandwidth := top.get("bytes_per_second")):
        return result
    width = np.dtype(settings.precision).itemsize / 4  # activations are counted in float32
    moved = FORWARD_AND_BACKWARD * READ_AND_WRITTEN * width * costs.activation_bytes * rate
    return result | {
        "training_bytes": moved, "copy_bandwidth": bandwidth, "bandwidth_share": moved / bandwidth,
        "limited_by": "products" if reached >= moved / bandwidth else "memory",
    }  # fmt: skip


def peak(
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    *,
    sizes: list[int] | None = None,
) -> dict[str, Any]:
    """The most floating-point operations a second (``flops_per_second``) that square matrix products reach
    here with so many threads, in NumPy or PyTorch, whichever is faster (``library``); ``bytes_per_second``
    is the most that a copy within the device's memory reads and writes.

    It is remembered for a day, unless the machine was busier then than now. ``FailedError`` where neither
    of them can tell.
    """
    note, busy = _note(device, precision, threads, sizes), psutil.cpu_percent(interval=0.3) / 100
    if cached := _cached(note, busy):
        return cached
    libraries = ([("numpy", None)] if device == "cpu" else []) + (
        [("torch", "torch")] if find(engines()["torch"]) else []
    )
    rates, faults = [], []
    for library, engine in libraries:
        job = {
            "task": "crosstrain.runs.tasks.products:run", "engine": engine, "device": device,
            "threads": threads, "precision": precision, "sizes": sizes,
        }  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="crosstrain-") as logs:
            outcome = run_job(job, folder=Path(logs), timeout=PATIENCE)
        if outcome.status == "done" and outcome.result is not None:
            rates.append({**outcome.result, "library": library})
        else:
            faults.append(f"{library}: {outcome.error}")
    if not rates:
        reason = "; ".join(faults) or f"only PyTorch multiplies on {device} here, and it is not installed"
        raise FailedError(f"the matrix-product peak could not be measured ({reason})")
    best = max(rates, key=lambda each: float(each["flops_per_second"]))
    copies = [each["bytes_per_second"] for each in rates if each.get("bytes_per_second")]
    others = {each["library"]: each["flops_per_second"] for each in rates}
    fastest = {"bytes_per_second": max(copies)} if copies else {}
    record = {**best, **fastest, "by_library": others, "measured": time.time(), "busy": busy}
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, record)
    return record


def _note(device: str, precision: str, threads: int | None, sizes: list[int] | None) -> Path:
    cards = [card.name for card in gpus().cards] if device != "cpu" else []
    facts = [FORMAT, processor(), cards, usable_cores(), device, precision, threads, sizes]
    facts.append(versions_of(["torch"]))
    return cache_root() / "peaks" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.json"


def _cached(note: Path, busy: float) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(note.read_text())
        fresh = 0 <= time.time() - record["measured"] < SHELF_LIFE
        return (
            record if fresh and busy > record["busy"] - QUIETER and record["flops_per_second"] > 0 else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

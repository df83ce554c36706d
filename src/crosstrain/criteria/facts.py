"""What needs no further measurement: lines of source, energy, reliability, portability, memory."""

from __future__ import annotations

from typing import Any

from crosstrain.criteria.case import Case
from crosstrain.criteria.record import UnknownError
from crosstrain.engines.registry import EngineRow
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import Row
from crosstrain.system.energy import counters, per_epoch
from crosstrain.training.recipe import Loss


def lines(case: Case) -> dict[str, Any]:
    """Lines of code that the network and its training take in the framework, as ``crosstrain code`` writes
    them: no blank lines, comments, docstrings."""
    from crosstrain.source.generate import TARGETS, source_of  # of use only here, and large

    target = case.engine.imports[0]
    if target not in TARGETS:
        raise UnknownError(f"crosstrain code writes only {', '.join(TARGETS)}")
    definition = case.definition
    losses = {output: Loss(**loss) for output, loss in definition.data["losses"].items()}
    try:
        written = source_of(
            definition.graph, losses, case.bench.settings.recipe, target, str(definition.data["name"])
        )
    except CrosstrainError as error:
        raise UnknownError(f"crosstrain code cannot write it: {error}") from error
    return {"lines_of_source": written.lines, "lines_written_for": target}


def energy(case: Case) -> dict[str, Any]:
    """Joules of an epoch of training, and of a whole cell (import, compilation and evaluation included);
    medians over the row's cells."""
    records = [cell.model_extra or {} for cell in case.row.done]
    joules = per_epoch(records)
    if joules is None:
        _, reason = counters(case.bench.settings.device)
        raise UnknownError(reason or "the cells were measured without reading the energy counters")
    whole = sorted(r["energy_joules"] for r in records if "energy_joules" in r)
    return {
        "energy_joules_per_epoch": joules,
        "energy_joules_per_cell": whole[len(whole) // 2],
        "energy_covers": next(r["energy_covers"] for r in records if "energy_covers" in r),
    }


def memory(case: Case) -> dict[str, Any]:
    if case.row.peak_memory_bytes is None:
        raise UnknownError("no cell knows its peak")
    return {"peak_memory_bytes": case.row.peak_memory_bytes}


def reliability(row: Row) -> dict[str, Any]:
    """Of the row's cells that were begun, how many ended well, diverged, and failed."""
    begun = [c for c in row.cells if c.status not in ("left out", "pending", "interrupted", "missing")]
    well = [c for c in begun if c.status == "done"]
    return {
        "cells": len(begun),
        "ended_well": len(well),
        "diverged": sum(bool(c.diverged) for c in well),
        "failed": len(begun) - len(well),
    }


def portability(row: EngineRow) -> dict[str, Any]:
    """What the registry says: the Pythons (minor versions) that it has wheels for, and what has to be
    compiled or be there already."""
    (major, first), (_, last) = row.python
    return {
        "pythons": [f"{major}.{minor}" for minor in range(first, last + 1)],
        "from_source": list(row.sources),
        "needs_programs": list(row.programs),
    }


def devices(case: Case) -> dict[str, Any]:
    """What the engine finds on this machine."""
    return {"devices": list(case.description["devices"]), "precisions": list(case.description["precisions"])}

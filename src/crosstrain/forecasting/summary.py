"""A comparison's forecasts set beside the baselines': as data for tables and the report, and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared
from crosstrain.forecasting.baselines import LAST, Problem, forecasts
from crosstrain.forecasting.measures import Yardstick, means, measured
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult
from crosstrain.runs.tasks.predictions import read_predictions
from crosstrain.system.files import arrays_if_whole, write_arrays

FACTS = "series"
FILE = "forecasts.npz"
"""In a comparison's folder: ``origins``, ``actual`` and the forecasts by network and baseline."""
NEAR = 0.01
"""An error that is smaller by no more than this share of it is about the same."""
BASELINE, NETWORK = "baseline", "network"
FEW_STEPS = (1, 2, 3, 6, 12, 24, 48, 84)
"""Steps ahead that tables show where there are more."""


@dataclass(frozen=True)
class Forecast:
    """One forecaster on the test part: a baseline, or a network on an engine."""

    kind: str
    name: str
    engine: str
    values: np.ndarray


def problem_of(data: Prepared, split: str = "test") -> Problem | None:
    """What there is to forecast in a part of a prepared series; None where the data is none."""
    facts = data.manifest.get("facts", {}).get(FACTS)
    if not facts:
        return None
    return Problem(
        data.kept("series"), int(facts["target"]), data.kept(f"origins_{split}"), data.kept("origins_train"),
        int(facts["window"]), int(facts["horizon"]), int(facts["season"]),
    )  # fmt: skip


def in_units(outputs: np.ndarray, problem: Problem, facts: Mapping[str, Any]) -> np.ndarray:
    """A network's outputs (origins, horizon) in the series' own units."""
    target = problem.target
    level = problem.values[problem.origins][:, None] if facts["relative"] else 0.0
    values: np.ndarray = (
        np.asarray(outputs, np.float64) * facts["deviation"][target] + facts["mean"][target] + level
    )
    return values


def summarized(cells: Sequence[CellResult], data: Prepared, folder: Path) -> dict[str, Any]:
    """``entries`` (each forecaster with its measures, whole and ``by_step``), ``sentences``, and what they
    are of; empty where the data is no series, or no cell has forecasts. Writes ``FILE``."""
    problem = problem_of(data)
    if problem is None:
        return {}
    facts = data.manifest["facts"][FACTS]
    made = _of_networks(cells, folder, problem, facts)
    if not made:
        return {}
    baselines = baselines_of(problem)
    _write(folder, problem, [*baselines, *(each[0] for each in made)])
    return beside_baselines(made, problem, facts, baselines)


def baselines_of(problem: Problem) -> list[Forecast]:
    """The forecasts of each baseline that there is."""
    return [Forecast(BASELINE, name, "", values) for name, values in forecasts(problem).items()]


def beside_baselines(
    of_rows: Sequence[Sequence[Forecast]],
    problem: Problem,
    facts: Mapping[str, Any],
    baselines: Sequence[Forecast],
) -> dict[str, Any]:
    """The measures of ``baselines``, then of each row's forecasts (those of its cells)."""
    by = Yardstick.of(problem.values, int(facts["training_steps"]), problem.season, problem.origins)
    actual = problem.actual(problem.origins)
    entries = [_entry(of_row, actual, by) for of_row in [*([each] for each in baselines), *of_rows]]
    return {
        "variable": facts["columns"][problem.target], "unit": facts["unit"], "season": problem.season,
        "horizon": problem.horizon, "origins": len(problem.origins), "naive_error": by.naive,
        "entries": entries, "sentences": sentences(entries),
    }  # fmt: skip


def steps_shown(horizon: int) -> list[int]:
    """The steps ahead that a table shows."""
    return [step for step in FEW_STEPS if step < horizon] + [horizon]


def sentences(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is to be said of each network: whether it is better than tomorrow equals today, and than the best
    baseline."""
    baselines = {e["name"]: e["MAE"] for e in entries if e["kind"] == BASELINE}
    best = min(baselines, key=lambda name: baselines[name])
    by_network: dict[str, list[float]] = {}
    for entry in entries:
        if entry["kind"] == NETWORK:
            by_network.setdefault(entry["name"], []).append(entry["MAE"])
    said = []
    for network, errors in by_network.items():
        error, today = fmean(errors), baselines[LAST]
        if error >= today:
            said.append(
                f"{network} forecasts worse than tomorrow equals today: its mean absolute error is "
                f"{error:.4g}, "
                f"that of the last value {today:.4g}"
            )
        elif error > (1 - NEAR) * today:
            said.append(
                f"{network} forecasts about as well as tomorrow equals today: its mean absolute error is "
                f"{error:.4g}, that of the last value {today:.4g}"
            )
        elif error >= baselines[best]:
            said.append(
                f"{network} forecasts better than tomorrow equals today ({error:.4g} against {today:.4g}), "
                "but "
                f"not better than {best} ({baselines[best]:.4g})"
            )
        else:
            share = error / baselines[best] if baselines[best] else 1.0
            said.append(
                f"{network} forecasts better than every baseline: its mean absolute error, {error:.4g}, is "
                f"{share:.2f} times that of {best}, the best of them"
            )
    return said


def read_forecasts(folder: Path) -> dict[str, np.ndarray]:
    """``FILE`` as it was written; empty where it is not there, or damaged."""
    return arrays_if_whole(folder / FILE)


def _of_networks(
    cells: Sequence[CellResult], folder: Path, problem: Problem, facts: Mapping[str, Any]
) -> list[list[Forecast]]:
    """The forecasts of each row's cells that kept them."""
    made = []
    for row in rows(cells):
        of_row = []
        for cell in row.done:
            outputs = read_predictions(folder / "cells", cell.id).get("output")
            if outputs is not None and outputs.shape == (len(problem.origins), problem.horizon):
                of_row.append(Forecast(NETWORK, row.network, row.engine, in_units(outputs, problem, facts)))
        if of_row and all(np.isfinite(each.values).all() for each in of_row):
            made.append(of_row)
    return made


def _entry(of_row: Sequence[Forecast], actual: np.ndarray, by: Yardstick) -> dict[str, Any]:
    """The means over a row's cells."""
    first = of_row[0]
    whole = means([measured(each.values, actual, by) for each in of_row])
    steps = [
        {
            "step": step + 1,
            **means([measured(e.values[:, step : step + 1], actual[:, step : step + 1], by) for e in of_row]),
        }
        for step in range(actual.shape[1])
    ]
    return {
        "kind": first.kind, "name": first.name, "engine": first.engine, "cells": len(of_row), **whole,
        "by_step": steps,
    }  # fmt: skip


def _write(folder: Path, problem: Problem, made: Sequence[Forecast]) -> None:
    arrays = {"origins": problem.origins, "actual": problem.actual(problem.origins)}
    for each in made:
        arrays.setdefault(f"{each.kind}/{each.name}", each.values)
    write_arrays(
        folder / FILE,
        {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in arrays.items()
        },
    )


__all__ = [
    "FACTS",
    "FILE",
    "NETWORK",
    "Forecast",
    "baselines_of",
    "beside_baselines",
    "in_units",
    "problem_of",
    "read_forecasts",
    "sentences",
    "steps_shown",
    "summarized",
]

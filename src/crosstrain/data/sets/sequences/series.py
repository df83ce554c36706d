"""``series:FILE``: windows of a series of numbers, to forecast what comes next; split in time order.

A file has numbers separated by spaces, commas or lines, or it is a CSV with a time column and variables. An
input is ``window`` steps of all variables, (window, variables); its target the next ``horizon`` values of
one, (horizon,). The first 70 % of the steps are for training, the next 15 % for validation, the last 15 % for
test: a window belongs to the part in which its *target* lies, and training windows lie in the training part
whole. Each variable is scaled by the mean and standard deviation of its training part; with ``relative`` both
inputs and target are first taken as differences from the window's last value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.options import SERIES, completed
from crosstrain.data.sets.sequences.reading import NumbersFile, in_words, read_numbers
from crosstrain.data.sets.sequences.times import Steps, steps_of
from crosstrain.data.source import Files, NewExamples, Request, Source, Table, Values
from crosstrain.data.split import in_order
from crosstrain.errors import CrosstrainError

FACTS = "series"
VALIDATION, TEST = 0.15, 0.15


@dataclass(frozen=True)
class Scale:
    """``(value - mean) / deviation`` of each variable, fitted on the training part."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """That of ``values`` (steps, variables); a variable that does not change is only shifted."""
        deviation = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(deviation > 0, deviation, 1.0))


def files(location: Path) -> Files:
    return [("", location)]


def read(location: Path, request: Request) -> Source:
    """The windows of the three parts. ``CrosstrainError`` for a file that is no series, or too short."""
    fitted = request.fitted.get(FACTS) or {}
    learnt = {name: value for name, value in (fitted.get("options") or {}).items() if name != "end"}
    options = completed(SERIES, learnt, request.options)
    columns = [name for name in str(options["columns"]).split("+") if name]
    file = read_numbers(location, str(options["time"]), columns)
    target = _target(file, str(options["target"]))
    values, warnings = _whole(file, str(options["gaps"]))
    steps = steps_of(location, file.times, file.lines)
    end = int(options["end"]) or len(values)
    if end > len(values):
        raise CrosstrainError(f"{location} has {len(values)} steps; end={end} is beyond them")
    values = values[:end]
    parts = windows(len(values), *(int(options[name]) for name in ("window", "horizon", "stride")))
    _check_length(location, len(values), parts, options)
    relative = bool(options["relative"])
    scale = _scale(values, parts["train"], int(options["window"]), relative=relative, fitted=fitted)
    facts: dict[str, Any] = {
        "options": options, "columns": list(file.names), "target": target, "window": options["window"],
        "horizon": options["horizon"], "steps": len(values), "unit": steps.unit,
        "season": int(options["season"]) or steps.season, "relative": relative, "mean": scale.mean.tolist(),
        "deviation": scale.deviation.tolist(), "training_steps": boundaries(len(values))[0],
    }  # fmt: skip
    tables = {
        split: _table(values, origins, options, target, scale, relative=relative)
        for split, origins in parts.items()
    }
    kept = {"series": values, **{f"origins_{split}": origins for split, origins in parts.items()}}
    return Source(tables, {}, [*warnings, *steps.warnings], facts={FACTS: facts}, kept=kept)


def new_examples(path: Path, facts: Mapping[str, Any]) -> NewExamples:
    """The last window of a series, as those of the training with these ``facts`` were. ``CrosstrainError``
    for a file that is no series, has other variables or is too short."""
    options, trained = facts["options"], facts["columns"]
    columns = [name for name in str(options["columns"]).split("+") if name]
    file = read_numbers(path, str(options["time"]), columns)
    if len(file.names) != len(trained):
        raise CrosstrainError(
            f"{path} has the variables {', '.join(file.names)}; the network was trained on "
            f"{', '.join(trained)}"
        )
    values, _ = _whole(file, str(options["gaps"]))
    window, target = int(facts["window"]), int(facts["target"])
    if len(values) < window:
        raise CrosstrainError(f"{path} has {len(values)} steps; the network sees {window}")
    seen = values[-window:]
    level = seen[-1] if facts["relative"] else np.zeros(len(trained))
    scale = Scale(np.array(facts["mean"]), np.array(facts["deviation"]))
    array = ((seen - level - scale.mean) / scale.deviation)[None]

    def in_units(outputs: np.ndarray) -> np.ndarray:
        return np.asarray(outputs * scale.deviation[target] + scale.mean[target] + level[target])

    return NewExamples([str(path)], array.astype(np.float32), in_units)


def boundaries(steps: int) -> tuple[int, int]:
    """Where validation and test begin."""
    train, validation, _ = in_order(steps, VALIDATION, TEST)
    return len(train), len(train) + len(validation)


def windows(steps: int, window: int, horizon: int, stride: int) -> dict[str, np.ndarray]:
    """The origins of each part's windows: the position of a window's last value, whose target is the next
    ``horizon``. A window and its target lie in the training part whole; in the others the target does, and
    the window may reach back into what was known before."""
    validation, test = boundaries(steps)
    origins = np.arange(window - 1, steps - horizon, stride, dtype=np.int64)
    first, last = origins + 1, origins + horizon
    return {
        "train": origins[last < validation],
        "validation": origins[(first >= validation) & (last < test)],
        "test": origins[first >= test],
    }


def _target(file: NumbersFile, asked: str) -> int:
    if asked and asked not in file.names and asked in file.others:
        columns = "+".join([*file.names, asked])
        raise CrosstrainError(f"the target {asked!r} has to be among the columns; write columns={columns}")
    if asked and asked not in file.names:
        raise CrosstrainError(
            f"{file.path} has no column {asked!r} to forecast; it has {', '.join(file.names)}"
        )
    if not asked and len(file.names) > 1:
        raise CrosstrainError(
            f"{file.path} has several variables ({', '.join(file.names)}); say which to forecast, as "
            f"target={file.names[-1]}"
        )
    return file.names.index(asked) if asked else 0


def _whole(file: NumbersFile, gaps: str) -> tuple[np.ndarray, list[str]]:
    """The values without gaps, and what was done about them."""
    missing = file.missing(range(len(file.names)))
    if not missing:
        return file.values, []
    count = int(np.isnan(file.values).sum())
    said = f"{count} value{' is' if count == 1 else 's are'} missing ({in_words(missing)})"
    if gaps == "refuse":
        raise CrosstrainError(
            f"{file.path}: {said}; fill {'it' if count == 1 else 'them'} in, or write gaps=interpolate"
        )
    filled, at = file.values.copy(), np.arange(len(file.values))
    for column in filled.T:
        known = ~np.isnan(column)
        if not known.any():
            raise CrosstrainError(f"{file.path} has a column without a single value")
        column[~known] = np.interp(at[~known], at[known], column[known])
    return filled, [f"{said}; interpolated between their neighbours"]


def _check_length(
    path: Path, steps: int, parts: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> None:
    empty = [split for split, origins in parts.items() if len(origins) == 0]
    if empty:
        raise CrosstrainError(
            f"{path} has {steps} steps, too few for window={options['window']} and "
            f"horizon={options['horizon']}: no window is left for {' and '.join(empty)}; "
            "take smaller ones, or a longer series"
        )


def _scale(
    values: np.ndarray, origins: np.ndarray, window: int, *, relative: bool, fitted: Mapping[str, Any]
) -> Scale:
    """The training's own where there is one; else that of the training part."""
    if fitted:
        if len(fitted["mean"]) != values.shape[1]:
            raise CrosstrainError(
                f"the network was trained on {len(fitted['mean'])} variables; here are {values.shape[1]}"
            )
        return Scale(np.array(fitted["mean"]), np.array(fitted["deviation"]))
    known = values[: boundaries(len(values))[0]]
    if not relative:
        return Scale.of(known)
    differences = _seen(values, origins, window) - values[origins][:, None, :]
    deviation = differences.reshape(-1, values.shape[1]).std(axis=0)
    return Scale(np.zeros(values.shape[1]), np.where(deviation > 0, deviation, 1.0))


def _table(
    values: np.ndarray,
    origins: np.ndarray,
    options: Mapping[str, Any],
    target: int,
    scale: Scale,
    *,
    relative: bool,
) -> Table:
    seen = _seen(values, origins, options["window"])
    wanted = values[origins[:, None] + 1 + np.arange(options["horizon"]), target]
    level = values[origins] if relative else np.zeros((len(origins), values.shape[1]))
    inputs = (seen - level[:, None, :] - scale.mean) / scale.deviation
    targets = (wanted - level[:, target, None] - scale.mean[target]) / scale.deviation[target]
    return Table({"": Values.of(inputs, "float32")}, {"": Values.of(targets, "float32")})


def _seen(values: np.ndarray, origins: np.ndarray, window: Any) -> np.ndarray:
    """The windows that end at ``origins``: (windows, window, variables)."""
    seen: np.ndarray = values[origins[:, None] + np.arange(1 - int(window), 1)]
    return seen


__all__ = ["FACTS", "Scale", "Steps", "boundaries", "files", "new_examples", "read", "windows"]

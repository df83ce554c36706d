"""Whether the same seed gives the same weights, bit for bit; which switch makes it so, at what cost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from crosstrain.criteria.bits import Difference, compared
from crosstrain.criteria.case import Case
from crosstrain.criteria.record import UnknownError
from crosstrain.results.rows import counted
from crosstrain.results.schema import CellResult
from crosstrain.statistics import ratios as statistics
from crosstrain.system.files import read_arrays, write_json

LONGEST = 20.0
"""Seconds of training that a trial may repeat in full; of a longer training only the first epoch is."""

SWITCH = "deterministic"
"""What engines call the closed option that keeps them to algorithms that repeat."""


@dataclass(frozen=True)
class Trial:
    """One more training of a cell's job, and where its weights lie."""

    seconds: list[float]
    weights: Path

    @property
    def arrays(self) -> Mapping[str, Any]:
        return read_arrays(self.weights)


def repeatable(case: Case) -> dict[str, Any]:
    """Whether two trainings of one seed end in the same weights: two cells of the comparison where there
    are any, else its first one and a further training of it.

    With more than ``LONGEST`` seconds of training, two of one epoch each are made instead. ``FailedError``
    where they do not end well.
    """
    epochs = trial_epochs(case)
    result = {"repeat_epochs": len(case.first.epochs), "repeat_seed": case.first.seed}
    if pair := _pair(case):
        first, second = (read_arrays(case.bench.store.weights_path(cell.id)) for cell in pair)
        result["repeat_seed"] = pair[0].seed
        difference = compared(first, second)
        # With a budget, a cell may have been taken up again from its first epoch, and another not: only
        # trainings in one piece tell whether it is the engine that differs.
        if difference.none or case.bench.settings.budget is None:
            return result | _as_fields(difference)
        result["repeat_seed"] = case.first.seed
    trials = [trial(case, "again-0", epochs)]
    if epochs == len(case.first.epochs) and case.bench.settings.budget is None:
        difference = compared(read_arrays(case.weights), trials[0].arrays)
    else:
        trials.append(trial(case, "again-1", epochs))
        difference = compared(trials[0].arrays, trials[1].arrays)
    return result | _as_fields(difference) | {"repeat_epochs": epochs}


def deterministic(case: Case, repeats: bool | None) -> dict[str, Any]:
    """What the switch for repeatability does to a row: two trainings with it, of as many epochs as
    ``repeatable`` makes; ``cost`` is their time over the row's own. ``repeats`` is what was found without.

    Of a long training there is only one with the switch where that ends in the very weights of one without
    (``same_as_without``). ``UnknownError`` where there is no switch, or nothing for it to do.
    """
    words, changes = _switch(case, repeats)
    epochs = trial_epochs(case)
    try:
        trials = [trial(case, f"{SWITCH}-0", epochs, changes)]
        plain = _without(case, epochs)
        beside = compared(plain, trials[0].arrays) if plain else None
        if beside is None or not beside.none or epochs == len(case.first.epochs):
            trials.append(trial(case, f"{SWITCH}-1", epochs, changes))
    except UnknownError as reason:
        return {SWITCH: {"option": words, "repeatable": None, "error": str(reason)}}
    difference = compared(trials[0].arrays, trials[1].arrays) if len(trials) > 1 else beside
    assert difference is not None
    runs = [each.seconds for each in trials]
    seconds, cost = statistics.median(runs), statistics.ratio(runs, _own_runs(case, epochs))
    return {
        SWITCH: {
            "option": words,
            **_as_fields(difference),
            "same_as_without": beside and beside.none,
            "epochs": epochs,
            "seconds_per_epoch": seconds and seconds.to_json(),
            "cost": cost and cost.to_json(),
        }
    }


def trial_epochs(case: Case) -> int:
    """As many as the cell has, or one where that would take long."""
    epochs, seconds = len(case.first.epochs), case.row.seconds
    return epochs if seconds is None or epochs * seconds.value <= LONGEST else 1


def what_it_covers(epochs: int, of: int) -> str:
    """A remark where fewer epochs were repeated than the comparison has; "" where all were."""
    return "" if epochs == of else f"repeated over {counted(epochs, 'epoch')} of {of}"


def kept(entry: Mapping[str, Any]) -> str:
    """What became of a row's promise to repeat itself, from its record; "" where it was not tried."""
    who = f"{entry['network']} on {entry['engine']}"
    if entry.get("repeatable") is None:
        reason = (entry.get("why_not") or {}).get("repeatable")
        return f"{who}: whether {SWITCH}=True makes it repeat is unknown: {reason}." if reason else ""
    what = f"two trainings of {counted(entry['repeat_epochs'], 'epoch')} with the seed {entry['repeat_seed']}"
    if entry["repeatable"]:
        return f"{who} repeats bit for bit: {what} gave the same weights ({SWITCH}=True)."
    return (
        f"{who} does not repeat, in spite of {SWITCH}=True: {what} differ in {entry['differing_arrays']} of "
        f"{counted(entry['arrays'], 'array')}, by up to {float(entry['largest_difference']):.2g}."
    )


def trial(case: Case, name: str, epochs: int, changes: Mapping[str, Any] | None = None) -> Trial:
    """Train the first cell once more, in a process of its own, with ``changes`` to its job. What was
    finished before is taken from the disk. ``FailedError`` where it does not end well."""
    note, weights = case.folder / f"{name}.json", case.folder / f"{name}.npz"
    if (cached := _cached(note, epochs)) and weights.exists():
        return Trial(cached, weights)
    case.folder.mkdir(parents=True, exist_ok=True)
    job = case.bench.job(case.cell, epochs)
    job |= {
        "id": f"{case.name}-{name}", "weights_out": str(weights.resolve()), "checkpoint": None,
        "predictions_out": None, **(changes or {}),
    }  # fmt: skip
    result = case.run(job)
    if result.get("diverged"):
        raise UnknownError(f"it diverged: {result['diverged']}")
    seconds = [float(epoch["train_seconds"]) for epoch in result["epochs"]]
    write_json(note, {"epochs": epochs, "seconds": seconds})
    return Trial(seconds, weights)


def tidy(case: Case) -> None:
    """Take away the weights of trials; their times stay."""
    for path in case.folder.glob("*.npz"):
        path.unlink(missing_ok=True)


def _cached(note: Path, epochs: int) -> list[float] | None:
    try:
        saved = json.loads(note.read_text())
        return [float(s) for s in saved["seconds"]] if saved["epochs"] == epochs else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _pair(case: Case) -> tuple[CellResult, CellResult] | None:
    """Two cells of the row with one seed, the same epochs and their weights; None where there are none."""
    store = case.bench.store
    whole = [c for c in case.row.done if not c.diverged and store.weights_path(c.id).exists()]
    return next(
        ((a, b) for a, b in combinations(whole, 2) if a.seed == b.seed and len(a.epochs) == len(b.epochs)),
        None,
    )


def _without(case: Case, epochs: int) -> Mapping[str, Any] | None:
    """The weights of a training of so many epochs without the switch; None where there are none."""
    trial_of_it = case.folder / "again-0.npz"
    if _cached(trial_of_it.with_suffix(".json"), epochs) and trial_of_it.exists():
        return read_arrays(trial_of_it)
    return read_arrays(case.weights) if epochs == len(case.first.epochs) else None


def _own_runs(case: Case, epochs: int) -> Sequence[Sequence[float]]:
    """The row's times without the switch: those of trials as near in time where there are, else the
    cells'."""
    notes = sorted(case.folder.glob("again-*.json"))
    return [cached for note in notes if (cached := _cached(note, epochs))] or case.row.runs


def _switch(case: Case, repeats: bool | None) -> tuple[str, dict[str, Any]]:
    """The words for what makes a row repeatable, and the changes to its job."""
    job, option = case.job, case.description["options"].get(SWITCH)
    if (job.get("options") or {}).get(SWITCH):
        raise UnknownError("the row itself was measured with it")
    if option and option["division"] == "closed" and True in option["choices"]:
        return f"{SWITCH}=True", {"options": {**(job.get("options") or {}), SWITCH: True}}
    if repeats:
        raise UnknownError("the engine has no switch for it, and repeats as it is")
    if job.get("threads") == 1:
        raise UnknownError("the engine has no switch for it, and runs on one thread as it is")
    return "threads=1", {"threads": 1}


def _as_fields(difference: Difference) -> dict[str, Any]:
    return {
        "repeatable": difference.none,
        "arrays": difference.arrays,
        "differing_arrays": difference.differing,
        "largest_difference": difference.largest
        if math.isfinite(difference.largest)
        else str(difference.largest),
    }

"""The truth's states: everything that training changes, after each of its steps.

An engine is put into each of them in turn, so that every step is judged by itself. A free run is chaotic: in
a deep network each step makes a rounding error some six times larger, and ten steps say nothing any more.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import State
from crosstrain.proof.arrays import Arrays, write_array
from crosstrain.proof.case import Case
from crosstrain.proof.compare import FLOOR, Errors, errors

STEPS = ((3_000_000, 10), (40_000_000, 4))
"""How many steps a proof takes where nobody says: for so many parameters at most, so many. A larger network
has ``FEWEST``, since every step leaves two or three numbers for each parameter on disk."""

FEWEST = 2
"""The first step has no momentum, the second has, and another learning rate."""


def usual_steps(parameters: int) -> int:
    """The steps of a proof of a network of this size."""
    return next((steps for most, steps in STEPS if parameters <= most), FEWEST)


class StateWriter:
    """Writes states one after the other to one file, so that only one is in memory."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, number: int, weights: Mapping[str, Any], slots: Mapping[str, Mapping[str, Any]]) -> None:
        """The state after ``number`` steps."""
        for name, value in weights.items():
            write_array(self._archive, f"{number}/weight/{name}", value)
        for name, each in slots.items():
            for slot, value in each.items():
                write_array(self._archive, f"{number}/slot/{name}/{slot}", value)


@contextmanager
def writing(path: Path) -> Iterator[StateWriter]:
    """A file for states; it is there only when all were written."""
    unfinished = path.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as archive:
        yield StateWriter(archive)
    unfinished.replace(path)


def read_state(path: Path, case: Case, number: int) -> State:
    """The state after ``number`` steps, in float64, with the case's constants; 0 is the case's own."""
    if number == 0:
        return State(dict(case.weights))
    weights: Arrays = dict(case.weights)
    slots: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            step, kind, name = key.split("/", 2)
            if step != str(number):
                continue
            if kind == "weight":
                weights[name] = archive[key]
            else:
                weight, _, slot = name.rpartition("/")
                slots.setdefault(weight, {})[slot] = archive[key]
    return State(weights, slots, number)


def at_precision(weights: Mapping[str, np.ndarray], precision: str) -> Arrays:
    """Float arrays in a precision, the others as they are."""
    return {k: v.astype(precision) if v.dtype.kind == "f" else v for k, v in weights.items()}


def in_precision(state: State, precision: str) -> State:
    """A state as an engine of this precision holds it."""
    slots = state.slots and {name: at_precision(each, precision) for name, each in state.slots.items()}
    return State(at_precision(state.weights, precision), slots, state.step)


def own_weights(case: Case, weights: Mapping[str, np.ndarray]) -> Arrays:
    """Without the loss's constants; a weight of the engine's own stays, so that it does not go unseen."""
    return {k: v for k, v in weights.items() if k not in case.weights or k in case.network.weights}


def weight_errors(case: Case, got: State, true: State) -> Errors:
    """Errors of all weights, statistics and constants of the network."""
    return errors(own_weights(case, got.weights), own_weights(case, true.weights), FLOOR)


def slot_errors(got: State, true: State) -> Errors:
    """Errors of the optimizer's slots, ``WEIGHT/SLOT``, and of the number of steps (``step``).

    Each kind of slot is a group of its own: velocities are squares of what momenta are.
    """
    by_name: dict[str, float] = {"step": 0.0 if got.step == true.step else float("inf")}
    kinds = dict.fromkeys(slot for each in (true.slots or {}).values() for slot in each)
    for kind in kinds:
        of_kind = lambda state, kind=kind: {
            f"{name}/{kind}": each[kind] for name, each in (state.slots or {}).items() if kind in each
        }
        by_name.update(errors(of_kind(got), of_kind(true), FLOOR).by_name)
    return Errors(by_name)

"""The classes of other data under the numbers that a training gave them: by name, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.data.source import summed_up
from crosstrain.errors import CrosstrainError


@dataclass(frozen=True)
class Matching:
    """``numbers`` has, for each class of the data, the training's number (-1: the training lacks it);
    ``notes`` say what does not match."""

    numbers: np.ndarray
    notes: tuple[str, ...]


def matching(here: Sequence[str], trained: Sequence[str], counts: np.ndarray) -> Matching:
    """Which class of the training (names ``trained``) each class of the data (names ``here``) is.

    Data whose classes are only numbered takes the training's by number. ``counts`` are the examples of each.
    ``CrosstrainError`` where no example has a class that the training knows.
    """
    known = {name: number for number, name in enumerate(trained)}
    notes = []
    if _numbered(here) and not _numbered(trained) and len(here) <= len(trained):
        numbers = np.arange(len(here))
        notes.append(
            f"the data numbers its classes and has no names; 0 is taken for {trained[0]!r}, "
            f"{len(here) - 1} for {trained[len(here) - 1]!r}"
        )
    else:
        numbers = np.array([known.get(name, -1) for name in here], np.int64)
    lacking = [
        name for name, number, count in zip(here, numbers, counts, strict=True) if number < 0 and count
    ]
    left_out = int(counts[numbers < 0].sum())
    if left_out == counts.sum():
        raise CrosstrainError(
            f"the data has the classes {summed_up(list(here))}, and the training none of them but "
            f"{summed_up(list(trained))}"
        )
    if lacking:
        notes.append(
            f"{left_out:,} examples are of classes that the training lacks, and are left out: "
            f"{summed_up(lacking)}"
        )
    covered = {int(number) for number, count in zip(numbers, counts, strict=True) if number >= 0 and count}
    absent = [name for number, name in enumerate(trained) if number not in covered]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        notes.append(
            f"{len(absent)} of the training's {len(trained)} classes {verb} no example: {summed_up(absent)}"
        )
    moved = sum(1 for number, other in enumerate(numbers) if other >= 0 and other != number)
    if moved:
        notes.append("the classes stand in another order than in the training; they are matched by name")
    return Matching(numbers, tuple(notes))


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == list(map(str, range(len(names))))

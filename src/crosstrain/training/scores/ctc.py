"""Reading what a network that CTC trained says: the best path, the likeliest texts, and how far they are off.

Scores are (steps, labels); one label is the blank (Graves et al. 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nlargest
from typing import TypeVar

import numpy as np

Labels = tuple[int, ...]
Symbol = TypeVar("Symbol")
NEVER = -math.inf


def greedy(scores: np.ndarray, blank: int = 0) -> Labels:
    """The labels of the best path (Graves et al. 2006, section 3.2): the likeliest label of every step,
    repeated ones once, without blanks."""
    path = scores.argmax(axis=-1)
    kept = np.append(True, path[1:] != path[:-1]) & (path != blank)
    return tuple(path[kept].tolist())


def beam_search(log_p: np.ndarray, width: int, blank: int = 0) -> list[tuple[Labels, float]]:
    """The ``width`` likeliest labellings that a beam of that many prefixes finds, each with the logarithm of
    its probability, the likeliest first (Hannun et al. 2014, algorithm 1, without a language model).

    ``log_p`` are logarithms of probabilities, (steps, labels). What is told of a labelling is exact where no
    prefix was left out, and else at most that. One without labels where nothing is possible (NaN).
    """
    # For each prefix the log-probabilities of the paths that end in a blank, and in its last label.
    beam: dict[Labels, tuple[float, float]] = {(): (0.0, NEVER)}
    labels = [label for label in range(log_p.shape[1]) if label != blank]
    for step in log_p.tolist():
        following: dict[Labels, tuple[float, float]] = {}
        for prefix, (blanks, emitted) in beam.items():
            either = _add(blanks, emitted)
            last = prefix[-1] if prefix else None
            own = following.get(prefix, (NEVER, NEVER))
            again = NEVER if last is None else emitted + step[last]
            following[prefix] = _add(own[0], either + step[blank]), _add(own[1], again)
            for label in labels:
                longer = (*prefix, label)
                before = following.get(longer, (NEVER, NEVER))
                # The same label again needs a blank between.
                now = (blanks if label == last else either) + step[label]
                following[longer] = before[0], _add(before[1], now)
        possible = (item for item in following.items() if _add(*item[1]) > NEVER)
        beam = dict(nlargest(width, possible, key=lambda item: _add(*item[1])))
    ordered = [(prefix, _add(*parts)) for prefix, parts in beam.items()]
    return sorted(ordered, key=lambda item: -item[1]) or [((), NEVER)]


def _add(one: float, other: float) -> float:
    """log(e^one + e^other)."""
    if one < other:
        one, other = other, one
    return one if other == NEVER else one + math.log1p(math.exp(other - one))


def edit_distance(one: Sequence[Symbol], other: Sequence[Symbol]) -> int:
    """The fewest insertions, deletions and substitutions that make ``other`` of ``one`` (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, symbol in enumerate(one, start=1):
        diagonal, row[0] = row[0], number
        for place, wanted in enumerate(other, start=1):
            cost = min(row[place] + 1, row[place - 1] + 1, diagonal + (symbol != wanted))
            diagonal, row[place] = row[place], cost
    return row[-1]

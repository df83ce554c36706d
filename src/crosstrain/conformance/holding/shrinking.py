"""A case that departs, made smaller for as long as it still does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from crosstrain.conformance.cases import OpCase
from crosstrain.conformance.holding.judging import Departure

TRIES, SECONDS = 120, 20.0
"""What is spent on one case; an engine that compiles takes long for each try."""
FEW = 16
"""Arrays of at most this many numbers are simplified number by number."""
DECIMALS = 2

Departs = Callable[[OpCase], Departure | None]


def smallest(case: OpCase, departure: Departure, departs: Departs) -> tuple[OpCase, Departure]:
    """The smallest case found that departs: first shorter axes, then plainer numbers."""
    tries, until = 0, time.monotonic() + SECONDS
    simplify = _plainer if departure.what.startswith("output") else _rounded
    for candidates in (_shorter, simplify):
        again = True
        while again:
            again = False
            for candidate in candidates(case):
                tries += 1
                if tries > TRIES or time.monotonic() > until:
                    return case, departure
                if (found := departs(candidate)) is not None and found.what == departure.what:
                    case, departure, again = candidate, found, True
                    break
    return case, departure


def _shorter(case: OpCase) -> Iterator[OpCase]:
    """Every axis of one length cut together (what a product sums over stands in both factors), then each
    axis alone; the shortest first."""
    axes = [
        (index, axis, length)
        for index, array in enumerate(case.inputs)
        if array is not None
        for axis, length in enumerate(array.shape)
        if length > 1
    ]
    for length in sorted({length for *_, length in axes}, reverse=True):
        group = [(index, axis) for index, axis, each in axes if each == length]
        for new in sorted({1, length // 2, length - 1}):
            yield from _cut(case, group, new)
            if len(group) > 1:
                for place in group:
                    yield from _cut(case, [place], new)


def _cut(case: OpCase, places: Sequence[tuple[int, int]], length: int) -> Iterator[OpCase]:
    """The axes at ``places`` (input, axis), cut to a length: the first entries, then the last."""
    for end in (slice(None, length), slice(-length, None)):
        inputs = list(case.inputs)
        for index, axis in places:
            array = inputs[index]
            assert array is not None
            inputs[index] = array[(*(slice(None),) * axis, end)].copy()
        yield replace(case, inputs=tuple(inputs))


def _plainer(case: OpCase) -> Iterator[OpCase]:
    """Fewer digits, ones and zeros: of whole arrays, then of single numbers of small ones."""
    for index, array in enumerate(case.inputs):
        if array is None or array.dtype.kind != "f":
            continue
        for plain in (np.zeros_like(array), np.ones_like(array), array.round(), array.round(1)):
            if _simpler(plain, array):
                yield _with(case, index, plain)
        if array.size <= FEW:
            for place in np.ndindex(array.shape):
                for value in (0.0, 1.0, array[place].round(), array[place].round(1)):
                    plain = array.copy()
                    plain[place] = value
                    if _simpler(plain, array):
                        yield _with(case, index, plain)


def _rounded(case: OpCase) -> Iterator[OpCase]:
    """Fewer digits alone: other numbers might put an entry where the op has no slope."""
    for index, array in enumerate(case.inputs):
        if array is not None and array.dtype.kind == "f":
            plain = array.round(DECIMALS)
            if _simpler(plain, array):
                yield _with(case, index, plain)


def _with(case: OpCase, index: int, array: np.ndarray) -> OpCase:
    return replace(case, inputs=(*case.inputs[:index], array, *case.inputs[index + 1 :]))


def _simpler(plain: np.ndarray, array: np.ndarray) -> bool:
    """Whether the first is written with fewer characters: so the search ends."""
    return _length(plain) < _length(array)


def _length(array: np.ndarray) -> int:
    return sum(len(repr(number)) + (number not in (0, 1)) for number in array.reshape(-1).tolist())

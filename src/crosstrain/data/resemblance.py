"""Whether new data looks like the data of a training: range, brightness, colours, sizes; in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crosstrain.data.source import Images, Shape, Table

NUMBERS = 1 << 24
"""So many numbers of an array are looked at (64 MiB of float32), in examples spread over it."""
SIZED = 64
"""Pictures whose original size is looked at."""
APART = 1.0
"""Means that lie apart by more deviations of single numbers than this are worth a word. (Test sets of MNIST
and GTSRB lie below 0.02; the same pictures with light and dark reversed above 1.)"""
BEYOND = 0.5
"""Values beyond the training's range by more than this part of it are worth a word."""
RESIZED = 2.0
"""Pictures smaller or larger than all of the training's by this factor are worth a word."""


@dataclass(frozen=True)
class Look:
    """Numbers of an input as the network sees it: the smallest, the largest, mean and deviation, and whether
    pictures of three channels are grey (None for anything else)."""

    low: float
    high: float
    mean: float
    deviation: float
    grey: bool | None = None

    @classmethod
    def of(cls, array: np.ndarray) -> Look:
        """That of an array, shape (N, …), N ≥ 1."""
        each = max(1, int(np.prod(array.shape[1:])))
        count = min(len(array), max(1, NUMBERS // each))
        rows = np.unique(np.linspace(0, len(array) - 1, count).astype(int))
        values = np.asarray(array[rows])
        colours = array.ndim == 4 and array.shape[-1] == 3
        return cls(
            float(values.min()), float(values.max()), float(values.mean(dtype=np.float64)),
            float(values.std(dtype=np.float64)),
            bool((values == values[..., :1]).all()) if colours else None,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def differences(then: Look, now: Look, name: str = "") -> list[str]:
    """Sentences on how an input differs from that of the training; [] where it looks like it."""
    what = f"the input {name!r}" if name else "the input"
    span = max(then.high - then.low, 1e-12)
    sentences = []
    if now.low < then.low - BEYOND * span or now.high > then.high + BEYOND * span:
        sentences.append(
            f"values of {what} run from {now.low:.3g} to {now.high:.3g}; the training's ran from "
            f"{then.low:.3g} to {then.high:.3g}"
        )
    elif abs(now.mean - then.mean) > APART * max(then.deviation, 1e-12):
        sentences.append(
            f"the mean of {what} is {now.mean:.3g}; the training's was {then.mean:.3g}, with a deviation of "
            f"{then.deviation:.3g}"
        )
    elif now.high - now.low < 0.1 * span:
        sentences.append(
            f"values of {what} run only from {now.low:.3g} to {now.high:.3g}; the training's ran from "
            f"{then.low:.3g} to {then.high:.3g}"
        )
    if now.grey and then.grey is False:
        sentences.append("the pictures are grey; the training's had colours")
    if now.grey is False and then.grey:
        sentences.append("the pictures have colours; the training's were grey")
    return sentences


def original_sizes(table: Table) -> dict[str, list[int]]:
    """The smallest and the largest longer side, in pixels, that pictures had before preparation, by input;
    of examples spread over the table, as far as they are known."""
    sizes = {}
    for name, column in table.inputs.items():
        shapes = _shapes(column) if isinstance(column, Images) else []
        if shapes:
            sides = [max(shape[:2]) for shape in shapes]
            sizes[name] = [min(sides), max(sides)]
    return sizes


def _shapes(column: Images) -> list[Shape]:
    if not len(column):
        return []
    positions = np.unique(np.linspace(0, len(column) - 1, min(len(column), SIZED)).astype(int))
    shapes = (column.original(int(column.rows[position])) for position in positions)
    return [shape for shape in shapes if shape]


def size_difference(then: Sequence[int] | None, now: Sequence[int], network: Sequence[int]) -> str:
    """A sentence where pictures (smallest and largest longer side ``now``) are far smaller or larger than
    those of the training (``then``; None: not known, and the network's own size stands for it); or ""."""
    known = then or [max(network[:2])] * 2
    if now[1] * RESIZED > known[0] and now[0] < known[1] * RESIZED:
        return ""
    source = (
        f"the training's had {_pixels(known)}"
        if then
        else f"the network sees {network[0]}×{network[1]} pixels"
    )
    return f"the pictures have {_pixels(now)} on their longer side; {source}"


def _pixels(sizes: Sequence[int]) -> str:
    return f"{sizes[0]} pixels" if sizes[0] == sizes[1] else f"{sizes[0]} to {sizes[1]} pixels"

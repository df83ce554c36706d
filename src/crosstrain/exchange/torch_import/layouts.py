"""How a weight of a PyTorch module lies in a graph: its axes in another order, its gates too.

A layout is a chain of steps, each of them a rearrangement of numbers, so that an array can be carried over
in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Step = tuple[str, tuple[int, ...]]
Layout = tuple[Step, ...]
"""``("transpose", axes)``, ``("reshape", shape)``, ``("order", indices along the first axis)``."""

AS_IT_IS: Layout = ()
MATRIX: Layout = (("transpose", (1, 0)),)
"""(out, in) as (in, out)."""


def kernel(rank: int) -> Layout:
    """A convolution's (out, in, spatial…) as (spatial…, in, out)."""
    return (("transpose", (*range(2, rank), 1, 0)),)


def gates(count: int, order: Sequence[int], shape: Sequence[int]) -> Layout:
    """The first axis as ``count`` blocks of rows, in another order."""
    rows, *rest = shape
    if list(order) == sorted(order):
        return AS_IT_IS
    blocks = (count, rows // count, *rest)
    return (("reshape", blocks), ("order", tuple(order)), ("reshape", (rows, *rest)))


def laid(array: np.ndarray, layout: Layout) -> np.ndarray:
    """A module's array as the graph has it."""
    for name, numbers in layout:
        if name == "transpose":
            array = np.transpose(array, numbers)
        elif name == "reshape":
            array = np.reshape(array, numbers)
        else:
            array = array[list(numbers)]
    return np.ascontiguousarray(array)


def restored(array: np.ndarray, layout: Layout, shape: Sequence[int]) -> np.ndarray:
    """A graph's array as the module of that ``shape`` has it."""
    places = laid(np.arange(array.size).reshape(tuple(shape)), layout)
    flat = np.empty(array.size, array.dtype)
    flat[places.reshape(-1)] = np.asarray(array).reshape(-1)
    return flat.reshape(tuple(shape))


def to_json(layouts: Mapping[str, tuple[Layout, Sequence[int]]]) -> dict[str, Any]:
    """Layouts by the weight's name, each with the module's shape."""
    return {
        name: {"steps": [[step, list(numbers)] for step, numbers in layout], "shape": list(shape)}
        for name, (layout, shape) in layouts.items()
    }


def from_json(data: Mapping[str, Any]) -> dict[str, tuple[Layout, tuple[int, ...]]]:
    return {
        name: (tuple((step, tuple(numbers)) for step, numbers in row["steps"]), tuple(row["shape"]))
        for name, row in data.items()
    }

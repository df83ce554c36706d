"""Relative errors between arrays that ought to be equal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

FLOOR = 0.01
"""A tensor counts as at least this part of the typical size (root mean square) of its group.

The true gradient of a bias in front of a BatchNorm is 0: every engine returns rounding, and an error
relative to 0 would mean nothing. So ‖a - b‖ is divided by max(‖b‖, FLOOR · rms(group) · sqrt(size)).
"""

TINY = 1e-30


@dataclass(frozen=True)
class Errors:
    """The norm-wise relative error of every tensor of a group, by name."""

    by_name: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest error; 0 for an empty group, infinity where something is missing or not finite."""
        return max(self.by_name.values(), default=0.0)

    @property
    def where(self) -> str | None:
        """The name of the tensor with the largest error."""
        return max(self.by_name, key=lambda name: self.by_name[name], default=None)


def rms(arrays: Iterable[np.ndarray]) -> float:
    """Root mean square over all entries of several arrays."""
    squares, count = 0.0, 0
    for array in arrays:
        squares += float(np.sum(np.square(np.asarray(array, "float64"))))
        count += array.size
    return math.sqrt(squares / count) if count else 0.0


def relative(got: np.ndarray, true: np.ndarray, floor: float = TINY) -> float:
    """‖got - true‖ / max(‖true‖, floor · sqrt(size)), in float64; infinity for another shape or a NaN.

    Integers and truth values are equal (0) or not (infinity).
    """
    got, true = np.asarray(got), np.asarray(true)
    if got.shape != true.shape:
        return math.inf
    if true.size == 0:
        return 0.0
    if true.dtype.kind not in "fc":
        return 0.0 if np.array_equal(got, true) else math.inf
    a, b = got.astype("float64"), true.astype("float64")
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(
        a[~finite], b[~finite], equal_nan=True
    ):
        return math.inf
    a, b = a[finite], b[finite]
    scale = max(float(np.linalg.norm(b)), floor * math.sqrt(b.size), TINY)
    return float(np.linalg.norm(a - b)) / scale


def errors(got: Mapping[str, np.ndarray], true: Mapping[str, np.ndarray], floor: float = 0.0) -> Errors:
    """Errors of a group of tensors. A tensor that only one side has counts as infinitely wrong.

    ``floor`` is relative: the part of the group's root mean square that a tensor counts as at least.
    """
    least = max(floor * rms(true.values()), TINY)
    names = [*true, *(name for name in got if name not in true)]
    return Errors(
        {n: relative(got[n], true[n], least) if n in got and n in true else math.inf for n in names}
    )


def group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose key begins with ``prefix/``, under the rest of their key."""
    start = f"{prefix}/"
    return {key[len(start) :]: value for key, value in arrays.items() if key.startswith(start)}

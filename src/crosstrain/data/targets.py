"""What arrays of targets mean: classes as integers, texts or one-hot rows, or numbers to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosstrain.data.source import Values
from crosstrain.errors import CrosstrainError


@dataclass(frozen=True)
class Labels:
    """A target in every split it has been given for, and its classes; no classes: numbers to predict."""

    values: Mapping[str, Values]
    classes: Sequence[str]

    def strata(self, split: str) -> np.ndarray:
        """A class for each example, by which to stratify; all the same where there is no single one."""
        array = self.values[split].array
        if self.classes and array.ndim == 1:
            return array
        if self.classes and array.dtype.kind == "f":
            return np.asarray(array.argmax(axis=1))
        return np.zeros(len(array), np.int64)


def labels_of(location: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Labels:
    """Classes of a target are those of all its splits together.

    Raises ``CrosstrainError`` for labels below 0, and for more classes than examples (numbers to predict
    that were written as integers).
    """
    label = f"{location}: the target{f' {name!r}' if name else ''}"
    arrays = {
        split: a[:, 0] if a.ndim == 2 and a.shape[1] == 1 and a.dtype.kind != "f" else a
        for split, a in arrays.items()
    }
    kind = next(iter(arrays.values())).dtype.kind
    if kind in "US":
        names = np.unique(np.concatenate([np.unique(a) for a in arrays.values()]))
        codes = {split: np.searchsorted(names, a) for split, a in arrays.items()}
        return Labels(
            _values(codes, "int64"), [n.decode(errors="replace") if kind == "S" else str(n) for n in names]
        )
    if all(_one_hot(a) for a in arrays.values()):
        return Labels(_values(arrays, "float32"), _numbered(next(iter(arrays.values())).shape[1]))
    if kind == "f":
        return Labels(_values(arrays, "float32"), ())
    below = sum(int(np.count_nonzero(a < 0)) for a in arrays.values())
    if below:
        raise CrosstrainError(f"{label} has {below} labels below 0; classes count from 0, without gaps")
    classes = 1 + max((int(a.max()) for a in arrays.values() if a.size), default=0)
    examples = sum(a.size for a in arrays.values())
    if classes > max(examples, 2):
        raise CrosstrainError(
            f"{label} has integers up to {classes - 1} for {examples} examples, too many classes; "
            "numbers to predict must be floats"
        )
    return Labels(_values(arrays, "int64"), _numbered(classes))


def _values(arrays: Mapping[str, np.ndarray], dtype: str) -> dict[str, Values]:
    return {split: Values.of(array, dtype) for split, array in arrays.items()}


def _numbered(classes: int) -> list[str]:
    return [str(number) for number in range(classes)]


def _one_hot(array: np.ndarray) -> bool:
    """Whether every row is all zeros but for a single one."""
    if array.ndim != 2 or array.shape[1] < 2 or not len(array):
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())

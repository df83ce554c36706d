"""A small part of a data set for trials: at most so many examples of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crosstrain.data.source import Column, Images, Source
from crosstrain.errors import CrosstrainError


def limited(source: Source, limit: int, seed: int) -> Source:
    """``source`` with at most ``limit`` examples of each class in each of train, validation and test.

    Classes are those of the first target that has any. Which examples stay is decided by ``seed``, and they
    keep their order; those of a smaller limit are among those of a larger one. ``CrosstrainError`` where
    there are no classes to count, or an example has several.
    """
    if not source.classes:
        raise CrosstrainError(
            "a limit counts examples of each class, and the targets of this data set are numbers, not classes"
        )
    name = next(iter(source.classes))
    tables, counts = {}, []
    for number, (split, table) in enumerate(source.splits.items()):
        rows = _rows(_labels(table.targets[name]), limit, np.random.default_rng((seed, number, 0x11417)))
        tables[split] = table.take(rows)
        counts.append(f"{len(rows):,} of {len(table):,} for {split}")
    sentence = (
        f"{limit:,} examples of each class at most were taken ({', '.join(counts)}): results are those of a "
        "trial"
    )
    return replace(source, splits=tables, warnings=[*source.warnings, sentence])


def _labels(column: Column) -> np.ndarray:
    """A class for each example, from numbers or one-hot rows."""
    labels = np.zeros((0, 0)) if isinstance(column, Images) else np.asarray(column.array[column.rows])
    if labels.ndim == 2 and column.dtype == "float32":
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim != 1:
        raise CrosstrainError(
            "a limit counts examples of each class, and an example of this data set has several labels"
        )
    return labels


def _rows(labels: np.ndarray, limit: int, random: np.random.Generator) -> np.ndarray:
    """Positions of the examples that stay, ascending."""
    order = random.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    kept: np.ndarray = np.sort(by_class[rank < limit])
    return kept

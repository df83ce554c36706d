"""What trained networks get wrong, from the kept test predictions: confusion, accuracy by class, the worst
mistakes as pictures, and how far the engines agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.cache import Cache
from crosstrain.data.prepared import Prepared
from crosstrain.reporting.pictures import as_pictures, data_uri
from crosstrain.results.rows import rows, size_text
from crosstrain.results.schema import CellResult, ComparisonResult, Size
from crosstrain.runs.tasks.predictions import read_predictions
from crosstrain.statistics.ratios import Interval, wilson

WORST = 24
"""Number of mistakes that are shown."""
CONFUSED = 20
"""Number of confused pairs of classes that are named."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ClassAccuracy:
    """One class's share of right answers among its test examples, with Wilson's 95 % interval (None
    where the test set has no example of it)."""

    name: str
    right: int
    examples: int
    accuracy: Interval | None


@dataclass(frozen=True)
class Confused:
    """So many test examples of ``true`` were taken for ``predicted`` (names of classes)."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Mistake:
    """A wrong answer. ``example`` is the position in the test set, ``picture`` a PNG as data URI, None
    where there is none to show; ``probability`` is that of the wrong class, ``true_probability`` that of
    the right one, both None where the outputs are no probabilities."""

    example: int
    true: str
    predicted: str
    probability: float | None
    true_probability: float | None
    picture: str | None = None


@dataclass(frozen=True)
class Agreement:
    """On how many test examples two entrants predict different classes, for one network and input size,
    both trained from the same seed. ``differ`` is symmetric, in the order of ``engines``; ``any`` counts
    the examples on which not all agree."""

    network: str
    input_size: Size
    engines: tuple[str, ...]
    differ: tuple[tuple[int, ...], ...]
    any: int
    examples: int


@dataclass(frozen=True)
class Mistakes:
    """Everything about the answers of one cell, that of the recommended row (or of the most accurate one).

    ``confusion`` counts test examples by right class (row) and answer (column), in the order of
    ``classes`` (names); ``confused`` are its largest entries off the diagonal. ``worst`` are the
    mistakes with the highest probability for the wrong class, surest first. ``no_pictures`` is a sentence
    where ``worst`` has no pictures, else None. ``agreement`` covers all networks and sizes.
    """

    network: str
    input_size: Size
    engine: str
    cell: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassAccuracy, ...]
    confused: tuple[Confused, ...]
    worst: tuple[Mistake, ...]
    wrong: int
    examples: int
    agreement: tuple[Agreement, ...]
    no_pictures: str | None = None


def read_mistakes(result: ComparisonResult, folder: Path) -> Mistakes | None:
    """The mistakes in the predictions under a comparison's ``folder``; None where it has no predictions
    (targets that are no classes, cells of an older version, nothing finished)."""
    predictions = _read_predictions(result, folder)
    cell = _chosen(result, predictions)
    if cell is None:
        return None
    arrays = predictions[cell.id]
    data = Cache().find(cell.data_hash) if cell.data_hash else None
    names = _names(result, data, arrays)
    confusion = _confusion(arrays, len(names))
    worst, no_pictures = _worst(arrays, names, data)
    return Mistakes(
        network=cell.network,
        input_size=cell.input_size,
        engine=cell.engine,
        cell=cell.id,
        classes=names,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        per_class=tuple(_per_class(confusion, names)),
        confused=tuple(_confused(confusion, names)),
        worst=worst,
        wrong=int(np.count_nonzero(arrays["true"] != arrays["predicted"])),
        examples=len(arrays["true"]),
        agreement=tuple(_agreements(result.cells, predictions)),
        no_pictures=no_pictures,
    )


# -- what was kept -----------------------------------------------------------------------------------
def _read_predictions(result: ComparisonResult, folder: Path) -> dict[str, Arrays]:
    """The predictions of finished cells by cell id; missing and damaged files are skipped."""
    predictions = {}
    for cell in result.cells:
        if cell.status == "done" and (arrays := _sound(read_predictions(folder / "cells", cell.id))):
            predictions[cell.id] = arrays
    return predictions


def _sound(arrays: Arrays) -> Arrays | None:
    """Those of classes; None for others, or an older version's."""
    if not {"true", "predicted", "probability", "true_probability"} <= set(arrays):
        return None
    true, predicted = arrays["true"], arrays["predicted"]
    probabilities = arrays["probability"], arrays["true_probability"]
    whole = true.ndim == 1 and all(a.shape == true.shape for a in (predicted, *probabilities))
    sound = whole and len(true) > 0 and true.dtype.kind == predicted.dtype.kind == "i"
    return arrays if sound and min(true.min(), predicted.min()) >= 0 else None


def _chosen(result: ComparisonResult, predictions: Mapping[str, Arrays]) -> CellResult | None:
    """The first cell with predictions of the recommended row, else of the most accurate one."""
    candidates = [row for row in rows(result.cells) if any(c.id in predictions for c in row.done)]
    recommendation = result.recommendation
    named = [
        row
        for row in candidates
        if (row.network, row.engine, row.input_size)
        == (recommendation.network, recommendation.engine, recommendation.input_size)
    ]
    best = max(candidates, key=lambda row: row.test_accuracy or 0.0, default=None)
    chosen = named[0] if named else best
    return None if chosen is None else next(cell for cell in chosen.done if cell.id in predictions)


def _names(result: ComparisonResult, data: Prepared | None, arrays: Arrays) -> tuple[str, ...]:
    """The classes' names, from the data or what the result tells of it; numbers where they do not reach."""
    manifest = data.manifest if data else result.data
    names = [str(name) for name in manifest.get("classes") or ()]
    count = 1 + int(max(arrays["true"].max(), arrays["predicted"].max()))
    return tuple(names if len(names) >= count else map(str, range(max(count, 2))))


# -- what it says ------------------------------------------------------------------------------------
def _confusion(arrays: Arrays, classes: int) -> np.ndarray:
    pairs = arrays["true"].astype(np.int64) * classes + arrays["predicted"]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _per_class(confusion: np.ndarray, names: Sequence[str]) -> list[ClassAccuracy]:
    accuracies = []
    for index, name in enumerate(names):
        right, examples = int(confusion[index, index]), int(confusion[index].sum())
        accuracy = wilson(right / examples, examples) if examples else None
        accuracies.append(ClassAccuracy(name, right, examples, accuracy))
    return accuracies


def _confused(confusion: np.ndarray, names: Sequence[str]) -> list[Confused]:
    off = confusion.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:CONFUSED]
    pairs = [divmod(int(flat), len(names)) for flat in order if off.flat[flat]]
    return [Confused(names[true], names[answer], int(off[true, answer])) for true, answer in pairs]


def _worst(
    arrays: Arrays, names: Sequence[str], data: Prepared | None
) -> tuple[tuple[Mistake, ...], str | None]:
    """The most confident mistakes, and why they have no pictures (or None)."""
    wrong = np.flatnonzero(arrays["true"] != arrays["predicted"])
    sureness = np.nan_to_num(arrays["probability"][wrong], nan=-1.0)
    chosen = wrong[np.argsort(-sureness, kind="stable")[:WORST]]
    if data is None:
        pictures: Any = "the prepared data is no longer in the cache of this machine"
    elif data.examples("test") != len(arrays["true"]):
        pictures = "the prepared data in the cache is not what the cell was tested on"
    else:
        pictures = as_pictures(data, chosen)
    shown = [None] * len(chosen) if isinstance(pictures, str) else [data_uri(p) for p in pictures]
    mistakes = tuple(
        Mistake(
            example=int(index),
            true=names[arrays["true"][index]],
            predicted=names[arrays["predicted"][index]],
            probability=_number(arrays["probability"][index]),
            true_probability=_number(arrays["true_probability"][index]),
            picture=picture,
        )
        for index, picture in zip(chosen, shown, strict=True)
    )
    return mistakes, pictures if isinstance(pictures, str) else None


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _agreements(cells: Sequence[CellResult], predictions: Mapping[str, Arrays]) -> list[Agreement]:
    def key(cell: CellResult) -> tuple[str, str]:
        return cell.network, size_text(cell.input_size)

    first: dict[tuple[str, str], list[CellResult]] = {}
    for cell in cells:
        if cell.id in predictions:
            first.setdefault(key(cell), []).append(cell)
    return [agreement for group in first.values() if (agreement := _agreement(group, predictions))]


def _agreement(cells: Sequence[CellResult], predictions: Mapping[str, Arrays]) -> Agreement | None:
    """The agreement of the entrants that have a cell of the first seed, one cell each; None for fewer than
    two."""
    seed = min(cell.seed for cell in cells)
    of_seed = sorted((c for c in cells if c.seed == seed), key=lambda c: c.engine)
    one_each = [next(iter(group)) for _, group in groupby(of_seed, key=lambda c: c.engine)]
    order = list(dict.fromkeys(c.engine for c in cells))
    one_each.sort(key=lambda c: order.index(c.engine))
    answers = [predictions[cell.id]["predicted"] for cell in one_each]
    if len(answers) < 2 or len({len(a) for a in answers}) > 1:
        return None
    table = np.stack(answers)
    return Agreement(
        network=cells[0].network,
        input_size=cells[0].input_size,
        engines=tuple(cell.engine for cell in one_each),
        differ=tuple(tuple(int(np.count_nonzero(a != b)) for b in answers) for a in answers),
        any=int(np.count_nonzero((table != table[0]).any(axis=0))),
        examples=table.shape[1],
    )

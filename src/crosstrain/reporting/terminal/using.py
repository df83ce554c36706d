"""Predictions, evaluations and features on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from crosstrain.reporting.terminal.grid import grid
from crosstrain.reporting.terminal.text import NOTHING, share
from crosstrain.results.quality import BY_CLASS
from crosstrain.results.rows import counted
from crosstrain.statistics.ratios import Interval

if TYPE_CHECKING:  # they read pictures, for which the command line need not load OpenCV
    from crosstrain.prediction.evaluate import Evaluated
    from crosstrain.prediction.features import Features
    from crosstrain.prediction.film import Filmed
    from crosstrain.prediction.predict import Answer, Prediction

SHOWN = 8
"""Numbers of an output without classes, and confusions."""

NAME = 24
"""Columns that the name of an input has at least, where it is so long; further answers give way to it."""
LABEL = 24
"""Columns that a class's name has at most."""
BETWEEN = 2
"""Columns between two of a grid."""


def print_prediction(prediction: Prediction, screen: Console) -> None:
    """A row for each answer, with as many choices as the screen is wide enough for."""
    several = len({answer.output for answer in prediction.answers}) > 1
    names = [(answer.input, *([answer.output] if several else [])) for answer in prediction.answers]
    cells = [_cells(answer) for answer in prediction.answers]
    if most := max((len(answer.choices) for answer in prediction.answers), default=0):
        first, *others = (max(map(len, column)) for column in zip(*names, strict=True))
        front = min(first, NAME) + sum(others) + BETWEEN * len(names[0])
        shown = _choices_that_fit(cells, most, screen.width - front)
        heads = ["answer", "", *(word for n in range(2, shown + 1) for word in (f"{n}.", ""))]
    else:
        heads = ["output"]
    table = grid(["input", *(["of"] if several else []), *heads])
    for name, row in zip(names, cells, strict=True):
        table.add_row(*name, *row[: len(heads)])
    screen.print(table)
    screen.print()
    engine = f"{prediction.engine} {prediction.engine_version or ''}".strip()
    inputs = counted(len(prediction.rows), "input")
    screen.print(f"{prediction.network}, {prediction.weights} weights, on {engine}: {inputs}.")
    if prediction.pictures:
        screen.print(f"{prediction.pictures:,} pictures drawn.")
    _remarks(prediction.notes, prediction.damaged, screen)


def print_filmed(filmed: Filmed, screen: Console) -> None:
    """Frames a second by stage, and what was written."""
    table = grid(["", "frames/s", "ms a frame"])
    for stage, seconds in (*filmed.seconds.items(), ("all together", sum(filmed.seconds.values()))):
        others = filmed.frames - 1
        rate = f"{others / seconds:.1f}" if others and seconds else NOTHING
        table.add_row(stage, rate, f"{1000 * seconds / others:.2f}" if others else NOTHING)
    screen.print(table)
    screen.print()
    height, width = filmed.size
    screen.print(
        f"{filmed.network} on {filmed.engine}: {filmed.frames:,} frames of {filmed.source} "
        f"({width}×{height}), {filmed.dropped:,} dropped. Times are of all frames but the first."
    )
    screen.print(f"{filmed.film} and {filmed.lines} are written.")


def _choices_that_fit(cells: Sequence[Sequence[str]], most: int, room: int) -> int:
    """How many choices, two cells each, have room beside each other; one at least."""
    widths = [
        BETWEEN + max((len(row[n]) for row in cells if n < len(row)), default=0) for n in range(2 * most)
    ]
    ends = [sum(widths[: 2 * count]) for count in range(1, most + 1)]
    return max(1, sum(end <= room for end in ends))


def _shortened(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"


def _cells(answer: Answer) -> list[str]:
    if answer.choices:
        return [
            cell
            for choice in answer.choices
            for cell in (
                _shortened(choice.label),
                NOTHING if choice.probability is None else share(choice.probability),
            )
        ]
    if answer.texts:
        return [", ".join(words if p is None else f"{words} {share(p)}" for words, p in answer.texts)]
    if answer.boxes:
        return [", ".join(f"{box.label} {share(box.score)}" for box in answer.boxes)]
    if answer.areas:
        return [", ".join(f"{label} {share(part)}" for label, part in answer.areas)]
    more = " …" if len(answer.values) > SHOWN else ""
    return [" ".join(f"{value:.4g}" for value in answer.values[:SHOWN]) + more]


def print_evaluation(evaluated: Evaluated, screen: Console) -> None:
    """A row for each metric that is one number, then what is most often confused."""
    table = grid(["metric", "value", "95 % interval"], right=(1, 2))
    for name, value in evaluated.metrics.items():
        if isinstance(value, int | float):
            interval = evaluated.intervals.get(name)
            table.add_row(name, f"{value:.4f}", _limits(interval))
    screen.print(table)
    screen.print()
    engine = f"{evaluated.engine} {evaluated.engine_version or ''}".strip()
    screen.print(
        f"{evaluated.network}, {evaluated.weights} weights, on {engine}: {evaluated.examples:,} examples of "
        f"{evaluated.data} ({evaluated.part})."
    )
    confused = _confusions(evaluated)
    for key, what in BY_CLASS.items():
        of_classes = evaluated.metrics.get(key) or ()
        known = [
            f"{n} {share(v)}" for n, v in zip(evaluated.classes, of_classes, strict=False) if v is not None
        ]
        if known:
            screen.print(f"{what} by class: {', '.join(known)}.")
    if confused:
        screen.print(f"Most often confused: {'; '.join(confused)}.")
    _remarks(evaluated.notes, evaluated.damaged, screen)


def _limits(interval: Interval | None) -> str:
    return NOTHING if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"


def _confusions(evaluated: Evaluated) -> list[str]:
    counts = evaluated.metrics.get("confusion")
    if not isinstance(counts, list):
        return []
    names = [*evaluated.classes, *map(str, range(len(evaluated.classes), len(counts)))]
    pairs = [
        (count, names[true], names[said])
        for true, row in enumerate(counts)
        for said, count in enumerate(row)
        if count and true != said
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [f"{true} taken for {said} ({count})" for count, true, said in pairs[:3]]


def print_features(features: Features, screen: Console) -> None:
    """The arrays and their shapes."""
    table = grid(["array", "shape"])
    for name, shape in features.arrays.items():
        table.add_row(name, "×".join(map(str, shape)))
    screen.print(table)
    screen.print()
    screen.print(
        f"{features.path}: the output of {features.layer} of {features.network}, on {features.engine}."
    )
    _remarks(features.notes, features.damaged, screen)


def _remarks(notes: Sequence[str], damaged: Sequence[str], screen: Console) -> None:
    for sentence in notes:
        screen.print(f"Note: {sentence}.")
    if damaged:
        screen.print(f"{len(damaged)} left out:")
        for sentence in damaged:
            screen.print(f"  {sentence}")

"""Metrics of a network's outputs on a data set, each with its 95 % interval over examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.data.prepared import Arrays
from crosstrain.runs.tasks.evaluation import Evaluation
from crosstrain.statistics.location import student
from crosstrain.statistics.ratios import Interval, wilson
from crosstrain.training.metrics import METRICS, Reading, metrics
from crosstrain.training.tasks import DETECTION, SEGMENTATION, TRANSCRIPTION, Task

SHARES = ("accuracy", "top_k")
"""Metrics that are shares of right answers, whose interval is Wilson's."""
RESAMPLES = 400
NUMBERS = 1 << 27
"""Numbers that all resamples together may go through; the fewest resamples are ``FEWEST``."""
FEWEST = 50
MOST_CONFUSED = 1000
"""Classes of a confusion matrix: words of a vocabulary would fill the memory with one."""
PARTS = 30
"""Into which the examples are dealt at random for the interval of the mean loss."""


class Replay:
    """A network's recorded outputs, as an evaluation asks for them: in order."""

    def __init__(self, outputs: Arrays) -> None:
        self._outputs, self._next = outputs, 0

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        rows = slice(self._next, self._next + len(next(iter(inputs.values()))))
        self._next = rows.stop
        return {name: array[rows] for name, array in self._outputs.items()}


def metric_names(readings: Mapping[str, Reading]) -> tuple[str, ...]:
    """All metrics that fit the outputs; where these are of several kinds, those that fit each."""
    kinds = {reading.classes is not None for reading in readings.values()}
    if len(kinds) > 1:
        return ("accuracy",)
    names = [name for name, (_, of_classes) in METRICS.items() if {of_classes} == kinds]
    classes = max((reading.classes or 0 for reading in readings.values()), default=0)
    binary = any(reading.threshold is not None for reading in readings.values())
    without = {"top_k": classes <= 5 or binary, "confusion": classes > MOST_CONFUSED}
    return tuple(name for name in names if not without.get(name))


def measured(evaluation: Evaluation, inputs: Arrays, outputs: Arrays, targets: Arrays) -> dict[str, Any]:
    """``loss`` and every metric of the evaluation, as training tells them; of label maps, texts, boxes and
    classes at each step all that it tells of a test set."""
    final = any(
        _task(reading) or (reading.classes and outputs[name].ndim == 3)
        for name, reading in evaluation.readings.items()
    )
    return evaluation.run(Replay(outputs), inputs, targets, final=final)  # type: ignore[arg-type]


def _task(reading: Reading) -> Task | None:
    """The task with test metrics of its own that outputs are read for; None for plain classes and numbers."""
    if reading.head:
        return DETECTION
    if reading.transcription is not None:
        return TRANSCRIPTION
    return SEGMENTATION if reading.maps else None


def intervals(
    evaluation: Evaluation,
    values: Mapping[str, Any],
    inputs: Arrays,
    outputs: Arrays,
    targets: Arrays,
    *,
    seed: int = 0,
) -> dict[str, Interval]:
    """The interval of every value that is one number: Wilson's for shares of right answers, Student's over
    random parts for the loss, the bootstrap's percentiles for the rest. Of label maps the loss and the mean
    IoU have one, of boxes the loss and mAP@0.5: pixels and boxes are no independent examples; of texts the
    loss, the characters and the texts that are right; of classes at each step the loss."""
    random = np.random.default_rng(seed)
    intervals: dict[str, Interval] = {}
    if values.get("loss") is not None and (loss := _of_loss(evaluation, inputs, outputs, targets, random)):
        intervals["loss"] = loss
    several = len(evaluation.readings) > 1
    for output, reading in evaluation.readings.items():
        if task := _task(reading):
            front = f"{output}/" if several else ""
            if limits := values.get(f"{front}{task.limits}"):
                value = float(values[f"{front}{task.metric}"])
                intervals[f"{front}{task.metric}"] = Interval(
                    value, limits[0], limits[1], len(targets[output])
                )
            if task is TRANSCRIPTION:
                intervals[f"{front}accuracy"] = wilson(
                    float(values[f"{front}accuracy"]), len(targets[output])
                )
            continue
        names = metrics(evaluation.names, reading)
        for name in names:
            key = f"{output}/{name}" if several else name
            value = values[key]
            if not isinstance(value, int | float) or not np.isfinite(value):
                continue
            truth = reading.truths(outputs[output], targets[output]) if name.startswith(SHARES) else None
            if truth is not None and reading.threshold is None and truth.ndim > 1:
                continue
            intervals[key] = (
                wilson(float(value), truth.size)
                if truth is not None
                else _bootstrapped(name, reading, float(value), outputs[output], targets[output], random)
            )
    return intervals


def _of_loss(
    evaluation: Evaluation, inputs: Arrays, outputs: Arrays, targets: Arrays, random: np.random.Generator
) -> Interval | None:
    """Student's interval over the mean losses of random parts of equal size; None for too few examples."""
    examples = len(next(iter(inputs.values())))
    parts = min(PARTS, examples)
    if parts < 3:
        return None
    dealt = random.permutation(examples)[: examples // parts * parts].reshape(parts, -1)
    take = lambda arrays, rows: {name: np.asarray(array)[rows] for name, array in arrays.items()}
    losses = np.array(
        [
            measured(evaluation, *(take(a, rows) for a in (inputs, outputs, targets)))["loss"]
            for rows in dealt
        ],
        np.float64,
    )
    if not np.isfinite(losses).all():
        return None
    interval = student(losses)
    return Interval(float(losses.mean()), interval.low, interval.high, examples, "student")


def _bootstrapped(
    name: str,
    reading: Reading,
    value: float,
    outputs: np.ndarray,
    targets: np.ndarray,
    random: np.random.Generator,
) -> Interval:
    """Percentiles over resampled examples (Efron 1979)."""
    count = int(np.clip(NUMBERS // max(1, outputs.size), FEWEST, RESAMPLES))
    values = []
    for _ in range(count):
        rows = random.integers(0, len(outputs), len(outputs))
        metric = metrics((name,), reading)[name]
        metric.update(outputs[rows], targets[rows])
        values.append(float(metric.result()))
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(value, float(min(low, value)), float(max(high, value)), len(outputs), "bootstrap")

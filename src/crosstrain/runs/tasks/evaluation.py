"""Evaluation of a network on a whole split: the loss and the metrics, in NumPy, alike for all engines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Network
from crosstrain.engines.resident import Rows
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.ops import NUMPY
from crosstrain.runs.tasks.predictions import Predictions
from crosstrain.training.metrics import Reading, metrics
from crosstrain.training.quality import quality_metrics, training_metrics
from crosstrain.training.scores.boxes import box_metrics
from crosstrain.training.tasks import task_of, value_of

SMALLEST_BATCH = 64
"""Evaluation uses the training's batch size, or this where that is smaller."""
MOST_NUMBERS = 1 << 24
"""Outputs of a batch that is larger than the training's have no more numbers than this: label maps are
large."""

Arrays = Mapping[str, np.ndarray]


class Evaluation:
    """Knows which metrics each output gets, and runs splits through a network.

    ``readings`` tells how each output that has a target is to be read, ``names`` are the recipe's
    metrics, ``loss`` is the loss graph and ``constants`` its weights. The validation loss is the loss
    alone, without regularisers, averaged over examples.
    """

    def __init__(
        self,
        readings: Mapping[str, Reading],
        names: tuple[str, ...],
        loss: Graph,
        constants: Weights,
        batch_size: int,
    ) -> None:
        self.readings = readings
        self.names = names
        numbers = max(_numbers(loss, f"output/{output}") for output in readings) if readings else 1
        self.batch_size = max(batch_size, min(SMALLEST_BATCH, MOST_NUMBERS // numbers))
        self._loss_inputs = tuple(loss.inputs)
        self._loss = compiled(loss.phase(training=False), Ops(NUMPY, "numpy"), "float64")
        self._constants = {name: _double(value) for name, value in constants.items()}

    def shapes(self, examples: int) -> set[int]:
        """The batch sizes that a split of so many examples comes in."""
        return {min(examples, self.batch_size), examples % self.batch_size} - {0}

    def run(
        self,
        network: Network,
        inputs: Arrays,
        targets: Arrays,
        predictions: Predictions | None = None,
        *,
        final: bool = False,
        resident: Mapping[str, Rows] | None = None,
    ) -> dict[str, Any]:
        """``loss`` and every metric by name, ``OUTPUT/metric`` where several outputs have targets;
        ``predictions`` collects the prediction for each example, ``final`` adds what is told of a test set
        (``training/quality.py``). ``resident`` inputs lie on the network's device: it takes these."""
        by_output = {
            output: {
                **metrics(self.names, reading),
                **(box_metrics(reading) if reading.boxes else training_metrics(reading)),
            }
            for output, reading in self.readings.items()
        }
        total, examples = 0.0, 0
        for part, batch_inputs, batch_targets in self._batches(inputs, targets):
            there = {name: rows[part] for name, rows in (resident or {}).items() if name in batch_inputs}
            seen: dict[str, Any] = {**batch_inputs, **there}
            outputs = network.predict(seen)
            count = len(next(iter(batch_inputs.values())))
            judged = self._judged(batch_inputs, outputs, batch_targets)
            # Classes are weighted in training alone, as in Keras.
            total += float(judged.get("unweighted", judged["loss"])) * count
            for output, by_name in by_output.items():
                if final and not examples:
                    more = quality_metrics(self.readings[output], outputs[output])
                    by_name.update({name: each for name, each in more.items() if name not in by_name})
                # What is masked or void counts in no metric, as it does in no loss.
                kept = _judged_part(
                    judged.get(f"mask/{output}"), self.readings[output], batch_targets[output]
                )
                for metric in by_name.values():
                    rows = ... if getattr(metric, "whole", False) else kept
                    metric.update(outputs[output][rows], batch_targets[output][rows])
                if predictions is not None:
                    predictions.update(output, self.readings[output], outputs[output], batch_targets[output])
            examples += count
        several = len(by_output) > 1
        results = {
            f"{output}/{name}" if several else name: metric.result()
            for output, by_name in by_output.items()
            for name, metric in by_name.items()
        }
        return {"loss": total / examples if examples else None, **results}

    def loss_of(self, inputs: Arrays, outputs: Arrays, targets: Arrays) -> float:
        """The loss of one batch, with the weights of classes, in float64."""
        return float(self._judged(inputs, outputs, targets)["loss"])

    def _batches(self, inputs: Arrays, targets: Arrays) -> Iterator[tuple[slice, Arrays, Arrays]]:
        examples = len(next(iter(inputs.values())))
        for start in range(0, examples, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield part, {k: v[part] for k, v in inputs.items()}, {k: v[part] for k, v in targets.items()}

    def _judged(self, inputs: Arrays, outputs: Arrays, targets: Arrays) -> Arrays:
        """The ``loss`` of a batch, and ``mask/OUTPUT`` where an output has a mask."""
        values = {k: _double(v) for k, v in inputs.items()}
        values.update({f"output/{k}": _double(v) for k, v in outputs.items()})
        values.update({f"target/{k}": _double(v) for k, v in targets.items()})
        with np.errstate(all="ignore"):  # what diverges is reported, not warned of
            results, _ = self._loss(self._constants, {name: values[name] for name in self._loss_inputs})
        return results


def _numbers(loss: Graph, output: str) -> int:
    """How many numbers an output has for one example, at least; open axes count once."""
    shape = loss.inputs[output].shape if output in loss.inputs else ()
    return int(np.prod([size or 1 for size in shape[1:]], initial=1))


def _judged_part(mask: np.ndarray | None, reading: Reading, targets: np.ndarray) -> Any:
    """Which of the targets are judged, as an index."""
    if reading.void is None:
        return ... if mask is None else mask
    known = targets != reading.void
    if known.ndim > 1 and known.shape[-1] == 1:
        known = known[..., 0]
    return known if mask is None else known & mask


def main_metric(results: Mapping[str, Any], name: str) -> float | None:
    """The metric ``name``, of the first output that has it."""
    value: float | None = value_of(results, name)
    return value


def score(results: Mapping[str, Any]) -> float | None:
    """One number to choose the best epoch by, larger being better: the task's main metric, or else minus the
    loss."""
    task = task_of(results)
    if task is not None:
        return main_metric(results, task.metric)
    return None if results.get("loss") is None else -float(results["loss"])


def readings(folder: Path, network: Graph, targets: Mapping[str, Mapping[str, Any]]) -> dict[str, Reading]:
    """How to read the outputs that have targets, from the losses that the definition in ``folder`` chose.

    ``targets`` are the data's specs under the outputs' names.
    """
    chosen = json.loads((folder / "definition.json").read_text()).get("losses") or {}
    readings = {}
    for output, spec in targets.items():
        loss = chosen.get(output) or chosen.get("") or {"name": ""}
        shape = network.spec(network.outputs[output]).shape
        last = shape[-1] if len(shape) > 1 else None
        readings[output] = Reading.of(
            loss["name"], loss.get("settings") or {}, spec.get("classes"), last, maps=len(shape) == 4,
            space=spec.get("space"),
        )  # fmt: skip
    return readings


def _double(value: np.ndarray) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array

"""What a trained network makes of test examples with label maps, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.settings import asking, run_at
from crosstrain.runs.trained import evaluation_data
from crosstrain.training.pixels import mean_iou, picture_counts

Tell = Callable[[str], None]


@dataclass(frozen=True)
class MapAnswers:
    """Test examples (their ``positions``) with the true and the answered label maps, (N, H, W), and the mean
    IoU of each over the classes in it."""

    network: str
    data: Prepared
    positions: np.ndarray
    truths: np.ndarray
    answers: np.ndarray
    scores: tuple[float | None, ...]

    @property
    def classes(self) -> list[str]:
        return [str(name) for name in self.data.manifest["classes"]]


def answers_with_maps(run: str | Path, cell: str | None, weights: str) -> bool:
    """Whether the network of ``run`` gives a class for every pixel."""
    trained = TrainedNetwork.of(run_at(run, cell, weights), lambda words: None)
    return any(reading.maps for reading in trained.readings.values())


def answer_maps(
    run: str | Path, *, data: str | None, cell: str | None, weights: str, examples: int, tell: Tell
) -> MapAnswers:
    """Ask the network of ``run`` about test examples, evenly over all of them. ``CrosstrainError`` where it
    gives no label maps, or its data is not known."""
    trained = run_at(run, cell, weights)
    network = TrainedNetwork.of(trained, tell)
    output = next((name for name, reading in network.readings.items() if reading.maps), None)
    spec = data or trained.data
    if output is None or not spec:
        raise CrosstrainError(f"{run} has no network that gives label maps, or does not record its data")
    tell(f"Preparing {spec}")
    prepared = evaluation_data(network.definition, spec, trained)
    inputs, targets = prepared.arrays("test")
    if not prepared.label_maps():
        raise CrosstrainError(f"{spec} has no label maps to compare with")
    total = prepared.examples("test")
    positions = np.unique(np.linspace(0, total - 1, min(examples, total)).astype(np.int64))
    request = asking(trained, _DEFAULTS, tell)
    with TemporaryDirectory(prefix="crosstrain-maps-") as work:
        tell(f"Asking {network.name} on {request.engine}")
        chosen = {name: np.asarray(array[positions]) for name, array in inputs.items()}
        answered = network.answer(chosen, request, Path(work), wanted=[output])
    reading = network.readings[output]
    truths = np.asarray(next(iter(targets[name] for name in prepared.label_maps()))[positions])
    answers = reading.answers(answered.outputs[output]).astype(np.int32)
    return MapAnswers(
        network.name, prepared, positions, truths, answers,
        tuple(mean_iou(picture_counts(reading, *pair)) for pair in zip(answers, truths, strict=True)),
    )  # fmt: skip


_DEFAULTS: Mapping[str, Any] = {
    "threads": None, "engine": None, "options": None, "device": "auto", "timeout": None,
}  # fmt: skip

__all__: Sequence[str] = ["MapAnswers", "answer_maps", "answers_with_maps"]

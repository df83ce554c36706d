"""Test examples that a trained network is asked about, to be looked at beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from crosstrain.training.metrics import Reading

Tell = Callable[[str], None]
Fits = Callable[[Reading], bool]

_DEFAULTS: Mapping[str, Any] = {
    "threads": None, "engine": None, "options": None, "device": "auto", "timeout": None,
}  # fmt: skip


@dataclass(frozen=True)
class Examples:
    """Test examples at ``positions`` of ``data`` with their ``targets`` and what the network's output gave
    for them, which is read by ``reading``."""

    network: str
    data: Prepared
    positions: np.ndarray
    reading: Reading
    targets: np.ndarray
    outputs: np.ndarray

    @property
    def classes(self) -> list[str]:
        return [str(name) for name in self.data.manifest["classes"]]


def answers_with(run: str | Path, cell: str | None, weights: str) -> list[Reading]:
    """How the outputs of the network of ``run`` are read."""
    trained = TrainedNetwork.of(run_at(run, cell, weights), lambda words: None)
    return list(trained.readings.values())


def asked_examples(
    run: str | Path, fits: Fits, what: str, *, data: str | None, cell: str | None, weights: str,
    examples: int, tell: Tell,
) -> Examples:  # fmt: skip
    """Ask the first output that ``fits`` about test examples, evenly over all of them. ``CrosstrainError``
    where there is no such output, which gives ``what``, or its data is not known."""
    trained = run_at(run, cell, weights)
    network = TrainedNetwork.of(trained, tell)
    output = next((name for name, reading in network.readings.items() if fits(reading)), None)
    spec = data or trained.data
    if output is None or not spec:
        raise CrosstrainError(f"{run} has no network that gives {what}, or does not record its data")
    tell(f"Preparing {spec}")
    prepared = evaluation_data(network.definition, spec, trained)
    inputs, targets = prepared.arrays("test")
    own = [name for name in targets if name in {**prepared.label_maps(), **prepared.boxes()}]
    if not own:
        raise CrosstrainError(f"{spec} has no {what} to compare with")
    total = prepared.examples("test")
    positions = np.unique(np.linspace(0, total - 1, min(examples, total)).astype(np.int64))
    request = asking(trained, _DEFAULTS, tell)
    with TemporaryDirectory(prefix="crosstrain-look-") as work:
        tell(f"Asking {network.name} on {request.engine}")
        chosen = {name: np.asarray(array[positions]) for name, array in inputs.items()}
        answered = network.answer(chosen, request, Path(work), wanted=[output])
    return Examples(
        network.name, prepared, positions, network.readings[output], np.asarray(targets[own[0]][positions]),
        np.asarray(answered.outputs[output]),
    )  # fmt: skip

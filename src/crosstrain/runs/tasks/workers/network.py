"""A network that several workers train together, as the training loop of each of them sees it."""

from __future__ import annotations

import math

import numpy as np

from crosstrain.engines.contract import Arrays, Network, State
from crosstrain.engines.sharing import numbers, sharing
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED
from crosstrain.graph.program import Program
from crosstrain.runs.tasks.material import Material
from crosstrain.runs.tasks.workers.communication import Communication, part_of


class SharedNetwork:
    """``network`` with the training step of all workers; ``train`` takes this worker's part of a batch, which
    may be empty. The rest of the contract is its own."""

    def __init__(
        self, network: Network, program: Program, precision: str, communication: Communication
    ) -> None:
        self._network, self._sharing = network, sharing(network, program)
        self._communication, self._precision = communication, precision
        self._numbers = numbers(program)
        self.warm_up_steps: int = getattr(network, "warm_up_steps", 2)

    def train(self, inputs: Arrays, learning_rate: float) -> float:
        """One optimizer step of all workers; the loss of the whole batch. Raises ``Lost``."""
        count = next(len(array) for name, array in inputs.items() if name != SEED)
        # The first number counts the examples: each worker divides the sum of all by their sum.
        weighted = np.zeros(1 + self._numbers, self._precision)
        if count:
            weighted[0] = count
            np.multiply(self._sharing.contribution(inputs), count, out=weighted[1:])
        total = self._communication.sum(weighted)
        mean = total[1:]
        mean /= total[0]
        self._sharing.update(mean, learning_rate)
        return float(mean[0])

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        return self._network.predict(inputs, training)

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        return self._network.gradients(inputs)

    def read(self) -> State:
        return self._network.read()

    def load(self, state: State) -> None:
        self._network.load(state)

    def wait(self) -> None:
        self._network.wait()


def apart(program: Program, workers: int) -> list[str]:
    """In what a training by several workers is another one than by a single one: a sentence for each."""
    sentences = []
    if program.training.updates:
        sentences.append(
            f"batch normalization: each of the {workers} workers normalizes by the statistics of its own "
            "part of a batch, and the moving statistics are the mean of theirs"
        )
    if SEED in program.training.inputs:
        sentences.append(f"noise (dropout): each of the {workers} workers draws its own")
    return sentences


def order(communication: Communication, epoch: int, step: int, rate: float) -> None:
    """Let the others train an epoch (from 0), whose first step is ``step``, at the schedule's ``rate``."""
    communication.sum(np.array([1 + epoch, step, rate]))


def next_order(communication: Communication) -> tuple[int, int, float]:
    """What ``order`` says; waits for it."""
    epoch, step, rate = communication.sum(np.zeros(3)).tolist()
    return int(epoch) - 1, int(step), rate


def check_parts(network: Network, material: Material) -> None:
    """``CrosstrainError`` unless the loss of a batch is the mean of those of its parts, weighted by their
    examples: tried on the first examples, in NumPy's float64."""
    train, workers = material.splits["train"], material.share[1]
    size = min(train.examples, material.evaluation.batch_size)
    inputs = {name: array[:size] for name, array in train.inputs.items()}
    targets = {name: array[:size] for name, array in train.targets.items()}
    outputs = network.predict(inputs)

    def loss(rows: slice) -> float:
        seen = ({name: array[rows] for name, array in each.items()} for each in (inputs, outputs, targets))
        return material.evaluation.loss_of(*seen)

    parts = [rows for rank in range(workers) if (rows := part_of(size, rank, workers)).stop > rows.start]
    mean = sum((rows.stop - rows.start) * loss(rows) for rows in parts) / size
    whole = loss(slice(0, size))
    if math.isfinite(whole) and not math.isclose(whole, mean, rel_tol=1e-9):
        raise CrosstrainError(
            f"the loss of {material.program.network.name} is no mean over the examples of a batch (of {size} "
            f"it is {whole:.6g}, the mean of its {workers} parts {mean:.6g}), so several workers would train "
            "something else; use one worker"
        )

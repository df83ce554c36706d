"""The contract of data-parallel training: what a network gives for a part of a batch, and takes back.

Every worker has the whole network and a part of each batch. It gives one vector: the loss, the gradient of
every trainable weight, and the next value of every moving statistic. All are means over the part's examples,
so that their mean over all workers, weighted by the examples, is that of the whole batch; each worker takes
it, and all have the same weights again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from crosstrain.engines.contract import Arrays, Network, State
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply


@runtime_checkable
class Sharing(Protocol):
    """A network that can be trained by several workers. Its vectors have ``numbers(program)`` entries in the
    run's precision: the loss, then gradients and statistics in an order of its own, the same on every
    worker."""

    def contribution(self, inputs: Arrays) -> np.ndarray:
        """The vector for a part of a batch; nothing is updated. The array may be read-only."""

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        """One optimizer step with the mean of all contributions, whose statistics it takes over."""


def numbers(program: Program) -> int:
    """The length of a contribution."""
    return 1 + sum(map(math.prod, shapes(program).values()))


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    """Of gradients, then of moving statistics, by weight."""
    training = program.training
    return {name: tuple(training.weights[name].shape) for name in (*training.trainable, *training.updates)}


def pieces(
    mean: Any, shapes: Mapping[str, tuple[int, ...]], reshape: Callable[[Any, Any], Any] = np.reshape
) -> dict[str, Any]:
    """The gradients and statistics in a contribution that has them in the order of ``shapes``, by name;
    ``reshape`` is the framework's."""
    parts, start = {}, 1
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        parts[name] = reshape(mean[start:end], shape)
        start = end
    return parts


def sharing(network: Network, program: Program) -> Sharing:
    """The network as one that several workers can train; one that does not say how goes through its
    gradients and its state. ``CrosstrainError`` where the loss is scaled."""
    if network.read().scaling is not None:
        raise CrosstrainError(
            "the arithmetic float16 scales its loss step by step, which several workers cannot do together; "
            "use one worker, or the arithmetic bfloat16"
        )
    return network if isinstance(network, Sharing) else ByState(network, program)


class ByState:
    """Any network, by the calls that each has: slow, since its whole state goes to NumPy and back at every
    step. ``CrosstrainError`` for one with moving statistics, of which those calls tell nothing."""

    _OPS = Ops(NUMPY, "numpy")

    def __init__(self, network: Network, program: Program) -> None:
        if program.training.updates:
            raise CrosstrainError(
                f"this engine trains {program.network.name} with one worker only: it does not tell the next "
                "moving statistics of its batch normalization; PyTorch, TensorFlow and JAX do"
            )
        self._network, self._program, self._shapes = network, program, shapes(program)

    def contribution(self, inputs: Arrays) -> np.ndarray:
        loss, gradients = self._network.gradients(inputs)
        return np.concatenate([[loss], *(np.ravel(gradients[name]) for name in self._shapes)])

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        state, optimizer = self._network.read(), self._program.optimizer
        gradients = pieces(mean, self._shapes)
        weights = {name: state.weights[name] for name in self._shapes}
        slots = {
            name: optimizer.slot_values(weight.shape, (state.slots or {}).get(name))
            for name, weight in weights.items()
        }
        step = state.step + 1
        new, new_slots = apply(self._OPS, optimizer, weights, gradients, slots, learning_rate, step)
        self._network.load(State({**state.weights, **new}, new_slots, step))

"""A network that hears its own past, unrolled over one series: forward, backward through time, Jacobian.

The weights are those of a feed-forward network (:mod:`crosstrain.classic.multilayer.network`) of one hidden
layer, whose inputs are the features and the context. In NumPy: each step needs the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.classic.multilayer.errors import BoundError
from crosstrain.classic.multilayer.network import Network, Pass


@dataclass(frozen=True)
class Feedback:
    """What the context remembers: the hidden units' last outputs (Elman) or the network's own (Jordan).

    ``memory`` is the share of the last context that stays in the next.
    """

    of_output: bool
    memory: float = 0.0

    def size(self, hidden: int, outputs: int) -> int:
        return outputs if self.of_output else hidden


class UnrolledObjective:
    """The error over a series: ``inputs`` (steps, features), ``targets`` (steps, outputs), in their order.

    ``through_time`` lets errors go back through the context; without, the context counts as an input that the
    weights do not change, as Elman had it.
    """

    def __init__(
        self,
        network: Network,
        feedback: Feedback,
        error: BoundError,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        through_time: bool,
    ) -> None:
        self.network, self.feedback, self.error = network, feedback, error
        self.inputs, self.targets, self.through_time = inputs, targets, through_time
        self.n_evaluations = 0
        factor = error.error.least_squares
        self.scale = factor(targets) if factor else 0.0

    def loss(self, weights: np.ndarray) -> float:
        return self.error(self.targets, self._forward(weights)[-1].outputs)

    def __call__(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        passes = self._forward(weights)
        last, network = passes[-1], self.network
        loss = self.error(self.targets, last.outputs)
        upstream = self.error.derivative(self.targets, last.outputs)
        if self.through_time:
            deltas: Sequence[np.ndarray] = self._through_time(weights, passes, upstream)
        else:
            delta = network.transfers[-1].backward(last.net, last.outputs, upstream)
            deltas = network.backward(weights, passes, delta)
        gradient: np.ndarray = network.gradient(passes, deltas)
        return loss, gradient

    def residuals(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        passes = self._forward(weights)
        residuals = (passes[-1].outputs - self.targets).ravel()
        if not self.through_time:
            return residuals, self.network.jacobian(weights, passes)
        return residuals, self._jacobian(weights, passes)

    def _forward(self, weights: np.ndarray) -> list[Pass]:
        self.n_evaluations += 1
        return self.network.forward(weights, unrolled(self.network, self.feedback, weights, self.inputs))

    def _slopes(self, passes: Sequence[Pass]) -> list[np.ndarray]:
        """Each layer's outputs' derivatives by its net inputs."""
        return [
            transfer.backward(each.net, each.outputs, np.ones_like(each.outputs))
            for transfer, each in zip(self.network.transfers, passes, strict=True)
        ]

    def _through_time(
        self, weights: np.ndarray, passes: Sequence[Pass], upstream: np.ndarray
    ) -> list[np.ndarray]:
        """Derivatives by the net inputs, from the last step to the first (Werbos, 1990)."""
        (first, _), (second, _) = self.network.split(weights)
        back = first[:, self.inputs.shape[1] :]
        hidden_slopes, output_slopes = self._slopes(passes)
        hidden, output = np.empty_like(hidden_slopes), np.empty_like(output_slopes)
        from_context = np.zeros(back.shape[1])
        for step in range(len(upstream) - 1, -1, -1):
            into_output = upstream[step] + from_context if self.feedback.of_output else upstream[step]
            output[step] = output_slopes[step] * into_output
            into_hidden = output[step] @ second
            if not self.feedback.of_output:
                into_hidden = into_hidden + from_context
            hidden[step] = hidden_slopes[step] * into_hidden
            from_context = hidden[step] @ back + self.feedback.memory * from_context
        return [hidden, output]

    def _jacobian(self, weights: np.ndarray, passes: Sequence[Pass]) -> np.ndarray:
        """The outputs' derivatives by the weights, from the first step to the last (Williams and Zipser,
        1989)."""
        (first, _), (second, _) = self.network.split(weights)
        back = first[:, self.inputs.shape[1] :]
        hidden_slopes, output_slopes = self._slopes(passes)
        hidden, outputs = len(first), len(second)
        own = [
            np.arange(units * size).reshape(units, size)
            for units, size in ((hidden, first.shape[1]), (outputs, hidden))
        ]
        starts = (0, first.size + hidden)
        context = np.zeros((back.shape[1], len(weights)))
        rows = []
        for step in range(len(self.inputs)):
            by_hidden = back @ context
            self._add_own(by_hidden, starts[0], own[0], passes[0].inputs[step])
            by_hidden *= hidden_slopes[step][:, None]
            by_output = second @ by_hidden
            self._add_own(by_output, starts[1], own[1], passes[1].inputs[step])
            by_output *= output_slopes[step][:, None]
            rows.append(by_output)
            context = self.feedback.memory * context + (by_output if self.feedback.of_output else by_hidden)
        return np.concatenate(rows)

    @staticmethod
    def _add_own(derivatives: np.ndarray, start: int, own: np.ndarray, inputs: np.ndarray) -> None:
        """Adds what each unit's own weights and bias do to its net input."""
        units = np.arange(len(own))
        derivatives[units[:, None], start + own] += inputs
        derivatives[units, start + own.size + units] += 1.0


def unrolled(network: Network, feedback: Feedback, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """The inputs with the context of each step beside them; the first context is 0."""
    steps, features = inputs.shape
    (first, biases), (second, output_biases) = network.split(weights)
    hidden_transfer, output_transfer = network.transfers
    signals = np.zeros((steps, first.shape[1]))
    signals[:, :features] = inputs
    context, memory = np.zeros(first.shape[1] - features), feedback.memory
    for signal in signals:
        signal[features:] = context
        new = hidden_transfer(first @ signal + biases)
        if feedback.of_output:
            new = output_transfer(second @ new + output_biases)
        context = memory * context + new
    return signals

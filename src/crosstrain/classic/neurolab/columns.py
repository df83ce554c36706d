"""Backpropagation in arrays that are made once, for the networks and functions that are met most often.

Samples are columns. Each layer's inputs end in a row of ones, so that its weights and biases are one matrix
and their derivatives another: an epoch of a network of two layers is some fifteen calls of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from crosstrain.classic.neurolab import error, trans
from crosstrain.classic.neurolab.layer import Perceptron
from crosstrain.classic.neurolab.vector import layer_matrices

ONE = np.ones(())
"""What NumPy subtracts from without converting a number first."""


@dataclass(frozen=True)
class Kernel:
    """A transfer function in place.

    ``forward`` is a ufunc, None for the identity. ``backward(y, delta, room)`` multiplies ``delta`` by the
    slope where the output is ``y``; ``room`` is an array of the same shape to write to.
    """

    forward: np.ufunc | None
    backward: Callable[[np.ndarray, np.ndarray, np.ndarray], None] | None


def _back_through_tanh(y: np.ndarray, delta: np.ndarray, room: np.ndarray) -> None:
    np.multiply(y, y, room)
    np.subtract(ONE, room, room)
    np.multiply(delta, room, delta)


def _back_through_logistic(y: np.ndarray, delta: np.ndarray, room: np.ndarray) -> None:
    np.subtract(ONE, y, room)
    np.multiply(y, room, room)
    np.multiply(delta, room, delta)


KERNELS: dict[type, Kernel] = {
    trans.TanSig: Kernel(np.tanh, _back_through_tanh),
    trans.LogSig: Kernel(expit, _back_through_logistic),
    trans.PureLin: Kernel(None, None),
}


def is_elman(net: Any) -> bool:
    """Whether the layers are a chain whose first one also hears its own last outputs."""
    later = [[number] for number in range(len(net.layers))]
    return bool(net.connect == [[-1, 0], *later])


def fits(net: Any) -> bool:
    """Whether :class:`Columns` can compute the network."""
    return (net.is_chain or is_elman(net)) and all(
        type(layer)._step is Perceptron._step and type(layer.transf) in KERNELS for layer in net.layers
    )


class Columns:
    """The error of a network on its data, and the gradient.

    :param matrices: each layer's weights and, in the last column, biases, (units, inputs + 1)
    :param input: (samples, inputs)
    :param target: (samples, outputs)
    """

    def __init__(self, net: Any, matrices: list[np.ndarray], input: np.ndarray, target: np.ndarray) -> None:
        self.net, self._matrices, self._wanted = net, matrices, target
        layers, samples = net.layers, len(input)
        self._signals = [np.ones((layer.ci + 1, samples)) for layer in layers]
        self._signals[0][: net.ci] = input.T
        self._outputs = [*(each[:-1] for each in self._signals[1:]), np.empty((net.co, samples))]
        kernels = [KERNELS[type(layer.transf)] for layer in layers]
        self._forward = [
            (matrix, inputs, out, kernel.forward)
            for matrix, inputs, out, kernel in zip(
                matrices, self._signals, self._outputs, kernels, strict=True
            )
        ]
        self._time = _Time(net, matrices[0], kernels[0], input) if is_elman(net) else None
        self._gradient = np.empty(sum(matrix.size for matrix in matrices))
        # The derivatives by a layer's inputs have a row for the ones, which nobody reads.
        slopes = [np.empty_like(each) for each in self._signals[1:]]
        deltas = [*(each[:-1] for each in slopes), np.empty((net.co, samples))]
        self._backward = [
            (
                kernels[number].backward,
                self._outputs[number],
                deltas[number],
                np.empty_like(deltas[number]),
                self._signals[number].T,
                gradient,
                matrices[number].T,
                slopes[number - 1] if number else None,
            )
            for number, gradient in reversed(list(enumerate(layer_matrices(net, self._gradient))))
        ]
        self._errors = _Errors(net.errorf, target, self._outputs[-1], deltas[-1])

    def __call__(self) -> tuple[np.ndarray, float]:
        """The gradient, summed over the samples, and the error."""
        dot = np.dot
        forward = self._forward
        if self._time is not None:
            self._time.run(self._signals[0], self._outputs[0])
            forward = forward[1:]
        for matrix, inputs, out, function in forward:
            dot(matrix, inputs, out)
            if function is not None:
                function(out, out)
        value = self._errors()
        for back, y, delta, room, inputs, gradient, matrix, slopes in self._backward:
            if back is not None:
                back(y, delta, room)
            dot(delta, inputs, gradient)
            if slopes is not None:
                dot(matrix, delta, slopes)
        return np.negative(self._gradient), value

    @property
    def output(self) -> np.ndarray:
        """What the network answered, (samples, outputs)."""
        return self._outputs[-1].T.copy()

    def leave(self) -> None:
        """Leaves the last sample's signals in the network."""
        for layer, matrix, signals, outputs in zip(
            self.net.layers, self._matrices, self._signals, self._outputs, strict=True
        ):
            layer.s = matrix @ signals[:, -1]
            layer.inp, layer.out = signals[:-1, -1].copy(), outputs[:, -1].copy()
        self.net.inp, self.net.out = self._signals[0][: self.net.ci, -1].copy(), layer.out


class _Time:
    """The first layer of Elman's network, which answers one sample after the other."""

    def __init__(self, net: Any, matrix: np.ndarray, kernel: Kernel, input: np.ndarray) -> None:
        self.layer, self.matrix, self.function, self.features = net.layers[0], matrix, kernel.forward, net.ci
        rows = np.ones((len(input) + 1, self.layer.ci + 1))
        rows[:-1, : self.features] = input
        contexts = rows[:, self.features : -1]
        self.context = contexts[0]
        self.before, self.after = contexts[:-1].T, contexts[1:].T
        self.steps = list(zip(rows, contexts[1:], strict=False))

    def run(self, signals: np.ndarray, outputs: np.ndarray) -> None:
        """Writes what the layer hears of itself to its ``signals``, and what it answers to ``outputs``."""
        dot, matrix, function = np.dot, self.matrix, self.function
        self.context[:] = self.layer.out
        if function is None:
            for signal, out in self.steps:
                dot(matrix, signal, out)
        else:
            for signal, out in self.steps:
                dot(matrix, signal, out)
                function(out, out)
        signals[self.features : -1], outputs[:] = self.before, self.after
        self.layer.out = outputs[:, -1].copy()


class _Errors:
    """The error of outputs, (outputs, samples), and its negative derivatives, which it writes to
    ``delta``."""

    def __init__(self, errorf: Any, wanted: np.ndarray, output: np.ndarray, delta: np.ndarray) -> None:
        self.errorf, self.wanted, self.output, self.delta = errorf, wanted, output, delta
        self.target = np.ascontiguousarray(wanted.T)
        self.flat = delta.reshape(-1)
        self.share, self.factor = 0.5, None
        if type(errorf) is error.MSE:
            self.share, self.factor = 1.0 / output.size, np.array(2.0 / len(output))

    def __call__(self) -> float:
        if type(self.errorf) not in (error.SSE, error.MSE):
            rows = self.output.T
            self.delta[:] = error.deriv_by_rows(self.errorf, self.wanted, rows).T
            value: float = self.errorf(self.wanted, rows)
            return value
        np.subtract(self.target, self.output, self.delta)
        value = self.share * float(np.dot(self.flat, self.flat))
        if self.factor is not None:
            np.multiply(self.delta, self.factor, self.delta)
        return value

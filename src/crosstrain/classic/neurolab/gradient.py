"""Backpropagation through networks of perceptron layers, the whole data at once.

The context of a recurrent network (NeuroLab's Elman) counts as an input: errors do not go back through time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from crosstrain.classic.neurolab import columns, error, trans
from crosstrain.classic.neurolab.layer import Perceptron
from crosstrain.classic.neurolab.vector import layer_matrices

Pass = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A layer's inputs, net inputs and outputs, (samples, ·) each."""


class Evaluation(Protocol):
    """The error of a network on its data, at its present weights."""

    def __call__(self) -> tuple[np.ndarray, float]:
        """The gradient, summed over the samples, as a new vector, and the error."""

    @property
    def output(self) -> np.ndarray:
        """What the network answered, (samples, outputs)."""

    def leave(self) -> None:
        """Leaves the last sample's signals in the network."""


class Backpropagation:
    """A network's weights as one vector, ``x``, to which its layers are bound, and the gradient by it.

    :raises ValueError: a layer is no perceptron layer.
    """

    def __init__(self, net: Any) -> None:
        if not all(isinstance(layer, Perceptron) for layer in net.layers):
            raise ValueError(
                "The gradient rules train networks of perceptron layers; this one has "
                + ", ".join(type(layer).__name__ for layer in net.layers)
            )
        self.net = net
        self.x = np.empty(sum(layer.cn * (layer.ci + 1) for layer in net.layers))
        self.matrices = layer_matrices(net, self.x)
        for layer, matrix in zip(net.layers, self.matrices, strict=True):
            matrix[:, :-1], matrix[:, -1] = layer.np["w"], layer.np["b"]
            layer.np["w"], layer.np["b"] = matrix[:, :-1], matrix[:, -1]

    @property
    def is_bias(self) -> np.ndarray:
        """Which numbers of ``x`` are biases."""
        mask = np.zeros(len(self.x), bool)
        for matrix in layer_matrices(self.net, mask):
            matrix[:, -1] = True
        return mask

    def on(self, input: np.ndarray, target: np.ndarray) -> Evaluation:
        """The error and the gradient on this data, (samples, inputs) and (samples, outputs)."""
        kind = columns.Columns if columns.fits(self.net) else Rows
        return kind(self.net, self.matrices, input, target)


class Rows:
    """Any connections and functions; users' functions see one sample at a time."""

    def __init__(self, net: Any, matrices: list[np.ndarray], input: np.ndarray, target: np.ndarray) -> None:
        self.net, self.matrices, self.input, self.target = net, matrices, input, target
        plain = all(type(layer)._step is Perceptron._step for layer in net.layers)
        self._passes = self._chain if plain and net.is_chain else self._steps
        self.output = np.empty((0, net.co))

    def __call__(self) -> tuple[np.ndarray, float]:
        net = self.net
        passes = self._passes()
        answers = [self.input if source == -1 else passes[source][2] for source in net.connect[-1]]
        self.output = np.concatenate(answers, axis=1)
        slopes = [np.zeros((len(self.input), layer.cn)) for layer in net.layers]
        self._send(len(net.layers), error.deriv_by_rows(net.errorf, self.target, self.output), slopes)
        gradient = np.empty(sum(matrix.size for matrix in self.matrices))
        parts = layer_matrices(net, gradient)
        for number in range(len(net.layers) - 1, -1, -1):
            layer, (inputs, s, outputs) = net.layers[number], passes[number]
            delta = slopes[number] * trans.deriv_by_rows(layer.transf, s, outputs)
            parts[number][:, :-1], parts[number][:, -1] = delta.T @ inputs, delta.sum(axis=0)
            self._send(number, delta @ layer.np["w"], slopes)
        np.negative(gradient, gradient)
        return gradient, net.errorf(self.target, self.output)

    def leave(self) -> None:
        self.net.inp, self.net.out = self.input[-1], self.output[-1]

    def _send(self, number: int, upstream: np.ndarray, slopes: list[np.ndarray]) -> None:
        """Adds the derivatives by what layer ``number`` hears to those of the layers before it."""
        start = 0
        for source in self.net.connect[number]:
            width = self.net.ci if source == -1 else self.net.layers[source].co
            if -1 < source < number:
                slopes[source] += upstream[:, start : start + width]
            start += width

    def _chain(self) -> list[Pass]:
        passes = []
        signal = self.input
        for layer in self.net.layers:
            s, outputs = layer.passes(signal)
            passes.append((signal, s, outputs))
            signal = outputs
        return passes

    def _steps(self) -> list[Pass]:
        """Sample after sample."""
        layers = self.net.layers
        signals: list[list[tuple[np.ndarray, ...]]] = [[] for _ in layers]
        for inp in self.input:
            self.net.step(inp)
            for layer, kept in zip(layers, signals, strict=True):
                kept.append((layer.inp, layer.s.copy(), layer.out))
        return [tuple(map(np.array, zip(*kept, strict=True))) for kept in signals]  # type: ignore[misc]

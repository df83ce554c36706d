"""Backpropagation through networks of perceptron layers, the whole data at once.

The context of a recurrent network (NeuroLab's Elman) counts as an input: errors do not go back through time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import error, trans
from crosstrain.classic.neurolab.layer import Perceptron
from crosstrain.classic.neurolab.vector import np_get_ref

Pass = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A layer's inputs, net inputs and outputs, (samples, ·) each."""
Derivative = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Backpropagation:
    """The gradient of a network's error by its weights as one vector, ``x``, to which the layers are bound.

    :raises ValueError: a layer is no perceptron layer.
    """

    def __init__(self, net: Any) -> None:
        if not all(isinstance(layer, Perceptron) for layer in net.layers):
            raise ValueError(
                "The gradient rules train networks of perceptron layers; this one has "
                + ", ".join(type(layer).__name__ for layer in net.layers)
            )
        self.net = net
        self.x = np_get_ref(net)
        self._places, start = [], 0
        for layer in net.layers:
            middle = start + layer.np["w"].size
            self._places.append((start, middle, middle + layer.cn, layer.np["w"].shape))
            start = middle + layer.cn
        self._derivs: list[Derivative] = [
            layer.transf.deriv
            if type(layer.transf) in trans.ROWWISE
            else partial(trans.deriv_by_rows, layer.transf)
            for layer in net.layers
        ]
        self._error_deriv: Derivative = (
            net.errorf.deriv
            if type(net.errorf) in error.ROWWISE
            else partial(error.deriv_by_rows, net.errorf)
        )
        elman = [[-1, 0], *([number] for number in range(len(net.layers)))]
        plain = all(type(layer)._step is Perceptron._step for layer in net.layers)
        self._passes = (
            self._chain
            if plain and net.is_chain
            else self._elman
            if plain and net.connect == elman
            else self._steps
        )

    def __call__(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gradient, summed over the samples, and the outputs."""
        net = self.net
        passes = self._passes(input)
        gradient = np.empty(len(self.x))
        output = passes[-1][2]
        upstream = self._error_deriv(target, output)
        for number in range(len(net.layers) - 1, -1, -1):
            layer, (inputs, s, outputs) = net.layers[number], passes[number]
            start, middle, end, shape = self._places[number]
            delta = upstream * self._derivs[number](s, outputs)
            np.dot(delta.T, inputs, out=gradient[start:middle].reshape(shape))
            np.add.reduce(delta, 0, out=gradient[middle:end])
            if number:
                upstream = np.dot(delta, layer.np["w"])
        np.negative(gradient, gradient)
        return gradient, output

    def _chain(self, input: np.ndarray) -> list[Pass]:
        passes = []
        signal = input
        for layer in self.net.layers:
            s, outputs = layer.passes(signal)
            passes.append((signal, s, outputs))
            signal = outputs
        return passes

    def _elman(self, input: np.ndarray) -> list[Pass]:
        """The first layer runs through time; the others take all its outputs at once."""
        layer = self.net.layers[0]
        w, transf = layer.np["w"], layer.transf
        features = input.shape[1]
        signals = np.empty((len(input) + 1, w.shape[1] + 1))
        signals[:-1, :features], signals[0, features:-1], signals[:, -1] = input, layer.out, 1.0
        s = np.empty((len(input), len(w)))
        whole = np.column_stack([w, layer.np["b"]])
        ufunc = getattr(transf, "ufunc", None) if type(transf) in trans.ROWWISE else None
        dot = np.dot
        if ufunc is not None:
            for signal, net, out in zip(signals, s, signals[1:, features:-1], strict=False):
                dot(whole, signal, net)
                ufunc(net, out)
        else:
            for signal, net, out in zip(signals, s, signals[1:, features:-1], strict=False):
                dot(whole, signal, net)
                out[:] = transf(net)
        outputs = np.ascontiguousarray(signals[1:, features:-1])
        layer.inp, layer.s, layer.out = signals[-2, :-1].copy(), s[-1], outputs[-1]
        passes = [(signals[:-1, :-1], s, outputs)]
        for above in self.net.layers[1:]:
            inputs = passes[-1][2]
            passes.append((inputs, *above.passes(inputs)))
        return passes

    def _steps(self, input: np.ndarray) -> list[Pass]:
        """Any other connections: sample after sample."""
        layers = self.net.layers
        signals: list[list[tuple[np.ndarray, ...]]] = [[] for _ in layers]
        for inp in input:
            self.net.step(inp)
            for layer, kept in zip(layers, signals, strict=True):
                kept.append((layer.inp, layer.s.copy(), layer.out))
        return [tuple(map(np.array, zip(*kept, strict=True))) for kept in signals]  # type: ignore[misc]

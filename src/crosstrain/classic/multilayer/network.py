"""A feed-forward network whose weights are one flat vector: forward, backward, Jacobian.

The vector holds for each layer the weights (units, inputs), row by row, and then the biases (units,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import NamedTuple, Protocol

import array_api_compat

from crosstrain.classic.arrays import Array


class LayerTransfer(Protocol):
    """A transfer function of a layer: outputs from net inputs, and errors back through it."""

    def __call__(self, s: Array) -> Array: ...

    def backward(self, s: Array, y: Array, upstream: Array) -> Array: ...


class Pass(NamedTuple):
    """What went through one layer: its inputs, net inputs and outputs, each (samples, ·)."""

    inputs: Array
    net: Array
    outputs: Array


@dataclass(frozen=True)
class Network:
    """The shape of a network: units per layer from the inputs on, and a transfer function per layer."""

    sizes: tuple[int, ...]
    transfers: Sequence[LayerTransfer]
    xp: ModuleType

    @cached_property
    def _places(self) -> list[tuple[int, int, int, tuple[int, int]]]:
        places, start = [], 0
        for inputs, units in zip(self.sizes, self.sizes[1:], strict=False):
            biases = start + inputs * units
            places.append((start, biases, biases + units, (units, inputs)))
            start = biases + units
        return places

    @property
    def n_weights(self) -> int:
        return self._places[-1][2]

    def split(self, weights: Array) -> list[tuple[Array, Array]]:
        """For each layer the weights (units, inputs) and biases (units,), views where the library has
        them."""
        reshape = self.xp.reshape
        return [
            (reshape(weights[start:biases], shape), weights[biases:end])
            for start, biases, end, shape in self._places
        ]

    def join(self, layers: Sequence[tuple[Array, Array]]) -> Array:
        """The flat vector of these weights and biases."""
        parts = [self.xp.reshape(part, (-1,)) for layer in layers for part in layer]
        return self.xp.concat(parts)

    def forward(self, weights: Array, inputs: Array) -> list[Pass]:
        """All layers' signals for ``inputs`` (samples, sizes[0])."""
        passes, signal = [], inputs
        for (matrix, biases), transfer in zip(self.split(weights), self.transfers, strict=True):
            net = signal @ matrix.T + biases
            outputs = transfer(net)
            passes.append(Pass(signal, net, outputs))
            signal = outputs
        return passes

    def backward(self, weights: Array, passes: Sequence[Pass], delta: Array) -> list[Array]:
        """The error's derivatives by each layer's net inputs, from that by the last layer's, ``delta``."""
        deltas = [delta]
        layers = self.split(weights)
        for index in range(len(layers) - 1, 0, -1):
            below = passes[index - 1]
            transfer = self.transfers[index - 1]
            delta = transfer.backward(below.net, below.outputs, delta @ layers[index][0])
            deltas.append(delta)
        return deltas[::-1]

    def gradient(self, passes: Sequence[Pass], deltas: Sequence[Array]) -> Array:
        """The flat gradient of an error whose derivatives by the net inputs are ``deltas``."""
        return self.join(
            [
                (delta.T @ each.inputs, self.xp.sum(delta, axis=0))
                for each, delta in zip(passes, deltas, strict=True)
            ]
        )

    def jacobian(self, weights: Array, passes: Sequence[Pass]) -> Array:
        """The outputs' derivatives by the weights, (samples × outputs, weights), sample by sample."""
        xp, last = self.xp, passes[-1]
        samples, n_outputs = last.outputs.shape
        units = xp.eye(n_outputs, dtype=last.outputs.dtype, device=array_api_compat.device(last.outputs))
        blocks = []
        for output in range(n_outputs):
            upstream = xp.ones_like(last.outputs) * units[output]
            deltas = self.backward(
                weights, passes, self.transfers[-1].backward(last.net, last.outputs, upstream)
            )
            columns = []
            for each, delta in zip(passes, deltas, strict=True):
                outer = delta[:, :, None] * each.inputs[:, None, :]
                columns += [xp.reshape(outer, (samples, -1)), delta]
            blocks.append(xp.concat(columns, axis=1))
        return xp.reshape(xp.stack(blocks, axis=1), (samples * n_outputs, self.n_weights))

"""Helpers: ranges and scaling of data, a network's weights as one vector, saving and loading."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.classic.neurolab.gradient import Backpropagation
from crosstrain.classic.neurolab.loading import load
from crosstrain.classic.neurolab.storage import save
from crosstrain.classic.neurolab.vector import layer_matrices, np_get, np_get_ref, np_set, np_size

__all__ = [
    "Norm",
    "ff_grad",
    "ff_grad_step",
    "load",
    "minmax",
    "np_get",
    "np_get_ref",
    "np_set",
    "np_size",
    "reg_error",
    "reg_grad",
    "reg_norms",
    "save",
]

Gradient = list[dict[str, np.ndarray]]
"""For each layer the gradient by property."""


def minmax(input: Any) -> tuple[tuple[float, float], ...]:
    """The minimum and maximum of each column.

    :raises ValueError: the input is no matrix.
    """
    input = _matrix(input)
    return tuple(zip(input.min(axis=0), input.max(axis=0), strict=True))


class Norm:
    """Scales columns so that the data it was made of lies between 0 and 1."""

    def __init__(self, x: Any) -> None:
        x = _matrix(x)
        self.min = x.min(axis=0, keepdims=True)
        self.dist = x.max(axis=0, keepdims=True) - self.min

    def __call__(self, x: Any) -> np.ndarray:
        scaled: np.ndarray = (np.asarray(x, float) - self.min) / self.dist
        return scaled

    def renorm(self, x: Any) -> np.ndarray:
        """The data from its scaled values."""
        data: np.ndarray = np.asarray(x, float) * self.dist + self.min
        return data


def _matrix(x: Any) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim != 2:
        raise ValueError(f"x must have 2 dimensions, samples and features, not {x.ndim}")
    result: np.ndarray = x
    return result


def ff_grad_step(net: Any, out: np.ndarray, tar: Any, grad: Gradient | None = None) -> Gradient:
    """Adds to ``grad`` the gradient of the error of the sample that a chain of perceptron layers has just
    answered.

    :param out: the answer, as ``net.step`` returned it
    :param tar: the target, (outputs,)
    :param grad: changed in place; zeros if None
    """
    if grad is None:
        grad = [{name: np.zeros_like(values) for name, values in layer.np.items()} for layer in net.layers]
    upstream = net.errorf.deriv(np.asarray(tar, float), out)
    for layer, own in zip(reversed(net.layers), reversed(grad), strict=True):
        delta = upstream * layer.transf.deriv(layer.s, layer.out)
        own["w"] -= np.outer(delta, layer.inp)
        own["b"] -= delta
        upstream = delta @ layer.np["w"]
    return grad


def reg_norms(net: Any, ord: float = 2) -> tuple[float, float]:
    """The norms, of order ``ord``, of all weights and of all biases."""
    weights, biases = (np.concatenate([layer.np[name].ravel() for layer in net.layers]) for name in "wb")
    return float(np.linalg.norm(weights, ord)), float(np.linalg.norm(biases, ord))


def reg_error(e: float, net: Any, rr: float) -> float:
    """The error ``e`` with ``rr`` times the length of all weights, and that of all biases, added."""
    weights, biases = reg_norms(net)
    return e + rr * (weights + biases)


def reg_grad(grad: Gradient, net: Any, rr: float) -> Gradient:
    """Adds ``rr`` times the weights and biases to their gradient, in place."""
    for own, layer in zip(grad, net.layers, strict=True):
        for name in "wb":
            own[name] += rr * layer.np[name]
    return grad


def ff_grad(net: Any, input: Any, target: Any) -> tuple[Gradient, np.ndarray, np.ndarray]:
    """The gradient of the error, summed over the samples.

    :returns: for each layer the gradient by property, the same as one vector in the order of :func:`np_get`
        (the others are views of it), and the outputs
    """
    kept = [dict(layer.np) for layer in net.layers]
    backpropagation = Backpropagation(net)
    evaluate = backpropagation.on(_matrix(input), _matrix(target))
    joined, _ = evaluate()
    evaluate.leave()
    for layer, properties in zip(net.layers, kept, strict=True):
        layer.np.update(properties)  # what the caller holds stays bound
    flat, start = np.empty(len(joined)), 0
    gradient: Gradient = []
    for layer, matrix in zip(net.layers, layer_matrices(net, joined), strict=True):
        parts = {"w": matrix[:, :-1], "b": matrix[:, -1]}
        gradient.append({})
        for name, values in layer.np.items():
            view = flat[start : start + values.size].reshape(values.shape)
            view[:] = parts[name]
            gradient[-1][name] = view
            start += values.size
    return gradient, flat, evaluate.output

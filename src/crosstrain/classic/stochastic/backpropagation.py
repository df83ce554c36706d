"""Gradient descent through sigmoid layers and a softmax, in NumPy: what an engine does, on the same
batches."""

from __future__ import annotations

import numpy as np

from crosstrain.classic.stochastic.units import sigmoid_in_place
from crosstrain.training.recipe import Recipe, batches


def train(
    coefs: list[np.ndarray], intercepts: list[np.ndarray], X: np.ndarray, labels: np.ndarray, recipe: Recipe
) -> list[float]:
    """Minimise the mean cross-entropy by stochastic gradient descent with momentum, in place; the mean loss
    of each epoch. The batches and the update rule are those of ``crosstrain.train``."""
    targets = np.zeros((len(X), len(intercepts[-1])))
    targets[np.arange(len(X)), labels] = 1.0
    parameters = [*coefs, *intercepts]
    velocities = [np.zeros_like(each) for each in parameters]
    rate, momentum = float(recipe.optimizer.learning_rate or 0.0), recipe.optimizer.momentum
    losses = []
    for epoch in range(recipe.epochs):
        total = 0.0
        for batch in batches(len(X), recipe.batch_size, recipe.seed, epoch):
            loss, gradients = _gradients(coefs, intercepts, X[batch], targets[batch])
            total += loss
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                velocity *= momentum
                gradient *= rate
                velocity -= gradient
                parameter += velocity
        losses.append(total / len(X))
    return losses


def hidden_layers(coefs: list[np.ndarray], intercepts: list[np.ndarray], X: np.ndarray) -> list[np.ndarray]:
    """``X`` and what each sigmoid layer makes of it."""
    outputs = [X]
    for weights, bias in zip(coefs, intercepts, strict=True):
        field = outputs[-1] @ weights
        field += bias
        outputs.append(sigmoid_in_place(field))
    return outputs


def softmax_in_place(logits: np.ndarray) -> np.ndarray:
    """The probabilities of each row, written over its logits."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _gradients(
    coefs: list[np.ndarray], intercepts: list[np.ndarray], X: np.ndarray, targets: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """The summed cross-entropy of a batch, and the gradients of its mean: coefs, then intercepts."""
    outputs = hidden_layers(coefs[:-1], intercepts[:-1], X)
    logits = outputs[-1] @ coefs[-1] + intercepts[-1]
    probabilities = softmax_in_place(logits)
    picked = np.einsum("ij,ij->i", probabilities, targets)
    loss = -float(np.log(np.maximum(picked, np.finfo(float).tiny)).sum())
    delta = probabilities
    delta -= targets
    delta /= len(X)
    weights, biases = [], []
    for layer in range(len(coefs) - 1, -1, -1):
        below = outputs[layer]
        weights.append(below.T @ delta)
        biases.append(delta.sum(axis=0))
        if layer:
            delta = delta @ coefs[layer].T
            delta *= below * (1.0 - below)
    return loss, [*reversed(weights), *reversed(biases)]

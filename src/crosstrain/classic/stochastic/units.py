"""Kinds of units: what they do on average and by chance, given the field that the others make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def sigmoid_in_place(field: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) of each entry, written over it. Hyperbolic tangents are vectorised and cannot
    overflow."""
    field *= 0.5
    np.tanh(field, out=field)
    field *= 0.5
    field += 0.5
    return field


def bernoulli(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """0 or 1 by chance, as float64; a new array of the shape of ``probabilities``."""
    draws = random.random(probabilities.shape)
    np.less(draws, probabilities, out=draws)
    return draws


def _bernoulli_sample(field: np.ndarray, random: np.random.Generator, beta: float) -> np.ndarray:
    if beta != 1:
        field *= beta
    probabilities = sigmoid_in_place(field)
    np.less(random.random(field.shape), probabilities, out=field)
    return field


def _gaussian_sample(field: np.ndarray, random: np.random.Generator, beta: float) -> np.ndarray:
    noise = random.standard_normal(field.shape)
    if beta != 1:
        noise /= np.sqrt(beta)
    field += noise
    return field


@dataclass(frozen=True)
class Units:
    """Visible units of one kind. All functions may write over ``field`` (rows, units).

    ``mean(field)`` is the expectation; ``sample(field, random, beta)`` draws at the inverse temperature
    ``beta``; ``energy(v, bias)`` is the part of the energy that the visible units have alone, (rows,);
    ``log_partition(field, bias)`` is ln ∫ exp(-energy + couplings) over all visible states, (rows,).
    """

    mean: Callable[[np.ndarray], np.ndarray]
    sample: Callable[[np.ndarray, np.random.Generator, float], np.ndarray]
    energy: Callable[[np.ndarray, np.ndarray], np.ndarray]
    log_partition: Callable[[np.ndarray, np.ndarray], np.ndarray]


VISIBLE = {
    "bernoulli": Units(
        mean=sigmoid_in_place,
        sample=_bernoulli_sample,
        energy=lambda v, bias: -(v @ bias),
        log_partition=lambda field, bias: np.logaddexp(0, field).sum(axis=1),
    ),
    "gaussian": Units(
        mean=lambda field: field,
        sample=_gaussian_sample,
        energy=lambda v, bias: 0.5 * ((v - bias) ** 2).sum(axis=1),
        log_partition=lambda field, bias: (
            0.5 * (field**2 - bias**2).sum(axis=1) + 0.5 * len(bias) * np.log(2 * np.pi)
        ),
    ),
}
"""Gaussian units have variance 1: standardise the data."""

"""Kohonen's online rule, exactly as published, at the speed of matrix products.

After i samples of a block every unit's weights are w = a v with v = w₀ + Σ cₖ xₖ, where w₀ are those before
the block, a = Π (1 − gₖ) and cₖ = gₖ / aₖ; g is the learning rate times the neighbourhood of the winner.
What the search for the next winner needs, v·x and |v|², follows from W₀ Xᵀ and X Xᵀ, one matrix product
each, and the weights are written once a block, by another. A sample costs some operations on vectors as
long as there are units, however many features it has.
"""

from __future__ import annotations

import functools

import numpy as np
from threadpoolctl import ThreadpoolController

BLOCK = 32
"""Samples after which the weights are written."""
NEARLY = 1 - 1e-6
"""A unit goes at most this part of the way to a sample: a² must stay above 0 over a block."""


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def online(
    weights: np.ndarray,
    data: np.ndarray,
    squared_distances: np.ndarray,
    rates: np.ndarray,
    radii: np.ndarray,
    bubble: bool,
) -> None:
    """Shows the map ``data`` (samples, features), one after the other; changes ``weights`` (units, features).

    ``squared_distances`` are the lattice's; ``rates`` and ``radii`` (samples,) the learning rate and the
    neighbourhood's radius at each sample. ``bubble``: all units within the radius go alike; otherwise the
    neighbourhood is a Gaussian with the radius as its deviation.
    """
    centre = data.mean(axis=0)  # norms are small around it, and less is lost in their differences
    data = data - centre
    weights -= centre
    rates = np.minimum(rates, NEARLY)
    length = BLOCK if rates.max(initial=0) < 0.99 else BLOCK // 2
    with _threads().limit(limits=1, user_api="blas"):  # the products are too small to share
        for start in range(0, len(data), length):
            part = slice(start, start + length)
            _block(weights, data[part], squared_distances, rates[part], radii[part], bubble)
    weights += centre


def _block(
    weights: np.ndarray,
    X: np.ndarray,
    squared_distances: np.ndarray,
    rates: np.ndarray,
    radii: np.ndarray,
    bubble: bool,
) -> None:
    gram = 2.0 * (X @ X.T)
    coefficients = np.tril(gram, -1)
    np.fill_diagonal(coefficients, 1.0)
    # Row i is 2 w₀·xᵢ until sample i is shown, then its cᵢ: one product gives 2 v·xᵢ.
    rows = 2.0 * (X @ weights.T)
    a, m = np.ones(len(weights)), np.einsum("ij,ij->i", weights, weights)  # m = |v|²
    p, s, g = np.empty((3, len(weights)))
    factors, xx = map(_each, (-0.5 / (radii * radii), 0.5 * gram.diagonal()))
    rate, one = _each(rates), np.ones(())
    dot, multiply, add, subtract, divide, exp = (
        np.dot, np.multiply, np.add, np.subtract, np.divide, np.exp,
    )  # fmt: skip
    argmin = s.argmin
    for i in range(len(X)):
        dot(coefficients[i, : i + 1], rows[: i + 1], p)
        multiply(a, m, s)
        subtract(s, p, s)
        multiply(s, a, s)  # |w − x|² − |x|²
        near = squared_distances[argmin()]
        if bubble:
            multiply(near <= radii[i] * radii[i], rate[i], g)
        else:
            multiply(near, factors[i], g)
            exp(g, g)
            multiply(g, rate[i], g)
        subtract(one, g, s)
        multiply(a, s, a)
        c = rows[i]
        divide(g, a, c)
        multiply(c, xx[i], s)  # |v + c x|² = |v|² + c (2 v·x + c |x|²)
        add(s, p, s)
        multiply(s, c, s)
        add(m, s, m)
    weights += rows.T @ X
    weights *= a[:, None]


def _each(numbers: np.ndarray) -> list[np.ndarray]:
    """Each number as an array without dimensions: what NumPy multiplies by without converting it first."""
    return [np.asarray(number) for number in numbers]

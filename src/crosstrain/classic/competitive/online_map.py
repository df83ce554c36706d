"""Kohonen's online rule, exactly as published, at the speed of matrix products.

After i samples of a block every unit's weights are w = a v with v = w₀ + Σ cₖ xₖ, where w₀ are those before
the block, a = Π (1 − gₖ) and cₖ = gₖ / aₖ; g is the learning rate times the neighbourhood of the winner.
What the search for the next winner needs, v·x and |v|², follows from W₀ Xᵀ and X Xᵀ, one matrix product
each, and the weights are written once a block, by another. A sample costs some operations on vectors as
long as there are units, however many features it has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from threadpoolctl import ThreadpoolController

from crosstrain.classic.competitive.lattice import Lattice

BLOCK = 32
"""Samples after which the weights are written."""
NEARLY = 1 - 1e-6
"""A unit goes at most this part of the way to a sample: a² must stay above 0 over a block."""
FEW = 512
"""Up to so many units, their different distances are worth looking for: they are far fewer."""
FEW_WEIGHTS = 1024
"""Up to so many weights, all of them are written after each sample."""

Neighbourhood = Callable[[int, int, np.ndarray], object]
"""Writes how far each unit goes to a sample of the block, given the sample, the winner and where to write."""


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def online(
    weights: np.ndarray,
    data: np.ndarray,
    lattice: Lattice,
    rates: np.ndarray,
    radii: np.ndarray,
    bubble: bool,
) -> None:
    """Shows the map ``data`` (samples, features), one after the other; changes ``weights`` (units, features).

    ``rates`` and ``radii`` (samples,) are the learning rate and the neighbourhood's radius at each sample.
    ``bubble``: all units within the radius go alike; otherwise the neighbourhood is a Gaussian with the
    radius as its deviation.
    """
    centre = data.mean(axis=0)  # norms are small around it, and less is lost in their differences
    data = data - centre
    weights -= centre
    neighbourhood = _of_levels if len(weights) <= FEW else _of_distances
    block = _sample_by_sample
    if weights.size > FEW_WEIGHTS:
        block, rates = _block, np.minimum(rates, NEARLY)
    length = BLOCK if rates.max(initial=0) < 0.99 else BLOCK // 2
    with _threads().limit(limits=1, user_api="blas"):  # the products are too small to share
        for start in range(0, len(data), length):
            part = slice(start, start + length)
            near = neighbourhood(lattice, rates[part], radii[part], bubble)
            block(weights, data[part], near)
    weights += centre


def _of_levels(lattice: Lattice, rates: np.ndarray, radii: np.ndarray, bubble: bool) -> Neighbourhood:
    """From a table of the lattice's different distances, for all samples of the block at once."""
    levels, which = lattice.levels
    table = _shares(levels, rates[:, None], radii[:, None], bubble)
    return lambda sample, winner, out: table[sample].take(which[winner], out=out, mode="clip")


def _of_distances(lattice: Lattice, rates: np.ndarray, radii: np.ndarray, bubble: bool) -> Neighbourhood:
    """From the winner's distances, sample by sample."""
    squared = lattice.squared_distances

    def write(sample: int, winner: int, out: np.ndarray) -> None:
        out[:] = _shares(squared[winner], rates[sample], radii[sample], bubble)

    return write


def _shares(squared: np.ndarray, rates: np.ndarray, radii: np.ndarray, bubble: bool) -> np.ndarray:
    """How far units at these squared distances from the winner go to a sample."""
    if bubble:
        within: np.ndarray = (squared <= radii * radii) * rates
        return within
    shares: np.ndarray = squared * (-0.5 / (radii * radii))
    np.exp(shares, out=shares)
    shares *= rates
    return shares


def _sample_by_sample(weights: np.ndarray, X: np.ndarray, near: Neighbourhood) -> None:
    """The rule itself, with a row for each feature: operations on rows as long as there are units."""
    w = np.ascontiguousarray(weights.T)
    away, squares = np.empty((2, *w.shape))
    s, g = np.empty((2, len(weights)))
    ones = np.ones(len(w))
    dot, multiply, subtract = np.dot, np.multiply, np.subtract
    argmin = s.argmin
    for i, x in enumerate(X[:, :, None]):
        subtract(w, x, away)
        multiply(away, away, squares)
        dot(ones, squares, s)
        near(i, int(argmin()), g)
        multiply(away, g, away)
        subtract(w, away, w)
    weights[:] = w.T


def _block(weights: np.ndarray, X: np.ndarray, near: Neighbourhood) -> None:
    gram = 2.0 * (X @ X.T)
    coefficients = np.tril(gram, -1)
    np.fill_diagonal(coefficients, 1.0)
    # Row i is 2 w₀·xᵢ until sample i is shown, then its cᵢ: one product gives 2 v·xᵢ.
    rows = 2.0 * (X @ weights.T)
    a, m = np.ones(len(weights)), np.einsum("ij,ij->i", weights, weights)  # m = |v|²
    p, s, g = np.empty((3, len(weights)))
    xx, one = _each(0.5 * gram.diagonal()), np.ones(())
    dot, multiply, add, subtract, divide = np.dot, np.multiply, np.add, np.subtract, np.divide
    argmin = s.argmin
    for i in range(len(X)):
        dot(coefficients[i, : i + 1], rows[: i + 1], p)
        multiply(a, m, s)
        subtract(s, p, s)
        multiply(s, a, s)  # |w − x|² − |x|²
        near(i, int(argmin()), g)
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

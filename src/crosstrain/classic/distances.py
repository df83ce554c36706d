"""Squared Euclidean distances and nearest neighbours by matrix products, in any array namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crosstrain.classic.arrays import Array

BLOCK = 1 << 22
"""Distances computed at a time: 32 MiB of float64."""


def squared_distances(xp: Any, A: Array, B: Array) -> Array:
    """|a − b|² for all rows of ``A`` (n, features) and ``B`` (m, features): (n, m), never negative.

    Both are shifted by ``B``'s mean first: distances stay, and less is lost where the norms cancel.
    """
    centre = xp.mean(B, axis=0, keepdims=True)
    A, B = A - centre, B - centre
    found = xp.sum(A * A, axis=1)[:, None] - 2.0 * (A @ B.T) + xp.sum(B * B, axis=1)[None, :]
    return xp.where(found > 0, found, xp.zeros_like(found))


def blocks(n: int, m: int) -> Iterator[slice]:
    """Slices of n rows, such that a slice's distances to m others stay below :data:`BLOCK`."""
    step = max(1, BLOCK // max(1, m))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def nearest(xp: Any, X: Array, W: Array) -> tuple[Array, Array]:
    """For each row of ``X`` the index of the nearest row of ``W``, and the distance to it."""
    winners, distances = [], []
    for part in blocks(X.shape[0], W.shape[0]):
        winner = xp.argmin(squared_distances(xp, X[part], W), axis=1)
        difference = X[part] - xp.take(W, winner, axis=0)  # exact: no norms that cancel
        winners.append(winner)
        distances.append(xp.sqrt(xp.sum(difference * difference, axis=1)))
    return xp.concat(winners), xp.concat(distances)


def distances(xp: Any, X: Array, W: Array) -> Array:
    """The Euclidean distances, (rows of ``X``, rows of ``W``)."""
    return xp.sqrt(squared_distances(xp, X, W))

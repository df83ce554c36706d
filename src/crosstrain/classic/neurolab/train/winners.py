"""One epoch of competitive learning, sample by sample: who is nearest, and how far the winner moves.

Where units and inputs are few, tuples and :func:`math.dist` are several times as fast as arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import repeat
from operator import mul

import numpy as np

from crosstrain.classic.neurolab.layer import Competitive, euclidean

FEW = 256
"""Up to so many weights, tuples are faster."""

Points = list[tuple[float, ...]]
Shares = list[list[float]]
"""How far towards each sample (row) each unit (column) moves if it wins: 1 would be all the way, below 0 is
away."""


def as_points(rows: np.ndarray) -> Points:
    return list(map(tuple, rows.tolist()))


def move_winners(
    layer: Competitive,
    rows: np.ndarray,
    points: Points,
    *,
    shares: Shares | None = None,
    rate: float = 0.0,
    conscience: list[float] | None = None,
) -> None:
    """Moves the layer's weights, for each sample the winner's.

    :param rows: the samples, (samples, inputs)
    :param points: the same as tuples
    :param shares: how far winners move; ``rate`` times their distance if None
    :param conscience: for each unit what its distance is multiplied with; winning adds 1
    """
    if are_few(layer):
        units = as_points(layer.np["w"])
        move_tuples(units, points, shares, rate, conscience)
        layer.np["w"][:] = units
    else:
        _with_arrays(layer, rows, shares, rate, conscience)


def are_few(layer: Competitive) -> bool:
    """Whether the layer's weights are so few, and its distance the usual one, that tuples are faster."""
    return layer.distf is euclidean and layer.np["w"].size <= FEW


def nearest_units(units: Points, points: Points) -> list[int]:
    """The nearest unit for each point."""
    dist, winners = math.dist, []
    for point in points:
        distances = list(map(dist, units, repeat(point)))
        winners.append(distances.index(min(distances)))
    return winners


def move_tuples(
    units: Points,
    points: Points,
    shares: Shares | None,
    rate: float = 0.0,
    conscience: list[float] | None = None,
) -> None:
    """Moves the units, for each point the winner."""
    dist = math.dist
    for point, of_unit in zip(points, repeat(None) if shares is None else shares):  # noqa: B905
        distances = list(map(dist, units, repeat(point)))
        if conscience is None:
            nearest = distances.index(min(distances))
        else:
            weighted = list(map(mul, distances, conscience))
            nearest = weighted.index(min(weighted))
            conscience[nearest] += 1.0
        share = rate * distances[nearest] if of_unit is None else of_unit[nearest]
        units[nearest] = tuple([w + share * (x - w) for w, x in zip(units[nearest], point)])  # noqa: B905


def _with_arrays(
    layer: Competitive,
    rows: np.ndarray,
    shares: Shares | None,
    rate: float,
    conscience: Sequence[float] | None,
) -> None:
    w = layer.np["w"]
    weights = None if conscience is None else np.array(conscience)
    for number, row in enumerate(rows):
        distances = layer.distf(w, row[None])
        nearest = int((distances if weights is None else distances * weights).argmin())
        if weights is not None:
            weights[nearest] += 1.0
        share = rate * distances[nearest] if shares is None else shares[number][nearest]
        w[nearest] += share * (row - w[nearest])

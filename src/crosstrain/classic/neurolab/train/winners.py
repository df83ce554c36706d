"""One epoch of competitive learning, sample by sample: who is nearest, and how far the winner moves.

Where units and inputs are few, tuples and :func:`math.dist` are several times as fast as arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import mul

import numpy as np

from crosstrain.classic.neurolab.layer import Competitive, euclidean

FEW = 256
"""Up to so many weights, tuples are faster."""

Points = list[tuple[float, ...]]
Rate = Callable[[int, int, float], float]
"""How far towards a sample its winner moves (1: all the way), by the sample's number, the winner's and their distance."""


def as_points(rows: np.ndarray) -> Points:
    return list(map(tuple, rows.tolist()))


def move_winners(
    layer: Competitive, rows: np.ndarray, points: Points, rate: Rate, conscience: list[float] | None = None
) -> None:
    """Moves the layer's weights, for each sample the winner's.

    :param rows: the samples, (samples, inputs)
    :param points: the same as tuples
    :param conscience: for each unit what its distance is multiplied with; winning adds 1
    """
    w = layer.np["w"]
    if layer.distf is euclidean and w.size <= FEW:
        w[:] = _with_tuples(as_points(w), points, rate, conscience)
    else:
        _with_arrays(layer, rows, rate, conscience)


def _with_tuples(units: Points, points: Points, rate: Rate, conscience: list[float] | None) -> Points:
    dist = math.dist
    for number, point in enumerate(points):
        distances = list(map(dist, units, repeat(point)))
        if conscience is None:
            nearest = distances.index(min(distances))
        else:
            weighted = list(map(mul, distances, conscience))
            nearest = weighted.index(min(weighted))
            conscience[nearest] += 1.0
        share = rate(number, nearest, distances[nearest])
        units[nearest] = tuple([w + share * (x - w) for w, x in zip(units[nearest], point)])  # noqa: B905
    return units


def _with_arrays(layer: Competitive, rows: np.ndarray, rate: Rate, conscience: Sequence[float] | None) -> None:
    w = layer.np["w"]
    weights = None if conscience is None else np.array(conscience)
    for number, row in enumerate(rows):
        distances = layer.distf(w, row[None])
        nearest = int((distances if weights is None else distances * weights).argmin())
        if weights is not None:
            weights[nearest] += 1.0
        w[nearest] += rate(number, nearest, float(distances[nearest])) * (row - w[nearest])

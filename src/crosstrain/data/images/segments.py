"""Segments of a picture: graph-based segmentation (Felsenszwalb and Huttenlocher 2004, section 3)."""

from __future__ import annotations

import numpy as np


class _Forest:
    """Sets of pixels that grow together, each with its size and the largest weight within it."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.size = [1] * count
        self.inner = [0.0] * count

    def root(self, node: int) -> int:
        parent = self.parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, one: int, other: int, weight: float) -> None:
        if self.size[one] < self.size[other]:
            one, other = other, one
        self.parent[other] = one
        self.size[one] += self.size[other]
        self.inner[one] = weight


def segments(values: np.ndarray, scale: float, smallest: int) -> np.ndarray:
    """Segments of ``values`` (H, W, C): int32 (H, W), from 0, every number used.

    Each pixel has an edge to its eight neighbours, weighted by their distance in the C channels. In order of
    weight, two segments join where it is at most what either has inside plus ``scale`` over its pixels; at
    the end those of fewer than ``smallest`` pixels join a neighbour. A larger scale gives larger segments.
    """
    height, width = values.shape[:2]
    first, second, weight = _edges(np.asarray(values, np.float32))
    order = np.argsort(weight, kind="stable")
    forest = _Forest(height * width)
    edges = list(zip(first[order].tolist(), second[order].tolist(), weight[order].tolist(), strict=True))
    for a, b, distance in edges:
        one, other = forest.root(a), forest.root(b)
        if one == other:
            continue
        least = min(
            forest.inner[one] + scale / forest.size[one], forest.inner[other] + scale / forest.size[other]
        )
        if distance <= least:
            forest.join(one, other, distance)
    for a, b, distance in edges:
        one, other = forest.root(a), forest.root(b)
        if one != other and min(forest.size[one], forest.size[other]) < smallest:
            forest.join(one, other, distance)
    roots = np.array([forest.root(node) for node in range(height * width)])
    _, numbers = np.unique(roots, return_inverse=True)
    return numbers.reshape(height, width).astype(np.int32)


def _edges(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of neighbouring pixels (right, below, and both diagonals below), and their distances."""
    height, width = values.shape[:2]
    numbers = np.arange(height * width).reshape(height, width)
    everything, front, back = slice(None), slice(None, -1), slice(1, None)
    pairs = [
        ((everything, front), (everything, back)),
        ((front, everything), (back, everything)),
        ((front, front), (back, back)),
        ((front, back), (back, front)),
    ]
    first = np.concatenate([numbers[one].ravel() for one, _ in pairs])
    second = np.concatenate([numbers[other].ravel() for _, other in pairs])
    distances = [np.sqrt(np.sum((values[one] - values[other]) ** 2, axis=-1)).ravel() for one, other in pairs]
    return first, second, np.concatenate(distances)

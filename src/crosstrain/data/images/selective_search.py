"""Selective search: boxes that may hold an object (Uijlings, van de Sande, Gevers and Smeulders 2013).

Segments grow together, the most similar neighbours first, until one is left; the box around each segment on
the way is a proposal. Several colour spaces, sizes of the first segments and similarities find different
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from crosstrain.data.images.segments import segments

COLOUR_BINS, TEXTURE_BINS = 25, 10
"""Of the histograms of a channel, and of a channel in one direction (section 3.2)."""
DIRECTIONS = tuple((float(np.cos(angle)), float(np.sin(angle))) for angle in np.arange(8) * np.pi / 4)
SPACES = {"hsv": cv2.COLOR_RGB2HSV_FULL, "lab": cv2.COLOR_RGB2Lab}
"""The two of the paper's fast version."""
BLUR = 0.8
"""Deviation of the Gaussian before segmentation, in pixels."""


@dataclass(frozen=True)
class Strategy:
    """What selective search varies. ``scales`` are those of the first segments, which have at least
    ``smallest`` pixels; each of ``measures`` is a sum of similarities: c(olour), t(exture), s(ize),
    f(ill)."""

    spaces: Sequence[str] = ("hsv", "lab")
    scales: Sequence[float] = (50.0, 100.0)
    measures: Sequence[str] = ("ctsf", "tsf")
    smallest: int = 20


FAST = Strategy()
"""The paper's fast version (section 5.4)."""


def selective_search(
    picture: np.ndarray, most: int = 2000, strategy: Strategy = FAST, seed: int = 0
) -> np.ndarray:
    """Boxes float32 (n, 4) as (ymin, xmin, ymax, xmax) in pixels of ``picture``, uint8 RGB (H, W, 3): each
    once, at most ``most``, the likeliest first: a segment from late in its hierarchy comes early, times a
    random number of ``seed`` (section 4)."""
    random = np.random.default_rng(seed)
    ranked: dict[tuple[int, int, int, int], float] = {}
    for space in strategy.spaces:
        values = cv2.cvtColor(picture, SPACES[space])
        smooth = cv2.GaussianBlur(values, (0, 0), BLUR)
        for scale in strategy.scales:
            labels = segments(smooth, scale, strategy.smallest)
            for measure in strategy.measures:
                for place, box in enumerate(reversed(grouped(values, labels, measure)), 1):
                    ranked[box] = min(ranked.get(box, np.inf), place * random.random())
    chosen = sorted(ranked, key=lambda box: ranked[box])[:most]
    return np.asarray(chosen, np.float32).reshape(-1, 4)


@dataclass
class _Segment:
    box: tuple[int, int, int, int]
    size: int
    colour: np.ndarray
    texture: np.ndarray
    neighbours: set[int]


def grouped(values: np.ndarray, labels: np.ndarray, measure: str) -> list[tuple[int, int, int, int]]:
    """The boxes of all segments of a hierarchy: first those of ``labels`` (H, W), then each that two others
    grow together to, the last being everything. ``values`` uint8 (H, W, C) are the colours."""
    known = _segments(values, labels)
    whole = float(labels.size)
    pairs = {
        (a, b): _similarity(known[a], known[b], whole, measure)
        for a, each in known.items()
        for b in each.neighbours
        if a < b
    }
    boxes = [each.box for each in known.values()]
    alive = dict(known)
    new = max(known) + 1
    while pairs:
        one, other = max(pairs, key=lambda pair: pairs[pair])
        a, b = alive.pop(one), alive.pop(other)
        for each in a.neighbours:
            pairs.pop((min(each, one), max(each, one)), None)
        for each in b.neighbours:
            pairs.pop((min(each, other), max(each, other)), None)
        joined = _joined(a, b, (a.neighbours | b.neighbours) - {one, other})
        for each in joined.neighbours:
            alive[each].neighbours -= {one, other}
            alive[each].neighbours.add(new)
            pairs[(each, new)] = _similarity(alive[each], joined, whole, measure)
        alive[new] = joined
        boxes.append(joined.box)
        new += 1
    return boxes


def _joined(a: _Segment, b: _Segment, neighbours: set[int]) -> _Segment:
    size = a.size + b.size
    return _Segment(
        _around(a.box, b.box), size, (a.colour * a.size + b.colour * b.size) / size,
        (a.texture * a.size + b.texture * b.size) / size, neighbours,
    )  # fmt: skip


def _around(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _similarity(a: _Segment, b: _Segment, whole: float, measure: str) -> float:
    """The sum of what ``measure`` names (section 3.2, equations 1 to 5)."""
    total = 0.0
    if "c" in measure:
        total += float(np.minimum(a.colour, b.colour).sum())
    if "t" in measure:
        total += float(np.minimum(a.texture, b.texture).sum())
    both = a.size + b.size
    if "s" in measure:
        total += 1 - both / whole
    if "f" in measure:
        top, left, bottom, right = _around(a.box, b.box)
        total += 1 - ((bottom - top) * (right - left) - both) / whole
    return total


def _segments(values: np.ndarray, labels: np.ndarray) -> dict[int, _Segment]:
    count = int(labels.max()) + 1
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=count)
    colour = _histograms(values.reshape(len(flat), -1).astype(np.float32), flat, count, COLOUR_BINS, 256.0)
    texture = _histograms(_textures(values), flat, count, TEXTURE_BINS, 1.0)
    rows, columns = (axis.ravel() for axis in np.indices(labels.shape))
    edges = []
    for positions, extreme, first in ((rows, np.minimum, True), (columns, np.minimum, True),
                                      (rows, np.maximum, False), (columns, np.maximum, False)):  # fmt: skip
        edge = np.full(count, labels.size if first else -1)
        extreme.at(edge, flat, positions)
        edges.append(edge if first else edge + 1)
    near: list[set[int]] = [set() for _ in range(count)]
    for a, b in _touching(labels):
        near[a].add(b)
        near[b].add(a)
    top, left, bottom, right = (edge.tolist() for edge in edges)
    return {
        n: _Segment((top[n], left[n], bottom[n], right[n]), int(sizes[n]), colour[n], texture[n], near[n])
        for n in range(count)
    }


def _touching(labels: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of labels of pixels beside or above each other."""
    sides = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides])
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    return [(int(a), int(b)) for a, b in pairs]


def _textures(values: np.ndarray) -> np.ndarray:
    """The derivative of each channel in eight directions, positive parts as shares of the channel's largest,
    (H · W, 8 · C)."""
    smooth = cv2.GaussianBlur(values.astype(np.float32), (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    parts = [np.maximum(x * across + y * down, 0) for x, y in DIRECTIONS]
    textures = np.stack(parts, axis=-1).reshape(values.shape[0] * values.shape[1], -1)
    return np.asarray(textures / np.maximum(textures.max(axis=0), 1e-6))


def _histograms(values: np.ndarray, flat: np.ndarray, count: int, bins: int, top: float) -> np.ndarray:
    """For each label the histograms of the columns of ``values`` (pixels, n) in [0, top], joined, of sum
    1."""
    places = np.minimum((values * (bins / top)).astype(np.int64), bins - 1)
    columns = values.shape[1]
    index = (flat[:, None] * columns + np.arange(columns)) * bins + places
    counts = np.bincount(index.ravel(), minlength=count * columns * bins).reshape(count, -1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))

"""Which parts of a picture a class needs: parts are covered, and its probability is read again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from crosstrain.inside.methods.anatomy import Anatomy
from crosstrain.inside.methods.machine import Machine

BATCH = 32
SHARE = 5
"""By default a square is this part of the shorter side."""


@dataclass(frozen=True)
class Occlusion:
    """``probability`` is that of the class with the picture whole; ``covered`` (rows, columns) that with the
    square at each place, ``tops`` and ``lefts`` being the places in pixels; ``loss`` (H, W) is for each pixel
    the mean fall of the probability over the squares that cover it."""

    probability: float
    covered: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    loss: np.ndarray


def occlusion(
    machine: Machine, anatomy: Anatomy, picture: np.ndarray, target: int, square: int | None = None
) -> Occlusion:
    """Cover the picture (1, H, W, C) with a square of its mean colour, at steps of half the square and at the
    far edges (Zeiler and Fergus 2014, section 4.2, with grey). ``square`` is its side in pixels."""
    height, width = picture.shape[1:3]
    square = min(square or max(1, min(height, width) // SHARE), height, width)
    tops, lefts = _places(height, square), _places(width, square)
    colour = picture[0].mean(axis=(0, 1))
    whole = float(probabilities(machine, anatomy, picture)[0, target])

    places = list(itertools.product(tops, lefts))
    read = []
    for start in range(0, len(places), BATCH):
        batch = np.repeat(picture, len(places[start : start + BATCH]), axis=0)
        for one, (top, left) in zip(batch, places[start:], strict=False):
            one[top : top + square, left : left + square] = colour
        read.append(probabilities(machine, anatomy, batch)[:, target])
    covered = np.concatenate(read).reshape(len(tops), len(lefts))
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (i, top), (j, left) in itertools.product(enumerate(tops), enumerate(lefts)):
        total[top : top + square, left : left + square] += whole - covered[i, j]
        count[top : top + square, left : left + square] += 1
    return Occlusion(whole, covered, np.array(tops), np.array(lefts), total / count)


def probabilities(machine: Machine, anatomy: Anatomy, pictures: np.ndarray) -> np.ndarray:
    """(N, classes): the network's own where it ends in a softmax or sigmoid, else the softmax of its scores
    (a single score as it is)."""
    values = machine.values({anatomy.input: pictures}, [anatomy.output])[anatomy.output]
    if anatomy.probabilities or anatomy.classes == 1:
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _places(length: int, square: int) -> list[int]:
    """From 0 by half a square; the last one ends at the edge."""
    last = length - square
    return sorted({*range(0, last + 1, max(1, square // 2)), last})

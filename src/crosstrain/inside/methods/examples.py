"""What many examples say of a network: those that excite a unit most, and the features of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crosstrain.inside.methods.anatomy import Anatomy, Layer
from crosstrain.inside.methods.machine import Machine

BATCH = 64


@dataclass(frozen=True)
class Activity:
    """Of N examples: ``peaks`` (N, units) is the largest value of each of a layer's units over its places,
    ``features`` (N, F) what the layer of the scores reads (None: not known)."""

    peaks: np.ndarray
    features: np.ndarray | None


def activity(
    machine: Machine, anatomy: Anatomy, pictures: np.ndarray, positions: np.ndarray, layer: Layer
) -> Activity:
    """One pass over the pictures (…, H, W, C) at N ``positions``, a batch at a time."""
    references = [layer.reference, *([anatomy.features] if anatomy.features else [])]
    peaks, features = [], []
    for start in range(0, len(positions), BATCH):
        batch = np.asarray(pictures[positions[start : start + BATCH]])
        values = machine.values({anatomy.input: batch}, list(dict.fromkeys(references)))
        read = values[layer.reference]
        peaks.append(read.reshape(len(batch), -1, read.shape[-1]).max(axis=1))
        if anatomy.features:
            features.append(values[anatomy.features].reshape(len(batch), -1))
    return Activity(np.concatenate(peaks), np.concatenate(features) if features else None)


def most_exciting(peaks: np.ndarray, units: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``units`` the positions of the ``count`` examples with its largest values, (units, count),
    the largest first, and those values (Zeiler and Fergus 2014, figure 2)."""
    order = np.argsort(-peaks[:, units], axis=0, kind="stable")[:count]
    return order.T, np.take_along_axis(peaks[:, units], order, axis=0).T

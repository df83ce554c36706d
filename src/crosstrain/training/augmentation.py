"""Random augmentation of pictures in training, in NumPy and from the seed: the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

SETTINGS: dict[str, Any] = {"flip": bool, "shift": int}


def check_augmentation(settings: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` unless every setting is known and has the right type."""
    for name, value in settings.items():
        if name not in SETTINGS:
            raise ValueError(f"there is no augmentation {name!r}; there are {', '.join(SETTINGS)}")
        if type(value) is not SETTINGS[name] or value < 0:
            raise ValueError(f"the augmentation {name!r} cannot be {value!r}")


def augmented(
    inputs: Mapping[str, np.ndarray], settings: Mapping[str, Any], seed: int, step: int
) -> dict[str, np.ndarray]:
    """A batch with its pictures (N, H, W, C) changed; other inputs stay as they are.

    ``flip`` mirrors each picture left to right with probability one half; ``shift`` moves it by up to so
    many pixels along both axes, zeros filling what comes in: padding and a random crop, as in He et al.
    2015, section 4.2. Several pictures of one example are changed alike.
    """
    if not any(settings.values()):
        return dict(inputs)
    pictures = {name: batch for name, batch in inputs.items() if batch.ndim == 4}
    if not pictures:
        return dict(inputs)
    count = len(next(iter(pictures.values())))
    random = np.random.default_rng((seed, step, 0xA06))
    flips = random.random(count) < 0.5 if settings.get("flip") else np.zeros(count, bool)
    reach = int(settings.get("shift", 0))
    moves = random.integers(0, 2 * reach + 1, (count, 2))
    return {**inputs, **{name: _changed(batch, flips, reach, moves) for name, batch in pictures.items()}}


def _changed(batch: np.ndarray, flips: np.ndarray, reach: int, moves: np.ndarray) -> np.ndarray:
    height, width = batch.shape[1:3]
    result = np.where(flips[:, None, None, None], batch[:, :, ::-1], batch)
    if reach:
        padded = np.pad(result, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        result = np.stack([p[y : y + height, x : x + width] for p, (y, x) in zip(padded, moves, strict=True)])
    return result

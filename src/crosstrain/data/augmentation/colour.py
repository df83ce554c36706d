"""Colours: brightness, contrast, saturation, hue, shifts and principal components as one affine map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from crosstrain.data.augmentation.draws import Draws
from crosstrain.training.augmentation import parts

LUMA = np.asarray([0.299, 0.587, 0.114])
"""Rec. 601: the grey of red, green and blue."""

TO_YIQ = np.asarray([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
"""Luminance and two axes of chroma, in whose plane a turn is a change of hue."""

RGB_ONLY = ("saturation", "hue")


def coloured(
    settings: Mapping[str, Any], draws: Draws, pictures: np.ndarray, components: np.ndarray | None
) -> None:
    """Change the colours of ``pictures``, float32 (N, H, W, C) from 0 to 1, in place; clipped to 0..1.

    ``components`` (C, C) are the columns of ``fit.principal_colours``, for ``pca-colour``. The order is that
    of ``training.augmentation``: brightness, contrast (about the mean grey of what is there), saturation,
    hue, then what is added; nothing is clipped in between.
    """
    if not parts(settings, "colour"):
        return
    few = pictures.shape[3] <= 4  # what OpenCV's map and mean take
    matrices, offsets = maps(settings, draws, _means(pictures, few), components)
    both = np.concatenate([matrices, offsets[..., None]], axis=2)
    if few:
        for picture, matrix in zip(pictures, both, strict=True):
            cv2.transform(picture, matrix, picture)
    else:
        for picture, matrix in zip(pictures, both.astype(np.float32), strict=True):
            picture[...] = picture @ matrix[:, :-1].T + matrix[:, -1]
    np.clip(pictures, 0, 1, out=pictures)


def _means(pictures: np.ndarray, few: bool) -> np.ndarray:
    """The mean of each channel, float64 (N, C)."""
    if not few:
        return np.asarray(pictures.mean(axis=(1, 2), dtype=np.float64))
    # Sums in float64 as NumPy's, in a sixth of the time.
    return np.asarray([cv2.mean(picture) for picture in pictures])[:, : pictures.shape[3]]


def maps(
    settings: Mapping[str, Any], draws: Draws, means: np.ndarray, components: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The map of each example: matrices (N, C, C) and offsets (N, C), float64. ``means`` (N, C) are those of
    each channel."""
    count, channels = means.shape
    jitter = settings.get("jitter", 0)
    matrices, offsets = np.tile(np.eye(channels), (count, 1, 1)), np.zeros((count, channels))
    grey = LUMA if channels == 3 else np.full(channels, 1 / channels)

    def factor(name: str) -> np.ndarray | None:
        reach = settings.get(name, jitter)
        return 1 + draws.between(name, reach) if reach else None

    if (brightness := factor("brightness")) is not None:
        matrices *= brightness[:, None, None]
        means = means * brightness[:, None]
    if (contrast := factor("contrast")) is not None:
        matrices *= contrast[:, None, None]
        offsets += ((1 - contrast) * (means @ grey))[:, None]
    # What follows leaves greys as they are, and so the offset of the contrast too.
    if channels == 3 and (saturation := factor("saturation")) is not None:
        to_grey = np.tile(grey, (channels, 1))
        weight = saturation[:, None, None]
        matrices = (weight * np.eye(channels) + (1 - weight) * to_grey) @ matrices
    if "hue" in settings:
        matrices = _hue_turns(draws.between("hue", 2 * np.pi * settings["hue"])) @ matrices
    if "channel-shift" in settings:
        offsets += draws.between("channel-shift", settings["channel-shift"])[:, None]
    if "pca-colour" in settings:
        assert components is not None
        amounts = draws.normal([f"pca-{number + 1}" for number in range(channels)]) * settings["pca-colour"]
        offsets += amounts @ components.T
    return matrices, offsets


def _hue_turns(angles: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(angles), np.sin(angles)
    turns = np.zeros((len(angles), 3, 3))
    turns[:, 0, 0] = 1
    turns[:, 1, 1] = turns[:, 2, 2] = cosine
    turns[:, 1, 2], turns[:, 2, 1] = -sine, sine
    return np.asarray(np.linalg.inv(TO_YIQ) @ turns @ TO_YIQ)

"""What is taken away from examples, and how they are mixed with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.data.augmentation.draws import Draws


def cut_out(settings: Mapping[str, Any], draws: Draws, pictures: np.ndarray) -> None:
    """Set a square of each picture, (N, H, W, C), to 0, in place. Its centre is any pixel; what reaches over
    the edge is not there (DeVries and Taylor 2017, section 3.2)."""
    if "cutout" not in settings:
        return
    side = int(settings["cutout"])
    height, width = pictures.shape[1:3]
    tops = draws.whole("cutout-y", height).astype(int) - side // 2
    lefts = draws.whole("cutout-x", width).astype(int) - side // 2
    for picture, top, left in zip(pictures, tops.tolist(), lefts.tolist(), strict=True):
        picture[max(top, 0) : top + side, max(left, 0) : left + side] = 0


def weights(settings: Mapping[str, Any], draws: Draws) -> np.ndarray | None:
    """The share that each example keeps when it is mixed with the next one of its batch, float32 (N,); None
    without ``mixup``.

    It is the larger of λ and 1 - λ, λ from Beta(a, a) (Zhang et al. 2018, section 2): which of a pair comes
    first is chance anyhow, and so every example prevails once an epoch.
    """
    if "mixup" not in settings:
        return None
    share = draws.beta("mixup", settings["mixup"])
    return np.asarray(np.maximum(share, 1 - share), np.float32)


def mixed(array: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """Each row of a float array mixed with the next one, the last with the first. A batch is in random order,
    so that the next one is any other."""
    if kept is None:
        return array
    share = kept.reshape(-1, *[1] * (array.ndim - 1)).astype(array.dtype, copy=False)
    result = share * array
    other = (1 - share) * np.concatenate([array[1:], array[:1]])
    result += other
    return np.asarray(result)

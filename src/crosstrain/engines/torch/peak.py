"""Matrix products and copies in PyTorch, for the measured peaks of a device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def set_threads(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)


def prepare(a: np.ndarray, b: np.ndarray, device: str) -> Callable[[], None]:
    """A function that multiplies the two on ``device`` and waits until it is done."""
    place = torch.device(device)
    left, right = torch.from_numpy(a).to(place), torch.from_numpy(b).to(place)
    out = torch.empty_like(left)

    def product() -> None:
        torch.matmul(left, right, out=out)
        _wait(place)

    return product


def prepare_copy(size: int, device: str) -> Callable[[], None]:
    """A function that copies ``size`` bytes within the memory of ``device`` and waits until it is done."""
    place = torch.device(device)
    source = torch.ones(size, dtype=torch.uint8, device=place)
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        _wait(place)

    return copy


def _wait(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()

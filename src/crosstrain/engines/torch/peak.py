"""Matrix products in PyTorch, for the machine's measured peak."""

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
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        elif place.type == "mps":
            torch.mps.synchronize()

    return product

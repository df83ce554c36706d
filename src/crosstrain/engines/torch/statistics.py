"""BatchNorm that overwrites its moving statistics, for a step that changes all its state in place.

PyTorch's batch_norm does so of itself, but moves its running variance towards the unbiased variance, where
Keras moves it towards the biased one. With the old value made larger by n / (n - 1) before and the outcome
smaller by it after, the biased one is what went in. Autograd keeps the variance until the backward pass is
done; so what comes after is done for all layers at once, at the end of the step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from crosstrain.engines.torch import images


class MovingStatistics:
    """The statistics that a step has overwritten and still has to make smaller."""

    def __init__(self) -> None:
        self._enlarged: list[Tensor] = []
        self._by: list[float] = []

    def begin(self) -> None:
        """Before a step: what one that came to nothing has noted is not for this one."""
        self._enlarged, self._by = [], []

    def batch_norm(
        self, image: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
        **settings: Any,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """``images.batch_norm``, with ``mean`` and ``variance`` overwritten; right after ``settle``."""
        count = image.numel() // image.shape[1]
        if count == 1:  # one value alone has no variance
            return images.batch_norm(image, gamma, beta, mean, variance, **settings)
        unbiased = count / (count - 1)
        with torch.no_grad():
            variance.mul_(unbiased)
        y = torch.batch_norm(
            image, gamma, beta, mean, variance, True, 1 - settings["momentum"], settings["epsilon"],
            torch.backends.cudnn.enabled,
        )  # fmt: skip
        self._enlarged.append(variance)
        self._by.append(1 / unbiased)
        return y, mean, variance

    @torch.no_grad()
    def settle(self) -> None:
        """After the backward pass."""
        if self._enlarged:
            torch._foreach_mul_(self._enlarged, self._by)

"""The random numbers of an example: fixed by (seed, epoch, example) alone, whatever batch it comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

COLUMNS = (
    "flip", "flip-vertical", "shift-x", "shift-y", "rotate", "shear", "zoom", "stretch-x", "stretch-y",
    "crop-x", "crop-y", "brightness", "contrast", "saturation", "hue", "channel-shift", "pca-1", "pca-2",
    "pca-3", "pca-4", "cutout-x", "cutout-y", "mixup",
)  # fmt: skip
"""One number each, whether it is used or not: an augmentation that is added changes no other's numbers.
New ones go to the end."""

WIDTH = 32
"""Numbers that an example has; Philox gives four a step."""

TABLE = 1 << 17
"""Examples whose numbers are kept for an epoch (32 MiB). To ask for one example alone costs far more: NumPy
takes a place in a stream as a dictionary."""


class Uniforms:
    """Numbers in [0, 1) for the examples of an epoch: Philox4x64 (Salmon et al. 2011) with the key
    (seed, epoch), each example at a place of its own in the stream."""

    def __init__(self, seed: int, epoch: int) -> None:
        self._bits = np.random.Philox(key=np.asarray([seed, epoch], np.uint64))
        self._random = np.random.Generator(self._bits)
        self._state = self._bits.state
        self._table = np.empty((0, WIDTH))

    def of(self, examples: np.ndarray) -> Draws:
        """The numbers of ``examples``, their positions in the training part (int, (N,))."""
        last = int(examples.max(initial=-1))
        if last >= TABLE:
            return Draws(np.concatenate([self._from(example, 1) for example in examples.tolist()]))
        if last >= len(self._table):
            self._table = self._from(0, min(2 * last + 1, TABLE))
        return Draws(self._table[examples])

    def _from(self, example: int, count: int) -> np.ndarray:
        """The numbers of an example and those after it, float64 (count, WIDTH)."""
        self._state["state"]["counter"][0] = example * (WIDTH // 4)
        self._bits.state = self._state
        return self._random.random((count, WIDTH))


class Draws:
    """Numbers in [0, 1) for N examples, by column."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(COLUMNS)}

    def uniform(self, name: str) -> np.ndarray:
        """float64 (N,) in [0, 1)."""
        return np.asarray(self.numbers[:, self._positions[name]])

    def between(self, name: str, reach: float) -> np.ndarray:
        """float64 (N,) in [-reach, reach)."""
        return np.asarray((2 * self.uniform(name) - 1) * reach)

    def whole(self, name: str, count: int) -> np.ndarray:
        """Whole numbers from 0 to ``count - 1``, alike probable, as float64 (N,)."""
        return np.asarray(np.floor(self.uniform(name) * count))

    def normal(self, names: Sequence[str]) -> np.ndarray:
        """Standard normal numbers, float64 (N, len(names))."""
        from scipy.special import ndtri

        # The middle of the cell that a number stands for: 0 itself would be minus infinity.
        columns = np.stack([self.uniform(name) for name in names], axis=1)
        return np.asarray(ndtri(columns + 2.0**-54))

    def beta(self, name: str, a: float) -> np.ndarray:
        """Numbers distributed as Beta(a, a), float64 (N,)."""
        from scipy.special import betaincinv

        return np.asarray(betaincinv(a, a, self.uniform(name)))

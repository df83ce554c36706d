"""Error-correcting rules, at the speed of a matrix product: what is right needs no update, so whole blocks
of samples are tried at once, up to the first mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SMALLEST, LARGEST = 8, 4096
"""Samples in a block: it doubles while nothing is wrong."""


def mistakes(n_samples: int, wrong: Callable[[slice], np.ndarray]) -> Iterator[int]:
    """The samples that are wrong when their turn comes; the caller changes the weights before it asks on.

    ``wrong(block)`` tells for each sample of a block whether it is wrong under the weights of the moment.
    """
    start, block = 0, SMALLEST
    while start < n_samples:
        flags = wrong(slice(start, start + block))
        first = int(flags.argmax())
        if flags[first]:
            yield start + first
            start += first + 1
            block = max(SMALLEST, min(LARGEST, 2 * first))
        else:
            start += block
            block = min(LARGEST, 2 * block)

"""First weights of a layer. Drawn in NumPy, so that every array library starts from the same ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosstrain.classic.multilayer.transfer import steep_range

Range = tuple[float, float]
Initialisation = Callable[[np.random.RandomState, np.ndarray, int, Range], tuple[np.ndarray, np.ndarray]]
"""From a generator, the inputs' ranges (inputs, 2), the number of units and the transfer function's active
range: weights (units, inputs) and biases (units,)."""


def nguyen_widrow(
    random: np.random.RandomState, ranges: np.ndarray, units: int, active: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Spreads the units' active ranges over the inputs' range.

    Nguyen and Widrow, "Improving the learning speed of 2-layer neural networks by choosing initial values of
    the adaptive weights" (IJCNN 1990). An input that does not vary counts as one of width 2.
    """
    inputs = len(ranges)
    length = 0.7 * units ** (1.0 / inputs)
    direction = random.uniform(-1.0, 1.0, (units, inputs))
    weights = length * direction / np.sqrt(np.square(direction).sum(axis=1, keepdims=True))
    spread = np.linspace(-1.0, 1.0, units) if units > 1 else np.zeros(1)
    biases = length * spread * np.sign(weights[:, 0])
    low, high = steep_range(active)
    weights = 0.5 * (high - low) * weights
    biases = 0.5 * (high - low) * biases + 0.5 * (high + low)
    width = ranges[:, 1] - ranges[:, 0]
    scale = 2.0 / np.where(width > 0, width, 2.0)
    return weights * scale, weights @ (-scale * ranges.mean(axis=1)) + biases


def midpoint(
    random: np.random.RandomState, ranges: np.ndarray, units: int, active: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Every unit's weights at the middle of the inputs' ranges, biases 0.

    The units of a layer start equal and with the same gradient: it suits layers of one unit.
    """
    return np.tile(ranges.mean(axis=1), (units, 1)), np.zeros(units)


def uniform(
    random: np.random.RandomState, ranges: np.ndarray, units: int, active: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform within ± 1/√inputs (LeCun et al., "Efficient BackProp", 1998)."""
    limit = 1.0 / np.sqrt(len(ranges))
    return random.uniform(-limit, limit, (units, len(ranges))), random.uniform(-limit, limit, units)


INITIALISATIONS: dict[str, Initialisation] = {
    "nguyen-widrow": nguyen_widrow,
    "midpoint": midpoint,
    "random": uniform,
}

"""Noise for training. Each random op reads the graph input ``seed`` (new for each step) and has a salt
(its own number in the graph). In inference the layer's input stands in its place.

Frameworks draw other numbers from the same seed, so a proof switches noise off (``without_noise``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.graph.node import Node
from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import same


def _training_only(node: Node, training: bool) -> Node | str:
    return node if training else str(node.inputs[0])


def _drawn(x: Any, noise_shape: Any) -> Any:
    if noise_shape is None:
        return x.shape
    return tuple(x.shape[i] if n is None else n for i, n in enumerate(noise_shape))


@primitive(same)
def random_uniform(x: Any, seed: Any, *, salt: int, noise_shape: Any = None) -> Any:
    """Numbers in [0, 1), shaped as ``x`` (or as ``noise_shape``, whose None are x's lengths)."""
    generator = np.random.default_rng((int(seed), salt))
    return generator.random(_drawn(x, noise_shape)).astype(x.dtype)


@primitive(same)
def random_normal(x: Any, seed: Any, *, salt: int) -> Any:
    """Standard normal numbers shaped as ``x``."""
    return np.random.default_rng((int(seed), salt)).standard_normal(x.shape).astype(x.dtype)


@composite(same, phase=_training_only)
def dropout(xp: Any, x: Any, seed: Any, *, rate: float, salt: int, noise_shape: Any = None) -> Any:
    """Zero with probability ``rate``, the rest divided by 1 - rate (Srivastava et al. 2014)."""
    if rate == 0:
        return x
    mask = xp.random_uniform(x, seed, salt=salt, noise_shape=noise_shape) >= rate
    return x * xp.cast(mask, dtype=dtype_of(x)) / (1 - rate)


@composite(same, phase=_training_only)
def gaussian_dropout(xp: Any, x: Any, seed: Any, *, rate: float, salt: int) -> Any:
    """x · N(1, rate / (1 - rate))."""
    if rate == 0:
        return x
    return x * (1 + xp.random_normal(x, seed, salt=salt) * (rate / (1 - rate)) ** 0.5)


@composite(same, phase=_training_only)
def gaussian_noise(xp: Any, x: Any, seed: Any, *, stddev: float, salt: int) -> Any:
    """x + N(0, stddev²)."""
    return x if stddev == 0 else x + stddev * xp.random_normal(x, seed, salt=salt)


@composite(same, phase=_training_only)
def uniform_noise(xp: Any, x: Any, seed: Any, *, width: float, salt: int) -> Any:
    """x + U[-width, width)."""
    return x if width == 0 else x + width * (2 * xp.random_uniform(x, seed, salt=salt) - 1)


@composite(same, phase=_training_only)
def alpha_dropout(xp: Any, x: Any, seed: Any, *, rate: float, salt: int, noise_shape: Any = None) -> Any:
    """Dropout that keeps selu's mean and variance (Klambauer et al. 2017)."""
    if rate == 0:
        return x
    floor = -1.6732632423543772 * 1.0507009873554805
    a = ((1 - rate) * (1 + rate * floor**2)) ** -0.5
    mask = xp.cast(xp.random_uniform(x, seed, salt=salt, noise_shape=noise_shape) >= rate, dtype=dtype_of(x))
    return a * (x * mask + floor * (1 - mask)) - a * floor * rate


@composite(same, phase=lambda node, training: str(node.inputs[0 if training else 1]))
def phase_select(xp: Any, training: Any, inference: Any) -> Any:
    """The first input in training, the second in inference (a layer whose ``call`` asks which)."""
    raise AssertionError("Graph.phase resolves phase_select before anything runs")


@composite(
    same, phase=lambda node, training: str(node.inputs[0 if training and node.attributes["amount"] else 1])
)
def augment_select(xp: Any, augmented: Any, plain: Any, *, amount: float) -> Any:
    """The first input in training, unless ``amount`` is 0 (a proof), else the second."""
    raise AssertionError("Graph.phase resolves augment_select before anything runs")


def dtype_of(x: Any) -> str:
    """The dtype of any framework's array, by name."""
    return str(getattr(x.dtype, "name", x.dtype)).rpartition(".")[2]

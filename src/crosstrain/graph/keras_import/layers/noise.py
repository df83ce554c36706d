"""Layers that draw random numbers in training."""

from __future__ import annotations

from typing import Any

from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.registry import native
from crosstrain.graph.keras_import.trace import Tracer


def noisy(t: Tracer, op: str, amount: float, training: Any, x: Any, **settings: Any) -> Any:
    """A random op that follows the phase; ``x`` itself without noise or if the layer is called for
    inference."""
    mode = t.phase_of(training)
    if amount == 0 or mode is False:
        return x
    if mode is True:
        raise CrosstrainError(
            f"{t.where} is always called with training=True; crosstrain applies noise in training only"
        )
    return t.noise(op, t.cast(x, "float32"), **settings)


@native(kl.Dropout, kl.AlphaDropout)
def dropout(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    shape = layer.noise_shape
    if shape is not None:
        shape = tuple(
            None if s is None or s == length else int(s) for s, length in zip(shape, x.shape, strict=True)
        )
    op = "alpha_dropout" if isinstance(layer, kl.AlphaDropout) else "dropout"
    return noisy(t, op, layer.rate, training, x, rate=float(layer.rate), noise_shape=shape)


@native(kl.SpatialDropout1D, kl.SpatialDropout2D, kl.SpatialDropout3D)
def spatial_dropout(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    rank = len(x.shape)
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    shape = tuple(None if i in (0, channels) else 1 for i in range(rank))
    return noisy(t, "dropout", layer.rate, training, x, rate=float(layer.rate), noise_shape=shape)


@native(kl.GaussianDropout)
def gaussian_dropout(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    return noisy(t, "gaussian_dropout", layer.rate, training, x, rate=float(layer.rate))


@native(kl.GaussianNoise)
def gaussian_noise(t: Tracer, layer: Any, x: Any, training: Any = None, **_: Any) -> Any:
    return noisy(t, "gaussian_noise", layer.stddev, training, x, stddev=float(layer.stddev))

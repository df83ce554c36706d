"""Normalisation over neighbouring channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("crosstrain")
class LocalResponseNormalization(layers.Layer):
    """Divides by the activity of neighbouring channels at the same pixel (Krizhevsky et al. 2012, section
    3.3).

    ``y = x / (bias + alpha · Σ x²) ** beta``, the sum over the ``size`` channels around each. The paper's
    constants are the defaults. Caffe's and PyTorch's alpha is divided by ``size``; this one is not. Input and
    output (batch, …, channels).
    """

    def __init__(
        self, size: int = 5, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, inputs: Any) -> Any:
        channels, before = inputs.shape[-1], (self.size - 1) // 2
        sides = [(0, 0)] * (len(inputs.shape) - 1) + [(before, self.size - 1 - before)]
        squares = ops.pad(ops.square(inputs), sides)
        total = squares[..., :channels]
        for start in range(1, self.size):
            total = total + squares[..., start : start + channels]
        return inputs / ops.power(self.bias + self.alpha * total, self.beta)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}

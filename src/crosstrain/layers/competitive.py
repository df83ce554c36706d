"""Units that compete."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("crosstrain")
class WinnerTakesAll(layers.Layer):
    """Of each group of neighbouring units the largest passes, the others are 0 (Srivastava et al. 2013,
    "Compete to Compute", section 3; one group of all units is Grossberg's 1973 choice network).

    The gradient flows through the winner alone; of equal units the first wins. Input and output (batch, …,
    units).

    Parameters
    ----------
    size : int or None
        Units of a group; None: all. ``ValueError`` where the units cannot be parted into such groups.
    """

    def __init__(self, size: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"WinnerTakesAll: size must be a positive whole number or None, not {size!r}")
        self.size = size

    def build(self, input_shape: Any) -> None:
        units = input_shape[-1]
        if self.size and units % self.size:
            raise ValueError(
                f"WinnerTakesAll: {units} units cannot be parted into groups of {self.size}; give a size "
                f"that divides {units}"
            )

    def call(self, inputs: Any) -> Any:
        units = inputs.shape[-1]
        size = self.size or units
        groups = ops.reshape(inputs, (-1, *inputs.shape[1:-1], units // size, size))
        winners = ops.one_hot(ops.argmax(groups, axis=-1), size, dtype=self.compute_dtype)
        return ops.reshape(groups * winners, (-1, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}

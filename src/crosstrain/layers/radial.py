"""Units that answer to what is near."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers, ops

BASES: Mapping[str, Callable[[Any], Any]] = {
    "gaussian": lambda r2: ops.exp(-0.5 * r2),
    "multiquadric": lambda r2: ops.sqrt(1.0 + r2),
    "inverse_multiquadric": lambda r2: ops.rsqrt(1.0 + r2),
}
"""From squared distances, measured in widths; those of ``crosstrain.classic``'s radial basis networks."""


@keras.saving.register_keras_serializable("crosstrain")
class RadialBasis(layers.Layer):
    """Units whose output depends on the distance of the input from their centre (Broomhead and Lowe 1988).

    ``y = basis(|x - centre| / width)`` with ``exp(-r² / 2)`` (``"gaussian"``), ``√(1 + r²)``
    (``"multiquadric"``) or ``1 / √(1 + r²)`` (``"inverse_multiquadric"``). Centres and widths are trained by
    gradient as all weights are (Moody and Darken 1989 place them first, by k-means: give those to
    ``set_weights``). Input (batch, …, features), output (batch, …, units). Raises ``ValueError`` for settings
    out of range.

    Parameters
    ----------
    units : int
    basis : {"gaussian", "multiquadric", "inverse_multiquadric"}
    width : float or None
        Every unit's width at first, in units of the input; None: the root of the number of features over 4,
        which suits pixels from 0 to 1.
    centres_initializer : str or keras.initializers.Initializer
        Uniform from 0 to 1, as pixels, unless another is given.

    Weights: ``centres`` (units, features) and ``widths`` (units,).
    """

    def __init__(
        self,
        units: int,
        basis: str = "gaussian",
        width: float | None = None,
        centres_initializer: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"RadialBasis: units must be a positive whole number, not {units!r}")
        if basis not in BASES:
            raise ValueError(f"RadialBasis: basis must be one of {', '.join(BASES)}, not {basis!r}")
        if width is not None and not width > 0:
            raise ValueError(f"RadialBasis: width must be positive, not {width!r}")
        self.units, self.basis, self.width = units, basis, width
        self.centres_initializer = keras.initializers.get(
            centres_initializer or keras.initializers.RandomUniform(0.0, 1.0)
        )

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        width = self.width or features**0.5 / 4
        self.centres = self.add_weight(
            shape=(self.units, features), initializer=self.centres_initializer, name="centres"
        )
        self.widths = self.add_weight(
            shape=(self.units,), initializer=keras.initializers.Constant(width), name="widths"
        )

    def call(self, inputs: Any) -> Any:
        # |x|² - 2 x·c + |c|² needs one matrix product, and no array of (batch, units, features).
        products = ops.matmul(inputs, ops.transpose(self.centres))
        squares = ops.sum(ops.square(inputs), axis=-1, keepdims=True)
        distances = squares - 2.0 * products + ops.sum(ops.square(self.centres), axis=-1)
        return BASES[self.basis](distances / ops.square(self.widths))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "basis": self.basis, "width": self.width}
        initializer = keras.initializers.serialize(self.centres_initializer)
        return {**super().get_config(), **own, "centres_initializer": initializer}

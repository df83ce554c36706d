"""Keras in float32 or, exactly, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend import core
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

_narrow: str = BIT64_TO_BIT32_DTYPE["float64"]


def set_precision(floatx: str) -> None:
    """Make ``floatx`` Keras's precision; float64 throughout, where it would slip into float32."""
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    # Outside TensorFlow Keras's promotion of dtypes takes float64 for float32 (so tanh of a float64 is one).
    BIT64_TO_BIT32_DTYPE["float64"] = "float64" if floatx == "float64" else _narrow
    if keras.backend.backend() == "tensorflow" and not hasattr(core.cast, "exact"):
        core.cast = _exact(core.cast)


def _exact(cast: Any) -> Any:
    """Casting a Python number goes by way of a float32 tensor there (0.01 of an L2 penalty)."""

    def exact(x: Any, dtype: Any) -> Any:
        precise = isinstance(x, float) and keras.config.floatx() == "float64"
        return core.convert_to_tensor(x, dtype) if precise else cast(x, dtype)

    exact.exact = True  # type: ignore[attr-defined]
    return exact


@contextmanager
def precision(floatx: str) -> Iterator[None]:
    """``set_precision`` within the context."""
    before = keras.config.floatx()
    set_precision(floatx)
    try:
        yield
    finally:
        set_precision(before)

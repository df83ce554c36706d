"""What every engine refuses, in the same sentences: settings it does not have, weights that do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from crosstrain.engines.contract import Arrays, Description, Setting
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import WeightSpec


def checked_options(engine: str, description: Description, setting: Setting) -> dict[str, Any]:
    """The options of a setting, with the engine's defaults. ``CrosstrainError`` for a device, precision or
    option that it does not have on this machine."""
    name = f"the engine {engine}"
    for what, value, known in (
        ("device", setting.device, description.devices),
        ("precision", setting.precision, description.precisions),
    ):
        if value not in known:
            raise CrosstrainError(f"{name} has no {what} {value!r} here; it has {', '.join(known)}")
    for key, value in setting.options.items():
        if key not in description.options:
            raise CrosstrainError(f"{name} has no option {key!r}; it has {', '.join(description.options)}")
        if value not in description.options[key].choices:
            choices = ", ".join(map(repr, description.options[key].choices))
            raise CrosstrainError(f"{name} takes {choices} for the option {key!r}, not {value!r}")
    return {key: option.default for key, option in description.options.items()} | dict(setting.options)


def check_weights(network: str, specs: Mapping[str, WeightSpec], weights: Arrays) -> None:
    """``CrosstrainError`` unless every weight of the network is given, in its shape."""
    for name, spec in specs.items():
        if name not in weights:
            raise CrosstrainError(f"the weights lack {name!r}, which {network} needs")
        shape = np.shape(weights[name])
        if shape != tuple(spec.shape):
            raise CrosstrainError(f"the weight {name!r} has the shape {shape}, not {tuple(spec.shape)}")


def check_inputs(network: str, names: Iterable[str], inputs: Arrays) -> None:
    """``CrosstrainError`` unless every input is given. Every step asks it."""
    for name in names:
        if name not in inputs:
            raise CrosstrainError(f"{network} needs the input {name!r}; given are {', '.join(inputs)}")


def as_float32(value: np.ndarray) -> np.ndarray:
    """What files of networks take: contiguous, and float32 where it is a number of another kind of float or
    a byte of a picture."""
    kind = value.dtype
    dtype = np.float32 if kind.kind == "f" or kind == np.uint8 else kind
    return np.ascontiguousarray(value, dtype)


def as_taken(value: np.ndarray, dtype: np.typing.DTypeLike) -> np.ndarray:
    """Contiguous, in the dtype of a file's input: tokens come as int64, and a file may take them as int32."""
    return np.ascontiguousarray(value, dtype)

"""Initial weights by NumPy, whatever Keras's backend: the same numbers from a seed wherever a network is
defined, and no framework compiles a program for the shape of each weight."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from keras.src.random import seed_generator
from keras.src.random.seed_generator import draw_seed
from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED

Draw = Callable[..., np.ndarray]


def _normal(generator: Any, shape: Any, mean: float = 0.0, stddev: float = 1.0) -> np.ndarray:
    return np.asarray(generator.normal(size=shape, loc=mean, scale=stddev))


def _uniform(generator: Any, shape: Any, minval: float = 0.0, maxval: float = 1.0) -> np.ndarray:
    return np.asarray(generator.uniform(size=shape, low=minval, high=maxval))


def _truncated_normal(generator: Any, shape: Any, mean: float = 0.0, stddev: float = 1.0) -> np.ndarray:
    """Normal numbers; those beyond two standard deviations are drawn again."""
    count = math.prod(shape)
    accepted = np.empty(0)
    while len(accepted) < count:
        drawn = generator.normal(loc=mean, scale=stddev, size=count)
        # What is not a number is kept: a mean or deviation that is none would be drawn without end.
        with np.errstate(invalid="ignore"):
            accepted = np.append(accepted, drawn[~(np.abs(drawn - mean) > 2 * stddev)])
    return accepted[:count].reshape(shape)


DRAWS: dict[str, Draw] = {
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
}
FILLS: dict[str, Draw] = {"zeros": np.zeros, "ones": np.ones}


def _plain(shape: Any) -> bool:
    """Whether a shape consists of numbers (rather than of traced values)."""
    return all(
        isinstance(s, int | np.integer) for s in (shape if isinstance(shape, list | tuple) else [shape])
    )


def _drawing(draw: Draw, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(shape: Any, *arguments: Any, dtype: Any = None, seed: Any = None, **settings: Any) -> Any:
        if _tracing() or not _plain(shape) or len(arguments) > 2:
            return own(shape, *arguments, dtype=dtype, seed=seed, **settings)
        state = keras.ops.convert_to_numpy(draw_seed(seed))
        generator = np.random.default_rng(state.astype("int64").astype("uint32"))
        drawn = draw(generator, tuple(shape), *arguments, **settings)
        return _tensor(drawn.astype(dtype or keras.config.floatx()))

    return call


def _zeros(draw: Draw, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(shape: Any, *arguments: Any, dtype: Any = None, **settings: Any) -> Any:
        if _tracing() or not _plain(shape):
            return own(shape, *arguments, dtype=dtype, **settings)
        return _tensor(np.zeros(shape, dtype or keras.config.floatx()))

    return call


def _filling(fill: Draw, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(shape: Any, dtype: Any = None, **settings: Any) -> Any:
        if _tracing() or not _plain(shape) or settings:
            return own(shape, dtype=dtype, **settings)
        kind = backend.standardize_dtype(dtype or keras.config.floatx())
        return own(shape, dtype=kind) if kind == "bfloat16" else _tensor(fill(shape, kind))

    return call


def _tensor(array: np.ndarray) -> Any:
    """The array as a tensor of Keras's backend; JAX's own conversion compiles a program for each shape."""
    if backend.backend() != "jax":
        return backend.convert_to_tensor(array)
    return backend.core.jax.device_put(array)  # through Keras, which has imported it


def _tracing() -> bool:
    """Whether Keras is inferring shapes."""
    return bool(in_symbolic_scope())


def set_seed(seed: int) -> None:
    """``keras.utils.set_random_seed``, without importing TensorFlow (for seconds) where nothing uses it."""
    if backend.backend() == "tensorflow" or "tensorflow" in sys.modules:
        keras.utils.set_random_seed(seed)
        return
    global_state.set_global_attribute(GLOBAL_RANDOM_SEED, seed)
    global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, None)
    random.seed(seed)
    np.random.seed(seed)
    if backend.backend() == "torch":
        backend.core.torch.manual_seed(seed)


@contextmanager
def numpy_initial(*, drawn: bool = True) -> Iterator[None]:
    """Have Keras's initializers draw with NumPy within the context; all numbers are 0 unless ``drawn``."""
    if backend.backend() == "numpy" and drawn:
        yield
        return
    places = [(backend.random, DRAWS, _drawing if drawn else _zeros), (backend.numpy, FILLS, _filling)]
    own = {(module, name): getattr(module, name) for module, table, _ in places for name in table}
    try:
        for module, table, replacing in places:
            for name, function in table.items():  # type: ignore[attr-defined]
                setattr(module, name, replacing(function, own[module, name]))  # type: ignore[operator]
        yield
    finally:
        for (module, name), function in own.items():
            setattr(module, name, function)

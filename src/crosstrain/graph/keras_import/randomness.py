"""``keras.random`` while a model is imported: numbers that a layer draws become noise ops of the graph.

Such an op stands around a value that is not random (the mean): training draws, inference and proofs have the
value itself. So a ``Sampling`` layer gives its mean in inference, where Keras would go on drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src import backend
from keras.src.random import seed_generator

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.tensors import BatchSize, Importing, Traced

REFUSED = ("truncated_normal", "categorical", "shuffle", "gamma", "beta", "binomial")


def around(t: Importing, shape: Any, value: float) -> Any:
    """A tensor filled with one value; its shape may contain the batch size."""
    sizes = list(shape) if isinstance(shape, list | tuple) else [shape]
    if any(s is None for s in sizes):
        raise CrosstrainError(
            f"{t.where} draws random numbers of an unknown shape; take the shape from keras.ops.shape(x)"
        )
    return t.created(sizes, float(value), keras.config.floatx())


def uniform(t: Importing, shape: Any, low: Any, high: Any) -> Any:
    """Numbers in [low, high); the midpoint where nothing is drawn. Bounds may be tensors."""
    if isinstance(low, Traced) or isinstance(high, Traced):
        return keras.ops.add(low, keras.ops.multiply(uniform(t, shape, 0.0, 1.0), high - low))
    return t.noise("uniform_noise", around(t, shape, (low + high) / 2), width=(float(high) - float(low)) / 2)


def drawing(t: Importing) -> dict[str, Callable[..., Any]]:
    """The replacements of the functions of ``keras.random``."""

    def kind(y: Any, dtype: Any) -> Any:
        return y if dtype is None else keras.ops.cast(y, dtype)

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        if isinstance(mean, Traced) or isinstance(stddev, Traced):
            return kind(keras.ops.add(mean, keras.ops.multiply(normal(shape), stddev)), dtype)
        return kind(t.noise("gaussian_noise", around(t, shape, mean), stddev=float(stddev)), dtype)

    def between(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return kind(uniform(t, shape, minval, maxval), dtype)

    def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
        return keras.ops.cast(keras.ops.floor(uniform(t, shape, minval, maxval)), dtype)

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        if noise_shape is not None:
            noise_shape = tuple(
                None if isinstance(s, BatchSize) or s is None else int(s) for s in noise_shape
            )
        return t.noise("dropout", t.cast(inputs, "float32"), rate=float(rate), noise_shape=noise_shape)

    def refuse(*_: Any, **__: Any) -> Any:
        raise CrosstrainError(
            f"{t.where} draws random numbers in a way that crosstrain does not support; it supports "
            "keras.random.normal, uniform, randint and dropout, and the layers Dropout, GaussianNoise and "
            "GaussianDropout"
        )

    functions: dict[str, Callable[..., Any]] = {
        "normal": normal,
        "uniform": between,
        "randint": randint,
        "dropout": dropout,
    }
    return functions | {name: refuse for name in (*REFUSED, "draw_seed") if hasattr(backend.random, name)}


def replacements(t: Importing) -> list[tuple[Any, str, Any]]:
    """The functions that draw, each with its replacement during an import."""
    functions = drawing(t)
    refuse = functions["truncated_normal"]
    return [
        *[(backend.random, name, function) for name, function in functions.items()],
        (seed_generator.SeedGenerator, "next", refuse),
        (seed_generator, "draw_seed", refuse),
    ]


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Have Keras's random functions return the values around which they would draw, for a proof to compare
    with."""

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype or keras.config.floatx()) + mean

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype or keras.config.floatx()) + (minval + maxval) / 2

    def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
        return keras.ops.cast(keras.ops.floor(uniform(shape, minval, maxval)), dtype)

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        return inputs

    fixed = {"normal": normal, "uniform": uniform, "randint": randint, "dropout": dropout}
    own = {name: getattr(backend.random, name) for name in fixed}
    try:
        for name, function in fixed.items():
            setattr(backend.random, name, function)
        yield
    finally:
        for name, function in own.items():
            setattr(backend.random, name, function)

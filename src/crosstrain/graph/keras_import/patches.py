"""What Keras does differently while an import is running; everything is put back afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
from keras.src.layers import layer as layer_module
from keras.src.layers.layer import Layer
from keras.src.ops import core as core_ops
from keras.src.ops import numpy as numpy_ops
from keras.src.ops.operation import Operation
from keras.src.random.seed_generator import SeedGenerator

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.tensors import BatchSize, Traced

if TYPE_CHECKING:
    from crosstrain.graph.keras_import.trace import Tracer


@contextlib.contextmanager
def patched(tracer: Tracer) -> Iterator[None]:
    """Calls on symbolic tensors go to ``tracer``; random numbers are refused; the batch size is a tensor."""

    def shape(x: Any) -> Any:
        if isinstance(x, Traced) and x.shape and x.shape[0] is None:
            return (tracer.batch_size(x), *x.shape[1:])
        return original_shape(x)

    def creating(original: Any, fixed: int | None) -> Any:
        """``ops.zeros``, ``ones`` or ``full`` for shapes that hold the batch size."""

        def create(shape: Any, *arguments: Any, **settings: Any) -> Any:
            sizes = [shape] if not isinstance(shape, list | tuple) else list(shape)
            if not any(isinstance(s, BatchSize) for s in sizes):
                return original(shape, *arguments, **settings)
            rest = list(arguments)
            value = fixed if fixed is not None else settings.pop("fill_value", None) if not rest else rest.pop(0)
            dtype = rest.pop(0) if rest else settings.get("dtype")
            return tracer.created(sizes, value, dtype)

        return create

    def random(*_: Any, **__: Any) -> Any:
        raise CrosstrainError(
            f"{tracer.where} draws random numbers in its call; use the layers Dropout, GaussianNoise or GaussianDropout"
        )

    original_shape = core_ops.shape
    replacements: list[tuple[Any, str, Any]] = [
        (Layer, "symbolic_call", lambda self, *a, **k: tracer.call_layer(self, *a, **k)),
        (Operation, "symbolic_call", lambda self, *a, **k: tracer.call_operation(self, *a, **k)),
        (Layer, "add_loss", lambda self, loss: tracer.add_penalty(loss)),
        (SeedGenerator, "next", random),
        (layer_module, "Node", lambda *a, **k: None),
        *[
            (module, name, creating(vars(numpy_ops)[name], fixed))
            for name, fixed in (("zeros", 0), ("ones", 1), ("full", None))
            for module in (numpy_ops, keras.ops, keras.src.ops)
        ],
        *[(module, "shape", shape) for module in (core_ops, keras.ops, keras.src.ops)],
        *[(keras.src.random.seed_generator, "draw_seed", random)],
        *[(keras.src.backend.random, "draw_seed", random)],
    ]
    filtering = keras.config.is_traceback_filtering_enabled()
    saved = [(owner, name, vars(owner)[name]) for owner, name, _ in replacements]
    try:
        keras.config.disable_traceback_filtering()
        for owner, name, value in replacements:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in saved:
            setattr(owner, name, value)
        if filtering:
            keras.config.enable_traceback_filtering()

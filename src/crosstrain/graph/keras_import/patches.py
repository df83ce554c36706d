"""Patches of Keras while an import is running; everything is restored afterwards."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common.keras_tensor import any_symbolic_tensors
from keras.src.layers import layer as layer_module
from keras.src.layers.layer import Layer
from keras.src.ops import core as core_ops
from keras.src.ops import numpy as numpy_ops
from keras.src.ops.operation import Operation
from keras.src.utils.backend_utils import DynamicBackend

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import import randomness
from crosstrain.graph.keras_import.tensors import BatchSize, Importing, Traced, active

Replacement = tuple[Any, str, Any]


class Dispatch:
    """A module of Keras's backend, whose functions go to ``keras.ops`` for symbolic tensors. Some of
    Keras's own layers call the backend directly, which knows nothing of those."""

    def __init__(self, module: Any, operations: Any, only: tuple[str, ...] = ()) -> None:
        self._module = module
        self._operations = operations
        self._only = only

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._module, name)
        if not callable(attribute) or (self._only and name not in self._only):
            return attribute
        call = dispatching(attribute, getattr(self._operations, name, None))
        setattr(self, name, call)
        return call


def dispatching(concrete: Callable[..., Any], symbolic: Callable[..., Any] | None) -> Callable[..., Any]:
    if symbolic is None:
        return concrete
    inside = False

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if not any_symbolic_tensors(args, kwargs):
            return concrete(*args, **kwargs)
        if inside:  # a constant with the batch size in its new shape: keras.ops looked at the constant alone
            if not args or isinstance(args[0], Traced):
                raise CrosstrainError(
                    f"{active().where} calls {getattr(symbolic, '__name__', 'an operation')} with a "
                    "symbolic setting"
                )
            args = (active().tensor(str(active().ref(args[0]))), *args[1:])
        inside, outer = True, inside
        try:
            return symbolic(*args, **kwargs)
        finally:
            inside = outer

    return call


def precise(convert: Callable[..., Any]) -> Callable[..., Any]:
    """``cast`` or ``convert_to_tensor`` that keeps a number's digits: a setting such as 0.1 must not be
    rounded to float32 in a graph that may run in float64."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        dtype = args[0] if args else kwargs.get("dtype")
        plain = isinstance(x, float | list | tuple) or (
            isinstance(x, np.ndarray | np.floating) and x.dtype == "float64"
        )
        if plain and dtype is not None and backend.standardize_dtype(dtype) == "float32":
            return np.asarray(x, "float64")
        return convert(x, *args, **kwargs)

    return call if backend.backend() in ("numpy", "jax") else convert


def backends() -> list[Replacement]:
    """The backend's modules and functions, each dispatching."""
    modules = dict.fromkeys(("numpy", "nn", "math", "linalg"), keras.ops) | {"image": keras.ops.image}
    functions = ("cast", "convert_to_tensor", "shape", "stop_gradient", "unstack")
    core = Dispatch(backend.core, keras.ops, functions)
    precisely = {name: precise(getattr(backend.core, name)) for name in ("cast", "convert_to_tensor")}
    for name in functions:
        if concrete := precisely.get(name) or getattr(backend.core, name, None):
            setattr(core, name, dispatching(concrete, late(name)))
    return [
        *[(backend, name, Dispatch(getattr(backend, name), ops)) for name, ops in modules.items()],
        (backend, "core", core),
        *[(backend, name, getattr(core, name)) for name in functions if name in vars(backend)],
        (DynamicBackend, "__getattr__", lambda self, name: getattr(backend, name)),
    ]


def late(name: str) -> Callable[..., Any]:
    """``keras.ops.NAME``, looked up when it is called (it may be replaced by then)."""
    return lambda *args, **kwargs: getattr(keras.ops, name)(*args, **kwargs)


def shapes(tracer: Importing) -> list[Replacement]:
    """``ops.shape``, ``ndim``, ``size``, ``zeros``, … where the batch size is a tensor."""
    originals = {name: vars(numpy_ops)[name] for name in ("ndim", "size", "zeros", "ones", "full")}
    originals["shape"] = core_ops.shape

    def shape(x: Any) -> Any:
        if isinstance(x, Traced) and x.shape and x.shape[0] is None:
            return (tracer.batch_size(x), *x.shape[1:])
        return originals["shape"](x)

    def ndim(x: Any) -> Any:
        return len(x.shape) if isinstance(x, Traced) else originals["ndim"](x)

    def size(x: Any) -> Any:
        if not isinstance(x, Traced):
            return originals["size"](x)
        rest = [s for s in x.shape[1:] if s is not None]
        if x.shape and x.shape[0] is None and len(rest) == len(x.shape) - 1:
            return tracer.batch_size(x) * math.prod(rest)
        return math.prod(x.shape)

    def creating(name: str, fixed: int | None) -> Any:
        def create(shape: Any, *arguments: Any, **settings: Any) -> Any:
            sizes = list(shape) if isinstance(shape, list | tuple) else [shape]
            if not any(isinstance(s, BatchSize) for s in sizes):
                return originals[name](shape, *arguments, **settings)
            rest = list(arguments)
            value = fixed
            if fixed is None:
                value = rest.pop(0) if rest else settings.pop("fill_value")
            return tracer.created(sizes, value, rest.pop(0) if rest else settings.get("dtype"))

        return create

    functions = {"shape": shape, "ndim": ndim, "size": size}
    functions |= {name: creating(name, value) for name, value in (("zeros", 0), ("ones", 1), ("full", None))}
    places = (core_ops, numpy_ops, keras.ops, keras.ops.numpy, keras.src.ops)
    return [(place, name, new) for name, new in functions.items() for place in places if name in vars(place)]


@contextlib.contextmanager
def patched(tracer: Importing) -> Iterator[None]:
    """Redirect calls on symbolic tensors to ``tracer`` within the context."""
    replacements: list[Replacement] = [
        (Layer, "symbolic_call", lambda self, *a, **k: tracer.call_layer(self, *a, **k)),
        (Operation, "symbolic_call", lambda self, *a, **k: tracer.call_operation(self, *a, **k)),
        (Layer, "add_loss", lambda self, loss: tracer.add_penalty(loss)),
        (layer_module, "Node", lambda *a, **k: None),
        *shapes(tracer),
        *randomness.replacements(tracer),
        *backends(),
    ]
    filtering = keras.config.is_traceback_filtering_enabled()
    saved = [(owner, name, vars(owner)[name]) for owner, name, _ in replacements]
    try:
        keras.config.disable_traceback_filtering()
        for owner, name, value in replacements:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(saved):
            setattr(owner, name, value)
        if filtering:
            keras.config.enable_traceback_filtering()

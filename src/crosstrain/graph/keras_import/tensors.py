"""Symbolic tensors of an import: KerasTensors that know which reference of the graph they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import keras
from keras import KerasTensor

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import TensorSpec


class Importing(Protocol):
    """The interface of the running import for symbolic tensors and the patched Keras."""

    @property
    def where(self) -> str: ...
    def ref(self, value: Any) -> str | None: ...
    def tensor(self, ref: str) -> Traced: ...
    def batch_size(self, x: Traced) -> BatchSize: ...
    def created(self, shape: Sequence[Any], value: Any, dtype: Any) -> Traced: ...
    def cast(self, value: Any, dtype: str) -> Traced: ...
    def noise(self, op: str, base: Any, **settings: Any) -> Any: ...
    def read(self, variable: SymbolicVariable) -> str: ...
    def assign(self, variable: SymbolicVariable, value: Any) -> Traced: ...
    def add_penalty(self, value: Any) -> None: ...
    def call_layer(self, layer: Any, *args: Any, **kwargs: Any) -> Any: ...
    def call_operation(self, operation: Any, *args: Any, **kwargs: Any) -> Any: ...


class Active:
    """The running import, if any (a process imports one model at a time)."""

    tracer: Importing | None = None


def active() -> Importing:
    if Active.tracer is None:
        raise RuntimeError("a symbolic tensor of an import was used after the import had ended")
    return Active.tracer


class Traced(KerasTensor):
    """A value in the graph. In a layer's ``call`` it behaves like a backend's tensor."""

    reference: str

    def __init__(self, reference: str, spec: TensorSpec) -> None:
        dtype = keras.config.floatx() if spec.dtype == "float32" else spec.dtype
        super().__init__(spec.shape, dtype=dtype, name=reference[1:].replace("/", "_"))
        self.reference = reference

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """``array * tensor``, and ``array += tensor``, whose result takes the array's place."""
        operation = getattr(keras.ops, ufunc.__name__, None)
        if method != "__call__" or operation is None:
            raise TypeError(f"NumPy's {ufunc.__name__} does not take symbolic tensors; use keras.ops")
        return operation(*inputs)

    @property
    def __jax_array__(self) -> Any:
        """Absent, so that ``jax array * tensor`` asks this class rather than refusing a KerasTensor."""
        raise AttributeError("__jax_array__")

    def __eq__(self, other: object) -> Any:
        return keras.ops.equal(self, other)

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError("the batch has no length while a layer is being traced; use ops.shape(x)[0]")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


class BatchSize(Traced):
    """``ops.shape(x)[0]``: the number of examples times ``factor``, which shapes may contain and
    arithmetic may use. ``source`` is a tensor that has the batch as its first axis."""

    def __init__(self, reference: str, source: Traced, factor: int = 1) -> None:
        super().__init__(reference, TensorSpec((), "int32"))
        self.source = source
        self.factor = factor

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, int):
            return BatchSize(super().__mul__(other).reference, self.source, self.factor * other)
        return super().__mul__(other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if isinstance(other, int) and self.factor % other == 0:
            return BatchSize(super().__floordiv__(other).reference, self.source, self.factor // other)
        return super().__floordiv__(other)

    def __int__(self) -> int:
        raise CrosstrainError(
            "the batch size is not a number while a layer is being traced; use it in shapes only"
        )

    __index__ = __int__


class SymbolicVariable(Traced):
    """What a ``keras.Variable`` becomes for the time of an import, by changing its class: wherever it is
    kept (attributes, lists, closures, sublayers) it is then a symbolic tensor, so that what is computed
    from it stays differentiable."""

    _sparse = False
    _ragged = False
    _ragged_rank = None
    _row_splits_dtype = None
    record_history = False

    @property
    def reference(self) -> str:  # type: ignore[override]
        return active().read(self)

    @property
    def value(self) -> SymbolicVariable:
        return self

    @property
    def shape(self) -> Any:
        return self._shape

    def numpy(self) -> Any:
        return self.__array__()

    def assign(self, value: Any) -> Any:
        return active().assign(self, value)

    def assign_add(self, value: Any) -> Any:
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        return self.assign(self - value)


_CLASSES: dict[type, type] = {}


def symbolic_class(kind: type) -> type:
    """The symbolic class for variables of class ``kind``."""
    if kind not in _CLASSES:
        _CLASSES[kind] = type(f"Symbolic{kind.__name__}", (SymbolicVariable, kind), {})
    return _CLASSES[kind]

"""Records values in the graph: constants, casts, nodes, and what depends on the batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder, run_dtype
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.keras_import.tensors import BatchSize, Traced


def numbers(value: Any) -> np.ndarray:
    """A constant argument (Python, NumPy or backend) as an array."""
    return np.asarray(keras.ops.convert_to_numpy(value))


class Emit:
    """The vocabulary as functions on symbolic tensors: ``g.op.conv(x, kernel, bias, strides=…)``."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def emit(*inputs: Any, **attributes: Any) -> Any:
            return self._recorder.emit(name, *inputs, **attributes)

        return emit


class Recorder:
    """The builder of a graph, as the rules of the importer use it."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.op = Emit(self)
        self._layers: list[Any] = []
        self._batch: dict[str, BatchSize] = {}

    @property
    def layer_path(self) -> str:
        """Names of the layers around what is being traced, without the outermost model."""
        return "/".join(layer.name for layer in self._layers[1:])

    @property
    def where(self) -> str:
        """The innermost layer, for messages."""
        if not self._layers:
            return "the loss"
        layer = self._layers[-1]
        return f"layer {self.layer_path or layer.name!r} ({type(layer).__name__})"

    def spec(self, ref: str) -> TensorSpec:
        return self.builder.specs[ref]

    def tensor(self, ref: str) -> Traced:
        return Traced(ref, self.spec(ref))

    def ref(self, value: Any, dtype: str = "float32") -> str | None:
        """The reference of a tensor, or of a constant for a number or array (a Python number takes "
        "``dtype``)."""
        if value is None:
            return None
        if isinstance(value, Traced):
            return value.reference
        if isinstance(value, str) and value[:1] in "%@":
            return value
        if isinstance(value, keras.KerasTensor):
            raise CrosstrainError(
                f"{self.where} uses a symbolic tensor from outside the model; pass it as an input"
            )
        if isinstance(value, bool | int | float):
            kind = "float32" if isinstance(value, float) and dtype not in ("float32",) else dtype
            return self.builder.constant(value, kind)
        if isinstance(value, list | tuple) and any(isinstance(v, Traced) for v in value):
            return str(self.op.stack(*value, axis=0).reference)
        array = keras.ops.convert_to_numpy(value)
        return self.builder.constant(array, run_dtype(array.dtype.name))

    def cast(self, value: Any, dtype: str) -> Traced:
        """``value`` in a dtype of the graph."""
        ref = self.ref(value, dtype)
        assert ref is not None
        if self.spec(ref).dtype == dtype:
            return value if isinstance(value, Traced) else self.tensor(ref)
        if not isinstance(value, Traced):
            return self.tensor(self.builder.constant(keras.ops.convert_to_numpy(value), dtype))
        result: Traced = self.emit("cast", ref, dtype=dtype)
        return result

    def emit(self, op: str, *inputs: Any, **attributes: Any) -> Any:
        """Add a node. Returns its outputs as symbolic tensors (a single one not in a tuple)."""
        refs = [self.ref(i) for i in inputs]
        output_refs = self.builder.emit(
            op, *refs, name=self._node_name(op), layer=self.layer_path, **attributes
        )
        tensors = tuple(self.tensor(ref) for ref in output_refs)
        return tensors[0] if len(tensors) == 1 else tensors

    def noise(self, op: str, base: Any, **settings: Any) -> Any:
        """``base`` with noise around it in training."""
        return self.emit(op, base, self.builder.seed(), salt=self.builder.next_salt(), **settings)

    def _node_name(self, op: str) -> str:
        path = self.layer_path
        return f"{path}/{op}" if path else op

    def batch_size(self, x: Traced) -> BatchSize:
        """The number of examples in ``x``, as a tensor."""
        if x.reference not in self._batch:
            rank = len(x.shape)
            one = self.op.slice(
                x, starts=(None,) + (0,) * (rank - 1), stops=(None,) + (1,) * (rank - 1), strides=(1,) * rank
            )
            ones = self.op.full_like(self.cast(one, "int32"), value=1)
            self._batch[x.reference] = BatchSize(self.op.sum(ones).reference, x)
        return self._batch[x.reference]

    def with_batch(self, x: Traced, axis: int, size: BatchSize) -> Traced:
        """``x``, whose length along ``axis`` is 1, repeated for each example of the batch."""
        if size.factor != 1 or x.shape[axis] != 1:
            raise CrosstrainError(
                f"{self.where} spreads a tensor over a multiple of the batch size, which crosstrain "
                "does not support"
            )
        source = size.source
        rank = len(source.shape)
        one = self.op.slice(
            source, starts=(None,) + (0,) * (rank - 1), stops=(None,) + (1,) * (rank - 1), strides=(1,) * rank
        )
        dtype = run_dtype(x.dtype)
        zeros = self.op.full_like(self.cast(one, dtype), value=0)
        zeros = self.op.reshape(zeros, shape=(-1,) + (1,) * (len(x.shape) - axis - 1))
        result: Traced = self.op.logical_or(x, zeros) if dtype == "bool" else self.op.add(x, zeros)
        return result

    def created(self, shape: Sequence[Any], value: Any, dtype: Any) -> Traced:
        """A tensor filled with one value, whose shape contains the batch size."""
        kind = run_dtype(keras.backend.standardize_dtype(dtype))
        x: Traced = self.op.reshape(self.cast(value, kind), shape=(1,) * len(shape))
        lengths = tuple(1 if isinstance(s, BatchSize) else int(s) for s in shape)
        x = self.op.broadcast_to(x, shape=lengths)
        for axis, size in enumerate(shape):
            if isinstance(size, BatchSize):
                x = self.with_batch(x, axis, size)
        return x

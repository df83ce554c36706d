"""Values of a graph in another language that is being read, and the reader that makes nodes for them.

The mirror of ``onnx/writing/emit.py``: a value stands in the file's order of axes (``first``: N, C,
spatial…), in the vocabulary's (``last``: N, spatial…, C), or in both; each is made from the other when
something asks for it.
Constants are computed while the file is read, shapes among them: there the batch's length is ``BATCH``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.reading.axes import first_axes, last_axes
from crosstrain.graph.builder import Builder, ShapeError, run_dtype
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.ops.shapes import broadcast

BATCH = 15_485_863
"""Stands for the batch's length in shape arithmetic: a prime that no length of a network is."""
LARGEST = 2**28
"""Numbers that a constant may have."""

Shape = tuple[int | None, ...]
_NUMPY = Ops(NUMPY, "NumPy")


class OutOfScope(CrosstrainError):  # noqa: N818 (the file is sound; crosstrain has no form of it)
    """A node that the vocabulary cannot express."""


class Place(Protocol):
    """The node at work, as messages name it."""

    @property
    def op(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def where(self) -> str: ...


class Value:
    """A value of the file: ``shape`` in the file's order (None: the batch), ``dtype``, and where it stands.

    ``array`` is a constant's content and ``label`` the initialiser that it was made of; ``parameter`` says
    that it is one the file lists, not one written into a node. ``filled`` is the one number that a constant
    as long as the batch holds.
    """

    def __init__(
        self, reader: Reader, shape: Sequence[int | None], dtype: str, *, first: str | None = None,
        last: str | None = None, array: np.ndarray | None = None, label: str = "", parameter: bool = False,
        filled: float | None = None,
    ) -> None:  # fmt: skip
        self.reader, self.shape, self.dtype = reader, tuple(shape), dtype
        self.array, self.label, self.parameter, self.filled = array, label, parameter, filled
        self._first, self._last = first, last

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def last_only(self) -> bool:
        """Whether asking for ``first`` would cost a transpose."""
        return self.array is None and self._first is None

    @property
    def first(self) -> str:
        """The graph's reference to it in the file's order."""
        if self._first is None:
            if self.array is not None:
                self._first = self.reader.constant(self, self.array)
            elif self._last is not None:
                self._first = self.reader.transposed(self._last, first_axes(self.rank))
            else:
                self._first = self.reader.as_long_as_the_batch(self)
        return self._first

    @property
    def last(self) -> str:
        """The graph's reference to it with the channels last."""
        if self._last is None:
            axes = last_axes(self.rank)
            if self.array is not None:
                self._last = self.reader.constant(self, np.transpose(self.array, axes))
            else:
                self._last = self.reader.transposed(self.first, axes)
        return self._last


class Reader:
    """Makes the vocabulary's nodes through a ``Builder``; ``at`` is the file's node at work."""

    precision = "float32"
    """What constants are computed in."""

    def __init__(self, name: str, language: str) -> None:
        self.builder = Builder(name)
        self.language = language
        self.updates: dict[str, str] = {}
        self.at: Place | None = None
        self.fixed_batch: int | None = None
        """The batch's length as the file has it, where it is fixed there and free here."""
        self.open_lengths = False
        """Whether an input leaves another length open than the batch's."""
        self.expanded: dict[str, tuple[str, int]] = {}
        """References made by ``expand_dims``: of what, and where."""
        self._weights: dict[str, tuple[np.ndarray, str]] = {}
        self._transposes: dict[str, tuple[str, tuple[int, ...]]] = {}

    # -- saying no ----------------------------------------------------------------------------------
    def refusal(self, reason: str) -> OutOfScope:
        """The sentence that says which node cannot be read, and why."""
        assert self.at is not None
        return OutOfScope(
            f"the {self.language} op {self.at.op} ({self.at.where}) cannot be read: it {reason}"
        )

    # -- values -------------------------------------------------------------------------------------
    def as_constant(self, array: Any, label: str = "", parameter: bool = False) -> Value:
        """A constant."""
        array = np.asarray(array)
        if array.size > LARGEST:
            raise self.refusal(f"makes a constant of {array.size:,} numbers")
        return Value(
            self, array.shape, self.dtype(array.dtype.name), array=array, label=label, parameter=parameter
        )

    def dtype(self, name: str) -> str:
        if name.startswith("uint") and name != "uint8":
            raise self.refusal_or_plain(f"uses the dtype {name}, which the vocabulary lacks")
        try:
            return run_dtype(name)
        except ShapeError as error:
            raise self.refusal_or_plain(f"uses the dtype {name}, which the vocabulary lacks") from error

    def as_long_as_the_batch(self, value: Value) -> str:
        """The reference of a constant of one number that is as long as the batch."""
        raise self.refusal("uses a constant as long as the batch, which the vocabulary lacks")

    def refusal_or_plain(self, reason: str) -> CrosstrainError:
        return self.refusal(reason) if self.at else OutOfScope(f"the {self.language} model {reason}")

    def as_value(self, ref: str, last: bool = False) -> Value:
        """The value behind a new reference."""
        spec = self.builder.specs[ref]
        if not last:
            return Value(self, spec.shape, spec.dtype, first=ref)
        shape = tuple(spec.shape[a] for a in first_axes(len(spec.shape)))
        return Value(self, shape, spec.dtype, last=ref)

    def constant(self, value: Value, array: np.ndarray) -> str:
        """The reference of a constant: a trainable weight where it is a parameter, else a constant."""
        self._check_lengths(array)
        if value.parameter and array.dtype.kind == "f" and array.size > 1:
            return self.weight(value.label, array)
        return self.builder.constant(array, self.dtype(array.dtype.name))

    def weight(self, label: str, array: np.ndarray, trainable: bool = True) -> str:
        """A weight called after the initialiser; one that is read in two shapes gets two names."""
        label = (label or "weight").translate(str.maketrans(":@%", "___"))
        name, count = label, 1
        while name in self._weights and not _equal(self._weights[name][0], array):
            count += 1
            name = f"{label}#{count}"
        if name not in self._weights:
            self._weights[name] = (array, self.builder.add_weight(name, array, trainable))
        return self._weights[name][1]

    def parameter(self, value: Value, array: np.ndarray | None = None, trainable: bool = True) -> str:
        """A reference to what stands where a layer's own numbers do: always a weight if it is constant."""
        if value.array is None:
            return value.first
        own = value.array if array is None else array
        # Ones and zeros that are written into the file where a layer demands something are no parameters.
        trainable = trainable and (value.parameter or own.size == 0 or bool(np.ptp(own)))
        return self.weight(value.label or f"{self.at.name if self.at else ''}/weight", own, trainable)

    def transposed(self, ref: str, axes: Sequence[int]) -> str:
        """A transpose; two in a row become one, or none."""
        source, before = self._transposes.get(ref, (ref, tuple(range(len(axes)))))
        perm = tuple(before[a] for a in axes)
        if perm == tuple(range(len(perm))):
            return source
        transposed = self.emit("transpose", source, axes=perm)
        self._transposes[transposed] = (source, perm)
        return transposed

    # -- nodes --------------------------------------------------------------------------------------
    def emit(self, op: str, *inputs: str | None, **attributes: Any) -> str:
        return self.several(op, *inputs, **attributes)[0]

    def several(self, op: str, *inputs: str | None, **attributes: Any) -> tuple[str, ...]:
        layer = self.at.name if self.at else ""
        try:
            return self.builder.emit(op, *inputs, name=layer, layer=layer, **attributes)
        except (ShapeError, ValueError, TypeError, IndexError) as error:
            raise self.refusal(f"does not fit: {error}") from error

    def elementwise(self, op: str, *values: Value, **attributes: Any) -> Value:
        """An op that broadcasts, in the order of axes that costs no transpose."""
        if all(v.array is not None or v.filled is not None for v in values):
            return self._filled(op, values, attributes)
        rank = max(v.rank for v in values)
        fits = all(v.array is not None or v.filled is not None or v.rank in (0, rank) for v in values)
        if rank >= 3 and fits and any(v.last_only and v.filled is None for v in values):
            return self.as_value(
                self.emit(op, *(self._behind(v, rank) for v in values), **attributes), last=True
            )
        return self.as_value(self.emit(op, *map(self.plain, values), **attributes))

    def _filled(self, op: str, values: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
        """Constants, one of them as long as the batch: again one number, if it is one."""
        arrays = [np.asarray(v.filled if v.array is None else v.array) for v in values]
        kinds = [self.precision if v.dtype == "float32" else v.dtype for v in values]
        with np.errstate(all="ignore"):
            array = np.asarray(
                getattr(_NUMPY, op)(*(a.astype(k) for a, k in zip(arrays, kinds, strict=True)), **attributes)
            )
        if all(v.filled is None for v in values):
            return self.as_constant(array)
        if not array.size or np.any(array != array.reshape(-1)[0]):
            raise self.refusal("makes a constant as long as the batch, which the vocabulary lacks")
        number = array.reshape(-1)[0]
        return Value(self, self.shape_of(values), self.dtype(array.dtype.name), filled=float(number))

    def lengths(self, value: Value) -> list[int]:
        """A value's shape in numbers, ``BATCH`` for the batch; refused where other lengths are open."""
        if value.shape.count(None) > (0 if self.open_lengths and None in value.shape[1:] else 1):
            raise self.refusal(f"needs all lengths of the shape {value.shape}, which only the data knows")
        return [BATCH if n is None else n for n in value.shape]

    def plain(self, value: Value) -> str:
        """Its reference in the file's order; one number where it is a constant as long as the batch."""
        if value.filled is not None:
            return self.builder.constant(np.asarray(value.filled), value.dtype)
        return value.first

    def _behind(self, value: Value, rank: int) -> str:
        """Its reference where channels come last among values of ``rank`` axes."""
        if value.filled is not None or value.rank == 0:
            return self.plain(value)
        if value.array is None or value.rank == rank:
            return value.last
        full = value.array.reshape((1,) * (rank - value.rank) + value.array.shape)
        return self.constant(value, _shortest(np.transpose(full, last_axes(rank))))

    def numbers(self, value: float | int | bool, like: Value) -> Value:
        """A number in the dtype of a value."""
        return self.as_constant(np.asarray(value, self.precision if like.dtype == "float32" else like.dtype))

    def shape_of(self, values: Sequence[Value]) -> Shape:
        return broadcast(*(TensorSpec(v.shape, v.dtype) for v in values))[0].shape

    def _check_lengths(self, array: np.ndarray) -> None:
        if array.dtype.itemsize < 4 or array.dtype.kind != "i":
            return
        if np.any((array != 0) & (array % BATCH == 0)):
            raise self.refusal("computes with the batch's length, which a graph does not know")


def _shortest(array: np.ndarray) -> np.ndarray:
    """Without leading axes of length 1: a bias over the last axis is a vector."""
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()

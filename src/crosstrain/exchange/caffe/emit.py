"""Values of a Caffe network that is being written, and the writer that collects its layers.

Caffe knows pictures as (N, C, H, W). A value here has the vocabulary's shape, (N, H, W, C), and the name of
the blob that holds it channels first. A flattened picture keeps the order that Caffe gives it; ``order`` says
which, and whoever reads it (mostly a dense layer, by permuting its kernel) has to take that into account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.tables import adds_to
from crosstrain.graph.evaluate import Ops, UnsupportedOp
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import NUMPY, VOCABULARY
from crosstrain.graph.ops.shapes import broadcast

Shape = tuple[int | None, ...]

_REFERENCE = Ops(NUMPY, "NumPy")


class Blob:
    """A value: the vocabulary's ``shape``; its ``name`` in Caffe, or its ``value`` where it is constant.

    ``order`` is None, or gives for each number of an example, as Caffe has them, its place in the
    vocabulary's order.
    """

    def __init__(
        self,
        emitter: Emitter,
        shape: Sequence[int | None],
        *,
        name: str = "",
        value: np.ndarray | None = None,
        order: np.ndarray | None = None,
    ) -> None:
        self.emitter, self.shape, self.name, self.value = emitter, tuple(shape), name, value
        trivial = order is None or np.array_equal(order, np.arange(len(order)))
        self.order = None if trivial else order

    @property
    def ndim(self) -> int:
        return len(self.shape)

    dtype = "float32"

    @property
    def channels(self) -> int:
        """Numbers along the last axis."""
        count = self.shape[-1]
        assert count is not None
        return count

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture."""
        height, width = self.shape[1:3]
        assert height is not None
        assert width is not None
        return height, width

    @property
    def picture(self) -> bool:
        return self.ndim == 4 and None not in self.shape[1:]

    def in_order(self, what: str) -> Blob:
        """Itself; ``UnsupportedOp`` where Caffe has its numbers in another order than the vocabulary."""
        if self.order is not None:
            raise UnsupportedOp(
                f"Caffe has no layer that puts a flattened picture in the order of (H, W, C), which {what} "
                "needs; only dense layers can follow it"
            )
        return self

    # -- what the vocabulary's composites write with operators --------------------------------------
    def __add__(self, other: Any) -> Any:
        return self.emitter.ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return self.emitter.ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return self.emitter.ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.emitter.ops.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return self.emitter.ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.emitter.ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.emitter.ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.emitter.ops.divide(other, self)

    def __gt__(self, other: Any) -> Any:
        return self.emitter.ops.greater(self, other)

    def __lt__(self, other: Any) -> Any:
        return self.emitter.ops.less(self, other)

    def __neg__(self) -> Any:
        return self.emitter.ops.negative(self)


Form = Callable[..., Any]
FORMS: dict[str, Form] = {}
"""How each op is written: ``form(emitter, shape, *inputs, **attributes)``, ``shape`` that of its output."""

form = adds_to(FORMS)
"""Adds a form under the names of its ops."""


class Emitter:
    """Collects layers as ``LayerParameter`` messages. ``scope`` (the graph's node at work) names them."""

    def __init__(self, unsupported: Mapping[str, str]) -> None:
        from crosstrain.exchange.caffe.proto import net_parameter

        self.net = net_parameter()()
        self.scope = ""
        self._name_counts: dict[str, int] = {}
        self.ops = Ops(
            {name: self._bound(name, function) for name, function in FORMS.items()}, "Caffe", unsupported
        )

    def unique(self, name: str) -> str:
        count = self._name_counts.get(name, 0)
        self._name_counts[name] = count + 1
        return name if count == 0 else self.unique(f"{name}_{count}")

    def reserve(self, name: str) -> None:
        """Keep a name for an output."""
        self._name_counts[name] = 1

    def input(self, name: str, sizes: Sequence[int | None]) -> str:
        """An ``Input`` layer of one example: batches of another length reshape it."""
        layer = self.net.layer.add(name=self.unique(name), type="Input")
        layer.top.append(layer.name)
        dims = (sizes[-1], *sizes[:-1])
        layer.input_param.shape.add().dim.extend((1, *(n or 0 for n in dims)))
        return str(layer.name)

    def output(self, name: str, blob: Blob) -> None:
        """Call the layer and the blob by the output's name; where something else reads that blob, or it is no
        layer's own, a copy of it."""
        bottom = self._name(blob)
        last = self.net.layer[-1] if self.net.layer else None
        read = any(bottom in layer.bottom for layer in self.net.layer)
        if not read and last is not None and list(last.top) == [bottom] and last.type != "Input":
            last.name = last.top[0] = name
        else:
            self.net.layer.add(name=name, type="Power", bottom=[bottom], top=[name])

    def constant(self, value: Any) -> Blob:
        array = np.asarray(value)
        return Blob(self, array.shape, value=array)

    def layer(
        self,
        kind: str,
        bottoms: Sequence[Blob],
        blobs: Sequence[np.ndarray] = (),
        tops: int = 1,
        **parameters: Mapping[str, Any],
    ) -> list[str]:
        """Add a layer with its numbers; gives the names of its tops, the first also its own."""
        base = self.scope or kind.lower()
        names = [self.unique(base) for _ in range(tops)]
        layer = self.net.layer.add(
            name=names[0], type=kind, bottom=[self._name(b) for b in bottoms], top=names
        )
        for parameter, fields in parameters.items():
            target = getattr(layer, parameter)
            target.SetInParent()
            for field, value in fields.items():
                if isinstance(value, list | tuple):
                    getattr(target, field).extend(value)
                else:
                    setattr(target, field, value)
        for array in blobs:
            blob = layer.blobs.add()
            blob.shape.dim.extend(np.shape(array))
            blob.data.extend(np.asarray(array, "float32").reshape(-1))
        return names

    def one(
        self,
        kind: str,
        bottoms: Sequence[Blob],
        shape: Shape,
        blobs: Sequence[np.ndarray] = (),
        **parameters: Any,
    ) -> Blob:
        """A layer of one top, which keeps the order of its first bottom."""
        (name,) = self.layer(kind, bottoms, blobs, **parameters)
        return Blob(self, shape, name=name, order=bottoms[0].order)

    def _name(self, blob: Blob) -> str:
        if blob.value is not None:
            raise UnsupportedOp(
                f"Caffe has no layer for constants, and {self.scope or 'an output'} needs one as its input"
            )
        return blob.name

    def _bound(self, name: str, function: Form) -> Callable[..., Any]:
        """The form as an op: numbers become constants, and what is constant is computed here and now."""
        rule = VOCABULARY[name].shape

        def run(*inputs: Any, **attributes: Any) -> Any:
            operands = [t if t is None or isinstance(t, Blob) else self.constant(t) for t in inputs]
            if all(t is None or t.value is not None for t in operands):
                return self._folded(name, operands, attributes)
            specs = [None if t is None else TensorSpec(t.shape) for t in operands]
            shape = () if name in FREE_SHAPE else rule(*specs, **attributes)[0].shape
            return function(self, shape, *operands, **attributes)

        return run

    def _folded(self, name: str, operands: Sequence[Blob | None], attributes: Mapping[str, Any]) -> Any:
        with np.errstate(all="ignore"):
            result = getattr(_REFERENCE, name)(
                *[None if t is None else t.value for t in operands], **attributes
            )
        if isinstance(result, tuple | list):
            return tuple(self.constant(each) for each in result)
        return self.constant(result)


FREE_SHAPE = {"reshape"}
"""Ops whose form finds the shape itself."""


def together(*inputs: Blob) -> Shape:
    """The shape that inputs broadcast to."""
    (whole,) = broadcast(*(TensorSpec(t.shape) for t in inputs))
    return whole.shape

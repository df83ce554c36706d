"""All trainable weights as views of one vector on MXNet, their gradients of another, and a step.

A kernel lies in the vector as MXNet's ops read it (a convolution's as (out, in, spatial…), a dense layer's
as (out, in)). The step is then one kernel, or one compiled graph, whatever the number of layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mxnet as mx
import mxnet.symbol._internal as legacy
import numpy as np

from crosstrain.engines.contract import Arrays
from crosstrain.engines.mxnet.images import WEIGHT_ORDERS
from crosstrain.engines.mxnet.ops import Extra, operations
from crosstrain.engines.mxnet.products import dense_order
from crosstrain.engines.mxnet.trace import Compiled, device_array
from crosstrain.engines.mxnet.values import Order, Symbol, Value, identity
from crosstrain.graph.graph import Graph
from crosstrain.training.optimizers import Optimizer, apply

Array = Any


def orders(graph: Graph) -> dict[str, Order]:
    """How each weight of the graph lies in memory: as the op that reads it wants it. One that several kinds
    of ops read lies as Keras has it."""
    read_orders: dict[str, set[Order]] = {}
    for node in graph.nodes:
        for place, ref in enumerate(node.inputs):
            if ref and ref.startswith("@"):
                rank = len(graph.weights[ref[1:]].shape)
                order = identity(rank)
                if place == 1 and node.op in WEIGHT_ORDERS:
                    order = WEIGHT_ORDERS[node.op](rank)
                elif place == 1 and node.op == "dense" and rank == 2:
                    order = dense_order(rank)
                read_orders.setdefault(ref[1:], set()).add(order)
    orders_by_name = {name: identity(len(spec.shape)) for name, spec in graph.weights.items()}
    return orders_by_name | {name: next(iter(each)) for name, each in read_orders.items() if len(each) == 1}


@dataclass(frozen=True)
class Piece:
    """A weight's part of the vector. ``order`` are its axes in the order in which they lie in memory."""

    shape: tuple[int, ...]
    order: Order
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        return tuple(self.shape[a] for a in self.order)

    def view(self, joint: Array) -> Array:
        return joint[self.start : self.start + self.size].reshape(self.stored_shape)

    def extract(self, joint: np.ndarray) -> np.ndarray:
        """The weight in Keras's order of axes, as an array of its own."""
        stored = joint[self.start : self.start + self.size].reshape(self.stored_shape)
        return np.array(stored.transpose(np.argsort(self.order)), order="C")

    def insert(self, joint: np.ndarray, value: np.ndarray) -> None:
        joint[self.start : self.start + self.size] = np.asarray(value).transpose(self.order).reshape(-1)


class JointWeights:
    """The vector with its views by name, their gradients, and the optimizer's slots."""

    def __init__(
        self, graph: Graph, optimizer: Optimizer, dtype: str, context: Any, flags: Mapping[str, Any]
    ) -> None:
        self._optimizer, self._dtype, self._context = optimizer, dtype, context
        self._pieces: dict[str, Piece] = {}
        layouts, start = orders(graph), 0
        for name in graph.trainable:
            shape = tuple(graph.weights[name].shape)
            self._pieces[name] = Piece(shape, layouts[name], start)
            start += self._pieces[name].size
        self._size = start
        self._joint, self._gradient = (mx.nd.zeros((start,), ctx=context, dtype=dtype) for _ in range(2))
        self.views = {name: piece.view(self._joint) for name, piece in self._pieces.items()}
        gradients = [piece.view(self._gradient) for piece in self._pieces.values()]
        mx.autograd.mark_variables(list(self.views.values()), gradients)
        self._copies: dict[str, Array] = {}
        self._copied = False
        self._slots: dict[str, Array] = {}
        self._update = None if _is_plain(optimizer, dtype) else Compiled(self._trace_update(), context, flags)
        self.restart()

    # -- in and out -----------------------------------------------------------------------------------
    def weights(self) -> dict[str, np.ndarray]:
        return self._split(self._joint)

    def gradients(self) -> dict[str, np.ndarray]:
        return self._split(self._gradient)

    def slots(self) -> dict[str, dict[str, np.ndarray]]:
        slots: dict[str, dict[str, np.ndarray]] = {name: {} for name in self._pieces}
        for slot, kind in self._optimizer.slots().items():
            value = self._slots[slot].asnumpy()
            for name, piece in self._pieces.items():
                slots[name][slot] = np.array(value.reshape(())) if kind.scalar else piece.extract(value)
        return slots

    def copies(self) -> dict[str, Array]:
        """The weights for inference, in arrays of their own. There MXNet gives kernels oneDNN's layout for
        good, in place, which a view of something larger does not survive."""
        if not self._copied:
            for name, view in self.views.items():
                self._copies[name] = view.copyto(self._copies.get(name, self._context))
            self._copied = True
        return self._copies

    def load(self, weights: Arrays) -> None:
        self._copied = False
        self._fill(self._joint, weights)

    def restart(self) -> None:
        """Slots as before the first step."""
        self._slots = {
            name: mx.nd.full((1,) if slot.scalar else (self._size,), slot.initial, self._context, self._dtype)
            for name, slot in self._optimizer.slots().items()
        }

    def load_slots(self, slots: Mapping[str, Arrays]) -> None:
        for slot, kind in self._optimizer.slots().items():
            values = {name: np.asarray(each[slot]) for name, each in slots.items() if slot in each}
            if kind.scalar and values:
                self._slots[slot][:] = float(next(iter(values.values())))
            elif values:
                self._fill(self._slots[slot], values)

    def _split(self, joint: Array) -> dict[str, np.ndarray]:
        host = joint.asnumpy()
        return {name: piece.extract(host) for name, piece in self._pieces.items()}

    def _fill(self, joint: Array, values: Arrays) -> None:
        host = joint.asnumpy()
        for name, piece in self._pieces.items():
            if name in values:
                piece.insert(host, values[name])
        joint[:] = mx.nd.array(host, dtype=self._dtype, ctx=self._context)

    # -- the optimizer's step ---------------------------------------------------------------------------
    def step(self, learning_rate: float, number: int) -> None:
        """The step ``number`` (from 1), with the gradients that the backward pass has left."""
        if not self._size:
            return
        self._copied = False
        if self._update is None:
            _sgd(self._optimizer, self._joint, self._gradient, self._slots, learning_rate)
            return
        numbers = {"rate": learning_rate, "number": float(number)}
        arguments = {k: device_array(np.array([v]), self._dtype, self._context) for k, v in numbers.items()}
        arguments |= {"joint": self._joint, "gradient": self._gradient}
        updated = self._update(arguments | {f"slot/{name}": value for name, value in self._slots.items()})
        updated["joint"].copyto(self._joint)
        for name, value in self._slots.items():
            updated[f"slot/{name}"].copyto(value)

    def _trace_update(self) -> tuple[dict[str, Symbol], Extra]:
        """``training.optimizers.apply`` as symbols: on the whole vector, or on each weight where a norm of
        each is needed."""
        extra = Extra()
        ops = operations(extra)
        vector = lambda name: Value(mx.sym.var(name), (self._size,), self._dtype)
        number = lambda name: Value(mx.sym.var(name), (1,), self._dtype)
        sizes = [piece.size for piece in self._pieces.values()]
        names = [""] if self._optimizer.elementwise else list(self._pieces)

        def parts(whole: Value) -> dict[str, Value]:
            return dict(zip(names, [whole] if len(names) == 1 else _split(whole, sizes), strict=True))

        kinds = self._optimizer.slots()
        slots: dict[str, dict[str, Value]] = {name: {} for name in names}
        for slot, kind in kinds.items():
            shared = number(f"slot/{slot}")
            each = dict.fromkeys(names, shared) if kind.scalar else parts(vector(f"slot/{slot}"))
            for name in names:
                slots[name][slot] = each[name]
        weights, new = apply(
            ops, self._optimizer, parts(vector("joint")), parts(vector("gradient")), slots, number("rate"),
            number("number"),
        )  # fmt: skip
        outputs = {"joint": _joined(list(weights.values()))}
        for slot, kind in kinds.items():
            values = [new[name][slot] for name in names]
            outputs[f"slot/{slot}"] = values[0].symbol if kind.scalar else _joined(values)
        return outputs, extra


def _split(whole: Value, sizes: list[int]) -> list[Value]:
    starts = (0, *np.cumsum(sizes)[:-1].tolist())
    parts = legacy._split_v2(whole.symbol, indices=starts, axis=0, sections=0)
    return [Value(parts[i], (size,), whole.dtype) for i, size in enumerate(sizes)]


def _joined(values: list[Value]) -> Symbol:
    return values[0].symbol if len(values) == 1 else mx.sym.concat(*(v.symbol for v in values), dim=0)


# -- MXNet's own kernels ---------------------------------------------------------------------------------
# They take their numbers in float32, so float64 runs the rules as training.optimizers has them. Adam does so
# always: MXNet's kernel rounds 1 - 0.999 to float32, which puts its second moment off by 1.3e-5.
def _is_plain(o: Optimizer, dtype: str) -> bool:
    """Whether one of MXNet's kernels does just what the rule says."""
    clips = o.clipvalue is not None or o.clipnorm is not None or o.global_clipnorm is not None
    return o.name == "sgd" and dtype == "float32" and o.plain and not (clips or o.nesterov or o.l2)


def _sgd(o: Optimizer, w: Array, g: Array, slots: Mapping[str, Array], lr: float) -> None:
    if o.weight_decay:
        w *= 1 - o.weight_decay * lr
    if o.momentum:
        mx.nd.sgd_mom_update(w, g, slots["momentum"], out=w, lr=lr, momentum=o.momentum, wd=0.0)
    else:
        mx.nd.sgd_update(w, g, out=w, lr=lr, wd=0.0)

"""NumPy's ops held to the branches that they took at one point.

A network of ReLUs and maxima has a kink wherever one of its millions of units changes sides, and central
differences across kinks are off by about the square root of the part of units that did: 1 % on a ResNet.
So whatever selects or rounds is recorded at the base point and repeated beside it. What is left is
smooth, and its derivative at the base point is the one that backpropagation computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import Node
from crosstrain.graph.ops import NUMPY

Memory = Any
Values = dict[str, np.ndarray]


def _extreme(choose: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def look(x: Any, *, axis: Any = None, keepdims: bool = False) -> Memory:
        chosen = x == choose(x, axis=axis, keepdims=True)
        return chosen / np.sum(chosen, axis=axis, keepdims=True)

    def repeat(memory: Memory, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
        return np.sum(np.where(memory, x, 0) * memory, axis=axis, keepdims=keepdims)

    return look, repeat


def _windows(x: Any, window: Any, strides: Any, padding: Any) -> Any:
    """(N, spatial…, C, cells of the window)."""
    grown = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=-np.inf)
    axes = tuple(range(1, x.ndim - 1))
    views = sliding_window_view(grown, tuple(window), axes)
    views = views[(slice(None), *[slice(None, None, s) for s in strides])]
    return views.reshape(*views.shape[: x.ndim], -1)


def _look_max_pool(x: Any, *, window: Any, strides: Any, padding: Any) -> Memory:
    return np.argmax(_windows(x, window, strides, padding), axis=-1)[..., None]


def _repeat_max_pool(memory: Memory, x: Any, *, window: Any, strides: Any, padding: Any) -> Any:
    return np.take_along_axis(_windows(x, window, strides, padding), memory, axis=-1)[..., 0]


def _repeat_sort(memory: Memory, x: Any, *, axis: int = -1) -> Any:
    return np.take_along_axis(x, memory, axis=axis)


def _repeat_top_k(memory: Memory, x: Any, *, k: int) -> Any:
    return np.take_along_axis(x, memory, axis=-1), memory.astype("int32")


SELECTING: dict[str, tuple[Callable[..., Memory], Callable[..., Any]]] = {
    "relu": (lambda x: x > 0, lambda memory, x: np.where(memory, x, 0)),
    "abs": (np.sign, lambda memory, x: x * memory),
    "where": (lambda c, a, b: np.asarray(c), lambda memory, c, a, b: np.where(memory, a, b)),
    "maximum": (lambda a, b: a >= b, lambda memory, a, b: np.where(memory, a, b)),
    "minimum": (lambda a, b: a <= b, lambda memory, a, b: np.where(memory, a, b)),
    "max": _extreme(np.max),
    "min": _extreme(np.min),
    "max_pool": (_look_max_pool, _repeat_max_pool),
    "sort": (lambda x, *, axis=-1: np.argsort(x, axis=axis), _repeat_sort),
    "top_k": (lambda x, *, k: np.argsort(-x, axis=-1, kind="stable")[..., :k], _repeat_top_k),
}
"""For each op that selects: what it remembers of the base point, and what it then computes beside it."""

CONSTANT = (
    "stop_gradient", "sign", "floor", "ceil", "round", "floor_divide", "argmax",
    "equal", "not_equal", "greater", "greater_equal", "less", "less_equal",
)  # fmt: skip
"""Ops through which no gradient flows: beside the base point they give what they gave there."""


class FrozenNode:
    """A node with the branches that it takes for its ``arguments`` at the base point."""

    def __init__(self, node: Node, arguments: Sequence[np.ndarray | None]) -> None:
        self.node = node
        self._memories: list[Memory] = []
        self._next: int | None = None  # None while looking
        table: dict[str, Callable[..., Any]] = {
            **NUMPY,
            **{name: partial(self._selecting, name) for name in SELECTING},
        }
        table.update({name: partial(self._constant, name) for name in CONSTANT})
        table["cast"] = self._cast
        self._ops = Ops(table, "numpy")
        self._attributes = {
            k: "float64" if k == "dtype" and v == "float32" else v for k, v in node.attributes.items()
        }
        self._run(arguments)

    def __call__(self, arguments: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        """The node's outputs, by reference, for other arguments but the same branches."""
        self._next = 0
        return self._run(arguments)

    def _run(self, arguments: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):
            result = getattr(self._ops, self.node.op)(*arguments, **self._attributes)
        outputs = result if isinstance(result, tuple | list) else (result,)
        return dict(zip(self.node.references, map(np.asarray, outputs), strict=False))

    def _recalled(self) -> Memory:
        assert self._next is not None
        self._next += 1
        return self._memories[self._next - 1]

    def _selecting(self, name: str, *arguments: Any, **attributes: Any) -> Any:
        look, repeat = SELECTING[name]
        if self._next is not None:
            return repeat(self._recalled(), *arguments, **attributes)
        self._memories.append(look(*arguments, **attributes))
        return NUMPY[name](*arguments, **attributes)

    def _cast(self, x: Any, *, dtype: str) -> Any:
        """No gradient flows through whole numbers: beside 3.0, which may be rounded to 2, it is still 3."""
        if np.dtype(dtype).kind == "f":
            return NUMPY["cast"](x, dtype=dtype)
        return self._constant("cast", x, dtype=dtype)

    def _constant(self, name: str, *arguments: Any, **attributes: Any) -> Any:
        if self._next is not None:
            return self._recalled()
        self._memories.append(NUMPY[name](*arguments, **attributes))
        return self._memories[-1]


class FrozenGraph:
    """A graph of one phase around a base point: how its result answers to changes there."""

    def __init__(self, nodes: Sequence[Node], values: Mapping[str, np.ndarray], result: str) -> None:
        """``values`` holds the base point: every reference's value, weights (``@``) and inputs too;
        ``result`` is the reference of a scalar."""
        self.nodes, self.values, self.result = nodes, values, result
        self.position = {node.name: index for index, node in enumerate(nodes)}
        self._frozen: dict[str, FrozenNode] = {}

    def result_with(
        self, changed: Mapping[str, np.ndarray], start: int = 0, edge: tuple[int, np.ndarray] | None = None
    ) -> float:
        """The result when references have other values. With ``edge`` (an input's number and a value)
        only the node at ``start`` reads that value."""
        values: Values = dict(changed)
        for position in range(start, len(self.nodes)):
            node = self.nodes[position]
            own = edge if edge and position == start else None
            if own is None and not any(ref in values for ref in node.inputs if ref):
                continue
            arguments = [
                None if ref is None else values.get(ref, self.values.get(ref)) for ref in node.inputs
            ]
            if own:
                arguments[own[0]] = own[1]
            values.update(self._node(node)(arguments))
        return float(values.get(self.result, self.values[self.result]))

    def _node(self, node: Node) -> FrozenNode:
        if node.name not in self._frozen:
            base = [None if ref is None else self.values[ref] for ref in node.inputs]
            self._frozen[node.name] = FrozenNode(node, base)
        return self._frozen[node.name]

"""Which weight of one side is which of the other, and the first side's values in the second."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.difference.aligning import Row
from crosstrain.difference.causes.weights import OTHER, weight_cause
from crosstrain.difference.values import dependent
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Node, Weights
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.locating.causes import meaning

ELEMENTWISE = ("add", "subtract", "multiply", "divide", "matmul")
"""Ops whose place in a network says little about what they are for."""
CONSTANT = "constant/"
"""Begins the names of what a graph keeps as a weight and is none: a window, a mask, a table."""


@dataclass(frozen=True)
class Pair:
    """``a`` and ``b`` are references: a weight (``@name``), or what a graph makes of some weights before it
    uses them. ``fit`` says how A's array becomes B's; ``by`` how the pair was found; ``node`` reads B's."""

    a: str
    b: str
    fit: str
    by: str
    row: Row | None = None
    position: int = 0


@dataclass(frozen=True)
class Matching:
    """All pairs, ``carried`` (B's weights with A's values), and what has no partner. ``unfit`` are pairs
    by place whose shapes do not fit."""

    pairs: tuple[Pair, ...]
    carried: Weights
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    unfit: tuple[Pair, ...] = ()
    own: bool = False
    """Whether B has A's values already, so that its own are compared."""


# -- values of references ------------------------------------------------------------------------------
def read(graph: Graph, ref: str, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """The value of a reference that only weights go into."""
    if ref.startswith("@"):
        return np.asarray(weights[ref[1:]])
    name, _, index = ref[1:].partition(":")
    node = graph.node(name)
    arguments = [read(graph, r, weights) if r else None for r in node.inputs]
    return meaning(node, arguments)[int(index or 0)]


def behind(graph: Graph, ref: str) -> list[str]:
    """The names of the weights behind a reference."""
    if ref.startswith("@"):
        return [ref[1:]]
    node = graph.node(ref[1:].partition(":")[0])
    return [name for r in node.inputs if r for name in behind(graph, r)]


def assigned(graph: Graph, ref: str, value: np.ndarray, gradient: bool = False) -> Arrays | None:
    """The weights that give a reference this value; None where no rule says. Of two that are added, the first
    gets all of it; of a ``gradient`` both do."""
    if ref.startswith("@"):
        shape = graph.weights[ref[1:]].shape
        return {ref[1:]: value.reshape(shape)} if value.size == np.prod(shape) else None
    node = graph.node(ref[1:].partition(":")[0])
    parts = _parts(graph, node, value, gradient)
    if parts is None:
        return None
    found: Arrays = {}
    for each, part in parts.items():
        inner = assigned(graph, each, part, gradient)
        if inner is None:
            return None
        found |= inner
    return found


def _parts(graph: Graph, node: Node, value: np.ndarray, gradient: bool) -> dict[str, np.ndarray] | None:
    refs = [str(r) for r in node.inputs if r]
    if node.op in ("reshape", "expand_dims", "squeeze", "cast"):
        return {refs[0]: value.reshape([n or 1 for n in graph.spec(refs[0]).shape])}
    if node.op == "transpose":
        return {refs[0]: np.transpose(value, np.argsort(node.attributes["axes"]))}
    if node.op == "stack":
        axis = node.attributes["axis"]
        return {r: np.take(value, i, axis=axis) for i, r in enumerate(refs)}
    if node.op == "add" and all(graph.spec(r).shape == graph.spec(refs[0]).shape for r in refs):
        rest = value if gradient else np.zeros_like(value)
        return {r: value if i == 0 else rest for i, r in enumerate(refs)}
    return None


# -- matching ------------------------------------------------------------------------------------------
FITS = ("as it is", "reshaped", "transposed", "as the first of two biases")


def fitted(value: np.ndarray, shape: Sequence[int]) -> tuple[str, np.ndarray] | None:
    """How an array fits another shape, and the array in it."""
    shape = tuple(shape)
    if value.shape == shape:
        return FITS[0], value
    if tuple(n for n in value.shape if n != 1) == tuple(n for n in shape if n != 1):
        return FITS[1], value.reshape(shape)
    if value.ndim == 2 and value.T.shape == shape:
        return FITS[2], value.T
    if value.ndim == 1 and shape == (2, *value.shape):
        return FITS[3], np.stack([value, np.zeros_like(value)])
    return None


def matched(
    rows: Sequence[Row], graphs: tuple[Graph, Graph], weights: tuple[Weights, Weights],
    said: Mapping[str, str] | None = None, policy: str = "auto",
) -> Matching:  # fmt: skip
    """Weights matched by what ``said`` gives (B's name to A's), by the node that reads them and as which of
    its inputs, by name, and by order and shape (of one shape, those first that are called alike). ``policy``
    is ``own``, ``carry`` or ``auto``: B's own values are kept where half of its kernels or more are A's
    already."""
    work = _Work(graphs, weights)
    work.by_map(said or {})
    work.by_place(rows)
    work.by_name_and_order()
    own = policy == "own" or (policy == "auto" and work.mostly_own())
    return Matching(
        tuple(work.pairs), weights[1] if own else work.carried, tuple(work.left(0)), tuple(work.left(1)),
        tuple(work.unfit), own,
    )  # fmt: skip


@dataclass
class _Work:
    graphs: tuple[Graph, Graph]
    weights: tuple[Weights, Weights]
    pairs: list[Pair] = field(default_factory=list)
    unfit: list[Pair] = field(default_factory=list)
    used: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    carried: Weights = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.carried = dict(self.weights[1])

    def left(self, side: int) -> list[str]:
        """Weights of a side without a partner; constants of its own need none."""
        graph = self.graphs[side]
        wanted = [*graph.trainable, *graph.updates]
        return [name for name in dict.fromkeys(wanted) if name not in self.used[side]]

    def take(self, a: str, b: str, by: str, row: Row | None = None, position: int = 0) -> None:
        names = behind(self.graphs[0], a), behind(self.graphs[1], b)
        if not names[0] or not names[1] or self.used[1].issuperset(names[1]):
            return
        if any(name.startswith(CONSTANT) for name in (*names[0], *names[1])):
            return
        value = read(self.graphs[0], a, self.weights[0])
        fit = fitted(value, read(self.graphs[1], b, self.weights[1]).shape)
        found = fit and assigned(self.graphs[1], b, fit[1])
        if not fit or not found:
            if row is None or row.a is None or row.a.op in ELEMENTWISE:
                return  # of two sums, nothing says that they are the same one
            self.unfit.append(Pair(a, b, "", by, row, position))
            self.used[0].update(names[0])
            self.used[1].update(names[1])
            return
        self.pairs.append(Pair(a, b, fit[0], by, row, position))
        self.carried |= found
        self.used[0].update(names[0])
        self.used[1].update(names[1])

    def by_map(self, said: Mapping[str, str]) -> None:
        for b, a in said.items():
            for name, graph, side in ((a, self.graphs[0], "A"), (b, self.graphs[1], "B")):
                if name not in graph.weights:
                    raise CrosstrainError(
                        f"--map names the weight {name!r}, which {side} lacks; "
                        f"it has {', '.join(list(graph.weights)[:6])}"
                    )
            self.take(f"@{a}", f"@{b}", "map")

    def by_place(self, rows: Sequence[Row]) -> None:
        fed = dependent(self.graphs[0]) | {""}, dependent(self.graphs[1]) | {""}
        for row in rows:
            if not (row.a and row.b and row.same_op):
                continue
            pairs = enumerate(zip(row.a.inputs, row.b.inputs, strict=False))
            for position, (a, b) in pairs:
                if a and b and a not in fed[0] and b not in fed[1]:
                    self.take(a, b, "place", row, position)

    def by_name_and_order(self) -> None:
        for name in self.left(1):
            if name in self.left(0):
                self.take(f"@{name}", f"@{name}", "name")
        for b in self.left(1):
            shape = self.graphs[1].weights[b].shape
            same = [a for a in self.left(0) if self.graphs[0].weights[a].shape == shape]
            # A kernel of two features and two biases have one shape: their names tell them apart.
            same.sort(key=lambda a: _role(a) != _role(b))
            if same:
                self.take(f"@{same[0]}", f"@{b}", "order and shape")

    def mostly_own(self) -> bool:
        kernels = [p for p in self.pairs if p.fit and read(self.graphs[0], p.a, self.weights[0]).ndim > 1]
        own = [
            p for p in kernels if weight_cause(*values_of(p, self.graphs, self.weights), _op(p))[0] != OTHER
        ]
        return bool(kernels) and 2 * len(own) >= len(kernels)


def _role(name: str) -> str:
    """What a weight is in its layer, by the end of its name: ``kernel`` of ``gru/cell/kernel``."""
    role = re.split(r"[/.]", name)[-1]
    return "kernel" if role == "weight" else role


def _op(pair: Pair) -> str:
    return pair.row.a.op if pair.row and pair.row.a else ""


def values_of(
    pair: Pair,
    graphs: tuple[Graph, Graph],
    weights: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """A's value in B's shape, and B's."""
    a, b = (read(g, ref, w) for g, ref, w in zip(graphs, (pair.a, pair.b), weights, strict=True))
    fit = fitted(a, b.shape)
    assert fit is not None, pair
    return fit[1], b


# -- the map file --------------------------------------------------------------------------------------
def read_map(path: Path) -> dict[str, str]:
    """The file of ``--map``: ``{"weights": {B's name: A's name}}``."""
    try:
        data: Any = json.loads(path.read_text())
        rows = data["weights"]
        return {str(b): str(a) for b, a in rows.items() if a}
    except FileNotFoundError as error:
        raise CrosstrainError(f"there is no file {path} (given as --map)") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CrosstrainError(
            f'{path} is no map of weights; it has to be JSON: {{"weights": {{"name in B": "name in A"}}}}'
        ) from error


def proposal(matching: Matching, graphs: tuple[Graph, Graph]) -> dict[str, Any]:
    """What ``read_map`` reads: the pairs that were found, and B's weights without a partner (null)."""
    rows: dict[str, str | None] = {}
    for pair in matching.pairs:
        a, b = behind(graphs[0], pair.a), behind(graphs[1], pair.b)
        if len(a) == len(b) == 1:
            rows[b[0]] = a[0]
    return {"weights": rows | dict.fromkeys(matching.only_b), "only in A": list(matching.only_a)}

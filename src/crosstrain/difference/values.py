"""What a graph's nodes compute, with some of them forced to other values, and which values of two graphs are
the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from crosstrain.graph.graph import SEED, Graph, Node, reference
from crosstrain.graph.node import frozen
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.compare import relative
from crosstrain.proof.locating.causes import meaning
from crosstrain.proof.truths.by_numpy import as_read

SAME = 1e-6
"""Two values are the same up to this relative error: files keep numbers such as a slope of 0.3, or the square
root of 2 in a gelu, in float32, and deep networks add that up."""

DIGITS = 7
"""To so many digits an attribute is what float32 made of it."""


def written(graph: Graph) -> Graph:
    """The graph with its numbers as somebody wrote them: 0.3, not the float32 0.30000001192092896."""

    def plain(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value:.{DIGITS}g}")
        return tuple(map(plain, value)) if isinstance(value, tuple) else value

    nodes = tuple(
        replace(n, attributes={k: plain(frozen(v)) for k, v in n.attributes.items()}) for n in graph.nodes
    )
    return replace(graph, nodes=nodes)


@dataclass(frozen=True)
class Run:
    """A graph of one phase on a batch, in float64. ``forced`` replaces what the nodes of these references
    give."""

    graph: Graph
    weights: Mapping[str, np.ndarray]
    batch: Mapping[str, np.ndarray]
    forced: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def values(self) -> Arrays:
        """Every value by its reference, weights (``@name``) among them."""
        values: Arrays = {f"@{k}": np.asarray(v) for k, v in self.weights.items()}
        values |= {reference(k): v for k, v in as_read(self.graph, self.batch).items()}
        for node in self.graph.nodes:
            results = meaning(node, [values[r] if r else None for r in node.inputs])
            values.update(zip(node.references, results, strict=False))
            values.update({ref: self.forced[ref] for ref in node.references if ref in self.forced})
        return values

    @property
    def outputs(self) -> Arrays:
        return {name: self.values[ref] for name, ref in self.graph.outputs.items()}

    def arguments(self, node: Node) -> list[np.ndarray | None]:
        return [self.values[r] if r else None for r in node.inputs]

    def with_forced(self, forced: Mapping[str, np.ndarray]) -> Run:
        return replace(self, forced={**self.forced, **forced})

    @cached_property
    def fed(self) -> frozenset[str]:
        """References of the values that depend on the network's inputs."""
        return frozenset(dependent(self.graph))


def dependent(graph: Graph) -> set[str]:
    """The references that depend on an input of the graph (the seed of its noise is none)."""
    found = {reference(name) for name in graph.inputs if name != SEED}
    for node in graph.nodes:
        if found.intersection(r for r in node.inputs if r):
            found.update(node.references)
    return found


def turned(x: np.ndarray) -> Iterator[np.ndarray]:
    """The same numbers in the other layouts that frameworks have: channels first or last, time first."""
    yield x
    if x.ndim >= 3:
        yield np.moveaxis(x, -1, 1)
        yield np.moveaxis(x, 1, -1)
        yield x.swapaxes(0, 1)


def as_other(x: np.ndarray, other: np.ndarray, same: float = SAME) -> np.ndarray | None:
    """``x`` in the layout of ``other`` where both are the same numbers; None where they are not."""
    if x.size != other.size or x.dtype.kind != other.dtype.kind:
        return None
    for way in turned(x):
        if _squeezed(way) == _squeezed(other) and relative(way.reshape(other.shape), other) <= same:
            return way.reshape(other.shape)
    return None


def in_layout(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``x`` in a layout of this shape; None where there is none."""
    ways = (way for way in turned(x) if _squeezed(way) == tuple(n for n in shape if n != 1))
    way = next(ways, None)
    return None if way is None else way.reshape(shape)


def _squeezed(x: np.ndarray) -> tuple[int, ...]:
    return tuple(n for n in x.shape if n != 1)


class Partners:
    """Which values of one run another has too, in whatever layout."""

    def __init__(self, run: Run, other: Run) -> None:
        self._by_norm: dict[int, list[tuple[float, str]]] = {}
        self.run, self.other = run, other
        for ref in other.fed:
            value = other.values[ref]
            if value.dtype.kind == "f":
                self._by_norm.setdefault(value.size, []).append((float(np.linalg.norm(value)), ref))

    def of(self, value: np.ndarray) -> str | None:
        """The reference of the first value of the other run that is the same."""
        if value.dtype.kind != "f" or not value.size:
            return None
        norm = float(np.linalg.norm(value))
        for other, ref in self._by_norm.get(value.size, ()):
            close = abs(other - norm) <= 2 * SAME * max(norm, 1e-30)
            if close and as_other(value, self.other.values[ref]) is not None:
                return ref
        return None

    @cached_property
    def found(self) -> dict[str, str]:
        """By the reference of each value of the run that the other has: one of the other's references."""
        found = {}
        for node in self.run.graph.nodes:
            for ref in node.references:
                if (
                    ref in self.run.fed
                    and ref in self.run.values
                    and (partner := self.of(self.run.values[ref]))
                ):
                    found[ref] = partner
        for name in self.run.graph.inputs:
            ref = reference(name)
            if ref in self.run.fed:
                found[ref] = self.of(self.run.values[ref]) or ref
        return found


def departing(run: Run, found: Mapping[str, str]) -> Node | None:
    """The first node whose value the other side lacks and from which no common value is reached any more.

    A node that the other side writes in other steps leads to a value that both have, and is none."""
    lost: Node | None = None
    reaching, needed = set(found), set(run.graph.outputs.values())
    for node in reversed(run.graph.nodes):
        results = needed.intersection(node.references)
        needed.update(r for r in node.inputs if r and results)
        if not run.fed.intersection(results):
            continue
        if reaching.intersection(results):
            reaching.update(r for r in node.inputs if r)
        else:
            lost = node
    return lost

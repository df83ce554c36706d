"""What a graph costs: parameters, multiply-accumulates and activation memory, for one example."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.graph.graph import Graph, Node, TensorSpec

BYTES = {"bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int64": 8}
"""Bytes per number of dtypes that do not have four."""

Specs = Sequence[TensorSpec | None]


@dataclass(frozen=True)
class NodeCost:
    """One node: numbers it trains, multiply-accumulates and bytes of output, for one example."""

    name: str
    op: str
    shape: tuple[int | None, ...]
    parameters: int
    macs: int
    activation_bytes: int


@dataclass(frozen=True)
class Cost:
    """A whole graph. ``activation_bytes`` is the sum of all nodes' outputs in float32 (what training keeps
    at most), ``state`` the non-trainable numbers. Lengths that only the data knows count as 1."""

    parameters: int
    state: int
    macs: int
    activation_bytes: int
    nodes: tuple[NodeCost, ...]


def size(shape: Sequence[int | None]) -> int:
    """Number of elements in one example."""
    return math.prod(s or 1 for s in shape)


def _conv(i: Specs, o: Specs, attributes: Any) -> int:
    kernel, out = i[1], o[0]
    assert kernel is not None
    assert out is not None
    return size(out.shape[1:-1]) * size(kernel.shape)


def _transposed(i: Specs, o: Specs, attributes: Any) -> int:
    x, kernel = i[:2]
    assert x is not None
    assert kernel is not None
    return size(x.shape[1:-1]) * size(kernel.shape)


def _matmul(i: Specs, o: Specs, attributes: Any) -> int:
    a, out = i[0], o[0]
    assert a is not None
    assert out is not None
    return size(out.shape) * (a.shape[-1] or 1)


def _einsum(i: Specs, o: Specs, attributes: Any) -> int:
    terms = attributes["equation"].partition("->")[0].split(",")
    lengths: dict[str, int] = {}
    for term, spec in zip(terms, i, strict=True):
        assert spec
        for letter, length in zip(term, spec.shape, strict=True):
            lengths[letter] = max(lengths.get(letter, 1), length or 1)
    return math.prod(lengths.values()) if len(terms) > 1 else 0


def _recurrent(i: Specs, o: Specs, attributes: Any) -> int:
    x, kernel, recurrent = i[:3]
    assert x is not None
    assert kernel is not None
    assert recurrent is not None
    return (x.shape[1] or 1) * (size(kernel.shape) + size(recurrent.shape))


MACS: dict[str, Callable[[Specs, Specs, Any], int]] = {
    "dense": _conv, "conv": _conv, "depthwise_conv": _conv, "conv_transpose": _transposed, "matmul": _matmul,
    "einsum": _einsum, "simple_rnn": _recurrent, "lstm": _recurrent, "gru": _recurrent,
}  # fmt: skip
"""Ops that multiply and accumulate; all others count as 0, as is usual."""


def cost(graph: Graph) -> Cost:
    """The cost of the inference phase. A weight counts at the first node that reads it."""
    phase = graph.phase(training=False)
    specs = {
        ref: spec for node in phase.nodes for ref, spec in zip(node.references, node.outputs, strict=True)
    }
    specs.update((f"%{name}", spec) for name, spec in phase.inputs.items())
    specs.update((f"@{name}", TensorSpec(spec.shape, spec.dtype)) for name, spec in phase.weights.items())
    counted: set[str] = set()
    rows = []
    for node in phase.nodes:
        read = {i[1:] for i in node.inputs if i and i[0] == "@"} - counted
        counted |= read
        rows.append(_row(node, [specs[i] if i else None for i in node.inputs], graph, read))
    state = sum(size(w.shape) for w in graph.weights.values() if not w.trainable)
    return Cost(
        graph.parameters, state, sum(r.macs for r in rows), sum(r.activation_bytes for r in rows), tuple(rows)
    )


def _row(node: Node, inputs: Specs, graph: Graph, read: set[str]) -> NodeCost:
    rule = MACS.get(node.op)
    return NodeCost(
        name=node.name,
        op=node.op,
        shape=node.outputs[0].shape,
        parameters=sum(size(graph.weights[w].shape) for w in read if graph.weights[w].trainable),
        macs=rule(inputs, node.outputs, node.attributes) if rule else 0,
        activation_bytes=sum(
            size(o.shape[1:]) * BYTES.get(o.dtype, 4) for o in node.outputs if o.shape[:1] == (None,)
        ),
    )


def describe(graph: Graph, width: int = 100) -> str:
    """The graph as a table: a line for each node, and the totals."""
    costs = cost(graph)
    place = width - 58
    lines = [f"{'node':<{place}} {'op':<16} {'output':>15} {'parameters':>11} {'MACs':>12}"]
    for row in costs.nodes:
        shape = "×".join("?" if s is None else str(s) for s in row.shape[1:] if row.shape) or "scalar"
        name = row.name if len(row.name) <= place else "…" + row.name[-place + 1 :]
        lines.append(
            f"{name:<{place}} {row.op[:16]:<16} {shape:>15} {row.parameters or '':>11} {row.macs or '':>12}"
        )
    lines.append(
        f"{graph.name}: {costs.parameters:,} parameters, {costs.state:,} numbers of state, "
        f"{costs.macs / 1e6:,.1f} million MACs and {costs.activation_bytes / 2**20:,.1f} MiB of "
        "activations an example"
    )
    return "\n".join(lines)

"""Sets the nodes of two graphs side by side, in order: the longest sequence that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.difference.values import dependent
from crosstrain.graph.graph import Graph, Node

PLUMBING = {
    "reshape", "transpose", "expand_dims", "squeeze", "cast", "constant", "stack", "full_like", "linear",
    "broadcast_to", "stop_gradient", "split", "slice", "take", "phase_select", "flip",
}  # fmt: skip
"""Ops that only move numbers about; frameworks differ in them without differing in the network."""

KINDS = {
    "activation": "relu relu6 leaky_relu elu selu celu gelu silu softplus softsign sigmoid tanh hard_sigmoid "
    "hard_silu hard_tanh prelu softmax log_softmax",
    "pooling": "max_pool average_pool",
    "normalisation": "batch_norm normalize layer_norm group_norm rms_norm",
    "recurrent": "lstm gru simple_rnn stepwise_lstm stepwise_gru stepwise_simple_rnn",
    "convolution": "conv depthwise_conv",
}
"""What may stand in each other's place."""

FAMILY = {"depthwise_conv": "conv", "normalize": "batch_norm"}
KIND = {op: kind for kind, ops in KINDS.items() for op in ops.split()}


@dataclass(frozen=True)
class Row:
    """A node of each side that belong together, or one without a partner."""

    a: Node | None
    b: Node | None

    @property
    def same_op(self) -> bool:
        return bool(self.a and self.b and family(self.a) == family(self.b))


def family(node: Node) -> str:
    return FAMILY.get(node.op, node.op)


@dataclass(frozen=True)
class Seen:
    """A node as it is compared: the lengths of its output and of the weights that it reads, each in any order
    of axes (frameworks differ in that)."""

    node: Node
    output: tuple[str, ...]
    weights: tuple[tuple[str, ...], ...]


def significant(graph: Graph) -> list[Seen]:
    """The nodes that make a network, in order: without plumbing, and without what only weights go into."""
    fed = dependent(graph)
    kept = [n for n in graph.nodes if n.op not in PLUMBING and fed.intersection(r for r in n.inputs if r)]
    return [
        Seen(n, _lengths(n.outputs[0].shape),
             tuple(sorted(_lengths(graph.spec(r).shape) for r in n.inputs if r and r not in fed)))
        for n in kept
    ]  # fmt: skip


def _lengths(shape: Sequence[int | None]) -> tuple[str, ...]:
    return tuple(sorted(str(n) for n in shape if n != 1))


def backwards(graph: Graph) -> list[str]:
    """The names of the nodes in the order in which the outputs come to need them, inputs first: the same for
    branches that are run in another order."""
    made = {ref: node for node in graph.nodes for ref in node.references}
    order: dict[str, None] = {}
    waiting = [(made[ref], False) for ref in reversed([*graph.outputs.values()]) if ref in made]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            order[node.name] = None
        elif node.name not in order:
            waiting.append((node, True))
            waiting += [(made[r], False) for r in reversed(node.inputs) if r in made]
    return list(order)


def aligned(a: Graph, b: Graph) -> list[Row]:
    """Both graphs' nodes side by side, such that as many as possible have a partner of the same op and shape
    (Needleman and Wunsch 1970): in the order in which they are run, or, where that fits better, in the order
    in which the outputs need them."""
    sides = significant(a), significant(b)
    score = _scores(*sides)
    if score[0, 0] < max(sum(likeness(seen, seen) for seen in side) for side in sides):
        others = _in_order(a, sides[0]), _in_order(b, sides[1])
        if (better := _scores(*others))[0, 0] > score[0, 0]:
            return _rows(*others, better)
    return _rows(*sides, score)


def _in_order(graph: Graph, side: Sequence[Seen]) -> list[Seen]:
    places = {name: place for place, name in enumerate(backwards(graph))}
    return sorted(side, key=lambda seen: places.get(seen.node.name, len(places)))


def _scores(left: Sequence[Seen], right: Sequence[Seen]) -> np.ndarray:
    """The best score of what is left from each pair of places on."""
    score = np.zeros((len(left) + 1, len(right) + 1))
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            score[i, j] = max(
                score[i + 1, j], score[i, j + 1], likeness(left[i], right[j]) + score[i + 1, j + 1]
            )
    return score


def _rows(left: Sequence[Seen], right: Sequence[Seen], score: np.ndarray) -> list[Row]:
    rows, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        like = likeness(left[i], right[j])
        if like > 0 and score[i, j] == like + score[i + 1, j + 1]:
            rows.append(Row(left[i].node, right[j].node))
            i, j = i + 1, j + 1
        elif score[i, j] == score[i + 1, j]:
            rows.append(Row(left[i].node, None))
            i += 1
        else:
            rows.append(Row(None, right[j].node))
            j += 1
    return rows + [Row(s.node, None) for s in left[i:]] + [Row(None, s.node) for s in right[j:]]


def likeness(a: Seen, b: Seen) -> float:
    """4 for the same op, 1 for one of the same kind, and half as much again for the same shape, an eighth for
    weights of the same shapes; 0 for what does not belong together."""
    one, other = a.node, b.node
    base = (
        4.0 if family(one) == family(other) else float(one.op in KIND and KIND[one.op] == KIND.get(other.op))
    )
    return base * (1 + 0.5 * (a.output == b.output) + 0.125 * (a.weights == b.weights))

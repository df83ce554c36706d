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


def significant(graph: Graph) -> list[Node]:
    """The nodes that make a network, in order: without plumbing, and without what only weights go into."""
    fed = dependent(graph)
    return [n for n in graph.nodes if n.op not in PLUMBING and fed.intersection(r for r in n.inputs if r)]


def aligned(a: Graph, b: Graph) -> list[Row]:
    """Both graphs' nodes side by side, such that as many as possible have a partner of the same op and shape
    (Needleman and Wunsch 1970)."""
    left, right = significant(a), significant(b)
    score = np.zeros((len(left) + 1, len(right) + 1))
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            score[i, j] = max(
                score[i + 1, j], score[i, j + 1], likeness(left[i], right[j]) + score[i + 1, j + 1]
            )
    return _rows(left, right, score)


def _rows(left: Sequence[Node], right: Sequence[Node], score: np.ndarray) -> list[Row]:
    rows, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        like = likeness(left[i], right[j])
        if like > 0 and score[i, j] == like + score[i + 1, j + 1]:
            rows.append(Row(left[i], right[j]))
            i, j = i + 1, j + 1
        elif score[i, j] == score[i + 1, j]:
            rows.append(Row(left[i], None))
            i += 1
        else:
            rows.append(Row(None, right[j]))
            j += 1
    return rows + [Row(n, None) for n in left[i:]] + [Row(None, n) for n in right[j:]]


def likeness(a: Node, b: Node) -> float:
    """4 for the same op, 1 for one of the same kind, and half as much again for the same shape; 0 for what
    does not belong together."""
    same_shape = sorted(map(str, a.outputs[0].shape)) == sorted(map(str, b.outputs[0].shape))
    base = 4.0 if family(a) == family(b) else float(a.op in KIND and KIND[a.op] == KIND.get(b.op))
    return base * (1.5 if same_shape else 1.0)

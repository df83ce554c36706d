"""Differences of order and of architecture: flatten, corners, gates, a layer that one side lacks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crosstrain.difference.causes.table import Explanation, Suspicion, rule
from crosstrain.difference.values import as_other
from crosstrain.graph.graph import Node
from crosstrain.proof.locating.causes import meaning

FLATTEN = (
    "flatten channels last in both (PyTorch: x.permute(0, 2, 3, 1).flatten(1)), or channels first (Keras: "
    "Permute before Flatten), or reorder the rows of the next dense kernel"
)


@rule("reshape")
def flattened(s: Suspicion) -> Iterator[Explanation]:
    """Channels last against channels first."""
    x = s.situation.arguments[0]
    if x is None or x.ndim < 3:
        return
    shape = s.situation.true.shape
    for words, other in (
        ("A flattens with the channels last, B with the channels first", np.moveaxis(x, -1, 1)),
        ("A flattens with the channels first, B with the channels last", np.moveaxis(x, 1, -1)),
    ):
        yield Explanation("flatten order", words, FLATTEN, other.reshape(shape))


@rule("einsum", "matmul")
def corners(s: Suspicion) -> Iterator[Explanation]:
    """Interpolation whose grid runs from corner to corner, or from half cell to half cell."""
    for index, matrix in enumerate(s.situation.arguments):
        if matrix is None or matrix.ndim != 2 or not np.allclose(matrix.sum(axis=1), 1):
            continue
        long, short = matrix.shape
        if long < 2 or short < 2:
            continue
        for words, places in (
            ("B aligns the corners, A does not", np.arange(long) * (short - 1) / (long - 1)),
            (
                "A aligns the corners, B does not",
                np.clip((np.arange(long) + 0.5) * short / long - 0.5, 0, short - 1),
            ),
        ):
            value = s.situation.replaced(index, linear(places, short))
            yield Explanation(
                "align corners", f"interpolation: {words}",
                "interpolate with align_corners=False in PyTorch, as Keras does", value,
            )  # fmt: skip


def linear(places: np.ndarray, cells: int) -> np.ndarray:
    """The matrix that interpolates ``cells`` numbers at these places (0 … cells - 1)."""
    left = np.minimum(np.floor(places).astype(int), cells - 2)
    part = places - left
    matrix = np.zeros((len(places), cells))
    rows = np.arange(len(places))
    matrix[rows, left] += 1 - part
    matrix[rows, left + 1] += part
    return matrix


GATES = {"lstm": ("i", "f", "c", "o"), "gru": ("z", "r", "h")}


@rule("lstm", "gru")
def gates(s: Suspicion) -> Iterator[Explanation]:
    """The gates of a recurrent layer in another order; a GRU that lacks its second bias."""
    assert s.a is not None
    names = GATES[s.a.op]
    x, kernel, inner, bias, *states = s.situation.arguments
    assert kernel is not None
    assert inner is not None
    for order in itertools.permutations(range(len(names))):
        if list(order) == sorted(order):
            continue
        blocks = [_permuted(w, order) for w in (kernel, inner)]
        changed = (x, *blocks, None if bias is None else _permuted(bias, order), *states)
        words = f"B has the gates in the order {', '.join(names[i] for i in np.argsort(order))}"
        for value in _outputs(s, changed):
            yield Explanation(
                "gate order", f"{words}, A in the order {', '.join(names)}",
                "reorder the blocks of kernel, recurrent kernel and bias when the weights are carried over",
                value,
            )  # fmt: skip


RESET = "PyTorch's GRU multiplies after the product and has two biases: use reset_after=True in Keras"


@rule("gru")
def second_bias(s: Suspicion) -> Iterator[Explanation]:
    """The bias inside the reset gate."""
    x, kernel, inner, bias, *states = s.situation.arguments
    if bias is None:
        return
    if bias.ndim == 1:
        two = np.stack([bias, np.zeros_like(bias)])
        value = s.situation.again(x, kernel, inner, two, *states, reset_after=True)
        yield Explanation(
            "reset gate", "B multiplies by the reset gate after the product, A before it", RESET, value
        )
        return
    for words, other in (
        ("B lacks the second bias, which the reset gate multiplies", bias * [[1.0], [0.0]]),
        ("B adds both biases outside the reset gate", np.stack([bias.sum(axis=0), np.zeros(bias.shape[1])])),
    ):
        for value in _outputs(s, (x, kernel, inner, other, *states)):
            yield Explanation(
                "two biases",
                words,
                "keep both biases (Keras: reset_after=True; PyTorch has two always)",
                value,
            )
    yield Explanation(
        "reset gate", "B multiplies by the reset gate before the product, A after it",
        RESET,
        s.situation.again(x, kernel, inner, bias.sum(axis=0), *states, reset_after=False),
    )  # fmt: skip


def _permuted(w: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    parts = np.split(w, len(order), axis=-1)
    return np.concatenate([parts[i] for i in order], axis=-1)


def _outputs(s: Suspicion, arguments: tuple[np.ndarray | None, ...]) -> Iterator[np.ndarray]:
    """The outputs over time and the last state: B may compute only one of them."""
    yield from meaning(s.situation.node, arguments)[:2]


# -- layers that one side lacks ------------------------------------------------------------------------
def skipped(s: Suspicion, side: int) -> tuple[Node, str, str] | None:
    """The departing node of a side without which the other side's numbers come out, and the references, the
    side's and the other's, that show it: of what comes next, or of the end where nothing does."""
    node = (s.a, s.b)[side]
    if node is None or not node.inputs or not node.inputs[0] or not node.outputs:
        return None
    run, partners = s.runs[side], s.common[side]
    ref, source = node.references[0], str(node.inputs[0])
    if run.values[source].shape != run.values[ref].shape:
        return None
    without = run.with_forced({ref: run.values[source]})
    if ref in run.graph.outputs.values():
        name = next(k for k, v in run.graph.outputs.items() if v == ref)
        other = list(s.runs[1 - side].graph.outputs.values())[list(run.graph.outputs).index(name)]
        end = s.runs[1 - side].values[other]
        return (node, ref, other) if as_other(run.values[source], end) is not None else None
    for later in run.graph.nodes:
        if (
            ref in later.inputs
            and later.references
            and (found := partners.of(without.values[later.references[0]]))
        ):
            return node, later.references[0], found
    return None


@dataclass(frozen=True)
class Missing:
    """A layer that side ``has`` (0 for A) has and the other lacks; ``ref`` is the first value of that side
    behind it that ``other`` of the other side would be."""

    cause: str
    what: str
    change: str
    has: int
    node: Node
    ref: str
    other: str


def layer_missing(s: Suspicion) -> Missing | None:
    """The layer that one side lacks where the first departure is that."""
    for side, (has, lacks) in enumerate((("A", "B"), ("B", "A"))):
        found = skipped(s, side)
        if not found:
            continue
        node, *refs = found
        source = _maker(s, side, node)
        if node.op in ("softmax", "log_softmax", "sigmoid") and source and source.op == node.op:
            what = f"{has} applies {node.op} to what is a {node.op} already"
            return Missing(
                "softmax twice", what, f"leave the second {node.op} out of {has}", side, node, *refs
            )
        what = f"{lacks} has no {node.op} here ({has}: {node.layer or node.name})"
        change = f"add the {node.op} to {lacks}, or leave it out of {has}"
        return Missing("missing layer", what, change, side, node, *refs)
    return None


def _maker(s: Suspicion, side: int, node: Node) -> Node | None:
    return next((n for n in s.runs[side].graph.nodes if node.inputs[0] in n.references), None)

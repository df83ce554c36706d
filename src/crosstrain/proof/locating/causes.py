"""Known differences between frameworks, each as an experiment: put it into the NumPy meaning of the node
that departs, and see whether it gives the engine's numbers.

A row is a function that yields ``(sentence, what the node would then give)``; ``@known("conv", …)`` says
for which ops, ``@known()`` for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.graph.graph import Node
from crosstrain.proof.truths.by_numpy import OPS

Explanation = tuple[str, np.ndarray]
Experiment = Callable[["Situation"], Iterator[Explanation]]


@dataclass(frozen=True)
class Situation:
    """A node with the values that the engine fed it, and what came out of output ``index``: by NumPy
    (``true``) and by the engine (``got``)."""

    node: Node
    arguments: Sequence[np.ndarray | None]
    true: np.ndarray
    got: np.ndarray
    index: int = 0

    def again(self, *arguments: np.ndarray | None, op: str = "", **changes: Any) -> np.ndarray:
        """The output with other arguments (by default its own), attributes or op."""
        node = Node(
            self.node.name, op or self.node.op, self.node.inputs,
            {**self.node.attributes, **changes}, self.node.outputs,
        )  # fmt: skip
        return meaning(node, arguments or self.arguments)[self.index]

    def replaced(self, index: int, value: np.ndarray | None) -> np.ndarray:
        """The output with one argument replaced."""
        return self.again(*[value if i == index else a for i, a in enumerate(self.arguments)])


def meaning(node: Node, arguments: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """What a node computes by the vocabulary, in float64."""
    attributes = {k: "float64" if k == "dtype" and v == "float32" else v for k, v in node.attributes.items()}
    with np.errstate(all="ignore"):
        result = getattr(OPS, node.op)(*arguments, **attributes)
    return tuple(map(np.asarray, result)) if isinstance(result, tuple | list) else (np.asarray(result),)


EXPERIMENTS: dict[str, list[Experiment]] = {}


def known(*ops: str) -> Callable[[Experiment], Experiment]:
    """Add an experiment for these ops (for all ops, where none is named)."""

    def add(experiment: Experiment) -> Experiment:
        for op in ops or ("",):
            EXPERIMENTS.setdefault(op, []).append(experiment)
        return experiment

    return add


# -- for every op ------------------------------------------------------------------------------------
@known()
def left_out(s: Situation) -> Iterator[Explanation]:
    """A missing activation, a missing normalisation."""
    for argument in s.arguments:
        if argument is not None and argument.shape == s.true.shape:
            yield f"the {s.node.op} is missing: the engine hands its input on", argument


@known()
def other_input(s: Situation) -> Iterator[Explanation]:
    """Pictures on their side; channels-last memory read as channels-first."""
    x = s.arguments[0] if s.arguments else None
    if x is None:
        return
    for sentence, value in rearranged(x):
        yield f"the input of the {s.node.op} {sentence}", s.replaced(0, value)


@known()
def other_output(s: Situation) -> Iterator[Explanation]:
    """The right values in the wrong places."""
    for sentence, value in rearranged(s.true):
        yield f"the output of the {s.node.op} {sentence}", value


def rearranged(x: np.ndarray) -> Iterator[Explanation]:
    """Faults of layout, each with what it makes of ``x`` (N, …, C)."""
    if x.ndim == 4:
        n, h, w, c = x.shape
        if h == w:
            yield "has height and width swapped", x.swapaxes(1, 2)
        yield (
            "has its channels scrambled: channels-last memory is read as channels-first",
            x.reshape(n, c, h, w).transpose(0, 2, 3, 1),
        )
        yield (
            "has its channels scrambled: channels-first memory is read as channels-last",
            x.transpose(0, 3, 1, 2).reshape(x.shape),
        )
        yield "is upside down", x[:, ::-1]
        yield "is mirrored", x[:, :, ::-1]
    if x.ndim >= 2 and x.shape[-1] > 1:
        yield "has its channels in reverse order", x[..., ::-1]


@known()
def channels_permuted(s: Situation) -> Iterator[Explanation]:
    """Channels in any other order: matched by their norms, which random data makes all different."""
    for axis, what in ((-1, "channels"), (0, "examples")):
        if s.true.ndim < 2 or s.got.shape != s.true.shape:
            return
        rest = tuple(i for i in range(s.true.ndim) if i != axis % s.true.ndim)
        order = np.empty(s.true.shape[axis], int)
        order[np.argsort(_size(s.got, rest))] = np.argsort(_size(s.true, rest))
        yield f"the {what} of the output are in another order", np.take(s.true, order, axis=axis)


def _size(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.sum(np.square(x.astype("float64")), axis=axes))


@known()
def scaled(s: Situation) -> Iterator[Explanation]:
    """A factor: a sum for a mean, a gradient counted twice."""
    power = float(np.sum(np.square(s.true)))
    if power and s.got.shape == s.true.shape:
        factor = float(np.sum(s.got * s.true)) / power
        batch = next((a.shape[0] for a in s.arguments if a is not None and a.ndim), 0)
        why = " (a sum in place of a mean over the batch)" if batch > 1 and abs(factor - batch) < 1e-3 else ""
        yield f"the result is {factor:.6g} times the true one{why}", factor * s.true


@known()
def shifted(s: Situation) -> Iterator[Explanation]:
    """A bias of the engine's own."""
    if s.true.ndim > 1 and s.got.shape == s.true.shape:
        offset = np.mean(s.got - s.true, axis=tuple(range(s.true.ndim - 1)))
        yield f"the {s.node.op} has a bias of its own: every channel is moved by a constant", s.true + offset

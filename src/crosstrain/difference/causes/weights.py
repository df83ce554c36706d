"""How a weight that was carried over by hand comes from the other side's."""

from __future__ import annotations

import itertools

import numpy as np

from crosstrain.difference.causes.structure import GATES
from crosstrain.proof.compare import relative

Cause = tuple[str, str, str]
"""The cause's name, what differs, what to change."""
NEAR = 1e-6
OTHER = "not carried over"
SAME: Cause = ("", "", "")
"""Of two equal weights."""


def weight_cause(a: np.ndarray, b: np.ndarray, op: str) -> Cause:
    """How B's own value of a weight comes from A's, in B's shape."""
    if relative(b, a) <= NEAR:
        return SAME
    carry = "carry the weight over again, with its axes in the layout of the other framework"
    ways = {}
    if a.ndim == 2 and a.shape[0] == a.shape[1]:
        ways["B's kernel is A's transposed"] = a.T
    if a.ndim == 4:
        ways["B's kernel is flipped (convolution for correlation)"] = a[::-1, ::-1]
        if a.shape[0] == a.shape[1]:
            ways["B's kernel has height and width swapped"] = a.swapaxes(0, 1)
        if a.shape[2] == a.shape[3]:
            ways["B's kernel has inputs and outputs swapped (transposed)"] = a.swapaxes(2, 3)
        ways["B's kernel was reshaped where it had to be transposed"] = (
            np.ascontiguousarray(a).reshape(a.shape[3], a.shape[2], *a.shape[:2]).transpose(2, 3, 1, 0)
        )
    if a.ndim == 2:
        ways["B's kernel was reshaped where it had to be transposed"] = a.reshape(a.shape[::-1]).T
    for what, way in ways.items():
        if way.shape == b.shape and relative(b, way) <= NEAR:
            return "kernel", what, carry
    if op in ("lstm", "gru") and (found := _gate_order(a, b, op)):
        return (
            "gate order",
            found,
            "reorder the blocks of kernel, recurrent kernel and bias when carrying them over",
        )
    if a.ndim == 2 and (found := _rows(a, b)):
        return "flatten order", found, carry
    return OTHER, "B's weight is not A's", "carry A's weight over to B"


def _gate_order(a: np.ndarray, b: np.ndarray, op: str) -> str:
    names = GATES[op]
    parts = np.split(a, len(names), axis=-1)
    for order in itertools.permutations(range(len(names))):
        if relative(b, np.concatenate([parts[i] for i in order], axis=-1)) <= NEAR:
            return (
                f"B has the gates in the order {', '.join(names[i] for i in order)}, A in {', '.join(names)}"
            )
    return ""


def _rows(a: np.ndarray, b: np.ndarray) -> str:
    """Whether B's kernel has A's rows in another order."""
    if a.shape != b.shape:
        return ""
    order = [np.lexsort(x.T[::-1]) for x in (a, b)]
    same = relative(b[order[1]], a[order[0]]) <= NEAR
    return "B's kernel has A's rows in another order (flattened channels first)" if same else ""

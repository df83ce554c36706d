"""Holds the branches of a network: which side each ReLU takes, which cell each maximum picks.

In a network of a million ReLUs some unit is always so close to 0 that rounding in float32 decides its
side, and that one unit moves a gradient by a thousandth: on every framework, and on two runs of one with
another order of summation. It is no difference of work. So where a float32 gradient misses its bound, it
is asked for once more with the branches of the float64 truth given as data; the truth stays what it was. In
float64 the same happens where a unit lies within its rounding, which is rare.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crosstrain.graph.graph import Graph, Node, TensorSpec, reference
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.truths.by_numpy import evaluate

BRANCH = "branch/"
NEAR = 1e-5
"""In float32 a unit is near its kink when it is closer than this part of its layer's root mean square."""
FINER = 1e-7
"""In float64 it has to be this much closer: its rounding, as it has built up in a deep network."""


@dataclass(frozen=True)
class Branching:
    """How to fix an op's branches. ``look(node, x)`` returns them, one boolean array each, and the distance
    of each unit from its kink; ``build(node, branches)`` returns the nodes that follow them."""

    look: Callable[[Node, np.ndarray], tuple[list[np.ndarray], np.ndarray]]
    build: Callable[[Node, Sequence[str]], list[Node]]


def _part(node: Node, name: str, op: str, inputs: tuple[str | None, ...], **attributes: object) -> Node:
    return Node(f"held/{node.name}/{name}", op, inputs, attributes, node.outputs)


def _zero(node: Node) -> Node:
    """Zeros in the shape of the output."""
    return _part(node, "zero", "full_like", (node.inputs[0],), value=0.0)


def _relu(node: Node, branches: Sequence[str]) -> list[Node]:
    zero = _zero(node)
    return [
        zero,
        replace(node, op="where", inputs=(branches[0], node.inputs[0], *zero.references), attributes={}),
    ]


def _leaky(node: Node, branches: Sequence[str]) -> list[Node]:
    scaled = [
        _part(node, "slope", "constant", (), value=node.attributes["negative_slope"], dtype="float32"),
        _part(node, "scaled", "multiply", (node.inputs[0], f"%held/{node.name}/slope")),
    ]
    scaled[0] = replace(scaled[0], outputs=(TensorSpec(()),))
    return [
        *scaled,
        replace(node, op="where", inputs=(branches[0], node.inputs[0], *scaled[1].references), attributes={}),
    ]


def _relu6(node: Node, branches: Sequence[str]) -> list[Node]:
    zero = _zero(node)
    low = _part(node, "low", "where", (branches[0], node.inputs[0], *zero.references))
    six = _part(node, "six", "full_like", (node.inputs[0],), value=6.0)
    return [
        zero, low, six,
        replace(node, op="where", inputs=(branches[1], *six.references, *low.references), attributes={}),
    ]  # fmt: skip


def _look_max_pool(node: Node, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    views = np.stack([view for _, view in _cells(node, x, -np.inf)])
    chosen = np.argmax(views, axis=0)
    ordered = np.sort(views, axis=0)
    gap = ordered[-1] - ordered[-2] if len(views) > 1 else np.full(chosen.shape, np.inf)
    return [chosen == i for i in range(len(views))], gap


def _cells(node: Node, x: np.ndarray, value: float) -> list[tuple[tuple[slice, ...], np.ndarray]]:
    """For each cell of the window the slice of the padded input that lies under it, and its values."""
    a = node.attributes
    grown = np.pad(x, ((0, 0), *a["padding"], (0, 0)), constant_values=value)
    lengths = [(n - w) // s + 1 for n, w, s in zip(grown.shape[1:-1], a["window"], a["strides"], strict=True)]
    cells = []
    for cell in itertools.product(*map(range, a["window"])):
        cut = (
            slice(None),
            *(slice(c, c + (n - 1) * s + 1, s) for c, n, s in zip(cell, lengths, a["strides"], strict=True)),
            slice(None),
        )
        cells.append((cut, grown[cut]))
    return cells


def _max_pool(node: Node, branches: Sequence[str]) -> list[Node]:
    """The sum over the window's cells of what each gives where it is the chosen one."""
    a, shape = node.attributes, node.outputs[0].shape
    lengths = [n or 0 for n in shape[1:-1]]
    grown = _part(node, "grown", "pad", (node.inputs[0],), padding=((0, 0), *a["padding"], (0, 0)))
    zero = _part(node, "zero", "full_like", (f"%held/{node.name}/cell0",), value=0.0)
    nodes, total = [grown], ""
    for i, cell in enumerate(itertools.product(*map(range, a["window"]))):
        stops = tuple(c + (n - 1) * s + 1 for c, n, s in zip(cell, lengths, a["strides"], strict=True))
        cut = {"starts": (None, *cell, None), "stops": (None, *stops, None), "strides": (1, *a["strides"], 1)}
        nodes.append(_part(node, f"cell{i}", "slice", grown.references, **cut))
        if i == 0:
            nodes.append(zero)
        chosen = _part(
            node, f"chosen{i}", "where", (branches[i], *nodes[-1 if i else -2].references, *zero.references)
        )
        nodes.append(chosen)
        if total:
            nodes.append(_part(node, f"sum{i}", "add", (total, *chosen.references)))
        total = nodes[-1].references[0]
    last = nodes.pop()
    return [*nodes, replace(last, name=node.name, layer=node.layer)]


BRANCHING = {
    "relu": Branching(lambda _, x: ([x > 0], np.abs(x)), _relu),
    "leaky_relu": Branching(lambda _, x: ([x > 0], np.abs(x)), _leaky),
    "relu6": Branching(lambda _, x: ([x > 0, x > 6], np.minimum(np.abs(x), np.abs(x - 6))), _relu6),
    "max_pool": Branching(_look_max_pool, _max_pool),
}


def branches(
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    batch: Mapping[str, np.ndarray],
    precision: str = "float32",
) -> tuple[Arrays, int]:
    """The branches of a training graph at a point, by input name; and how many units are near a kink."""
    kinks = [node for node in graph.nodes if node.op in BRANCHING]
    wanted = {str(node.inputs[0]): str(node.inputs[0]) for node in kinks}
    values, _ = evaluate(replace(graph, outputs=wanted, updates={}, penalties=()), weights, batch)
    arrays: Arrays = {}
    near, close = 0, NEAR * (FINER if precision == "float64" else 1.0)
    for node in kinks:
        x = values[str(node.inputs[0])]
        chosen, distance = BRANCHING[node.op].look(node, x)
        arrays.update({f"{BRANCH}{node.name}/{i}": branch for i, branch in enumerate(chosen)})
        near += int(np.sum(distance < close * float(np.sqrt(np.mean(np.square(x))))))
    return arrays, near


def with_branches(
    case: Case, weights: Sequence[Mapping[str, np.ndarray]], precision: str = "float32"
) -> tuple[Case, int]:
    """The case with every branch as an input, and the number of its units near a kink.

    ``weights`` are those before each step, from the truth; where there are fewer than steps, the steps
    without have no branches and must not be run.
    """
    training = case.network.phase(training=True)
    data: Arrays = dict(case.data)
    nodes: list[Node] = []
    inputs = dict(case.network.inputs)
    near = 0
    all_branches = []
    for index, before in zip(case.indices(), weights, strict=False):
        by_name, close = branches(training, before, {k: v[index] for k, v in case.data.items()}, precision)
        all_branches.append((index, by_name))
        near += close
    examples = len(next(iter(case.data.values())))
    for index, by_name in all_branches:
        for name, branch in by_name.items():
            if name not in data:
                data[name] = np.zeros((examples, *branch.shape[1:]), bool)
                inputs[name] = TensorSpec((None, *branch.shape[1:]), "bool")
            data[name][index] = branch
    for node in training.nodes:
        if node.op not in BRANCHING:
            nodes.append(node)
            continue
        names = [reference(n) for n in data if n.rpartition("/")[0] == f"{BRANCH}{node.name}"]
        nodes.extend(BRANCHING[node.op].build(node, names))
    network = replace(training, nodes=tuple(nodes), inputs=inputs).check()
    return replace(case, network=network, data=data), near

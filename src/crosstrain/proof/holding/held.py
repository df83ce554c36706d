"""Holds the branches of a network and its loss: which side each ReLU takes, which cell each maximum picks,
how each comparison ends.

In a network of a million ReLUs some unit is always so close to 0 that rounding in float32 decides its
side, and that one unit moves a gradient by a thousandth: on every framework, and on two runs of one with
another order of summation. It is no difference of work. So where a float32 gradient misses its bound, it
is asked for once more with the branches of the float64 truth given as data; the truth stays what it was. In
float64 the same happens where a unit lies within its rounding, which is rare.

A detector decides more: which proposals are best, which box answers for an object. Two that are nearly as
good change places by rounding, and with them all that follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crosstrain.graph.graph import Graph, Node, TensorSpec, reference
from crosstrain.graph.ops import NUMPY
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case, fed
from crosstrain.proof.truths.by_numpy import evaluate

BRANCH = "branch/"
NEAR = 1e-5
"""In float32 a unit is near its kink when it is closer than this part of its layer's root mean square."""
FINER = 1e-7
"""In float64 it has to be this much closer: its rounding, as it has built up in a deep network."""


Looked = tuple[list[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Branching:
    """How to fix an op's branches. ``look(node, x)``, or with all of its inputs, returns them, one array
    each, and the distance of each unit from its kink; ``build(node, branches)`` returns the nodes that follow
    them. References in ``also`` name further outputs of the op that are branches themselves."""

    look: Callable[..., Looked]
    build: Callable[[Node, Sequence[str]], list[Node]]
    also: Callable[[Node, Sequence[str]], dict[str, str]] = lambda node, branches: {}


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


def _look_max_pool(node: Node, x: np.ndarray) -> Looked:
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


def _gap(x: np.ndarray, rank: int) -> np.ndarray:
    """Along the last axis how far each of the first ``rank`` is from the next; the last has none."""
    ordered = -np.sort(-x, axis=-1)
    ordered = np.concatenate([ordered, np.full((*x.shape[:-1], 1), -np.inf)], axis=-1)
    with np.errstate(invalid="ignore"):  # of scores that are -inf
        return np.asarray(ordered[..., :rank] - ordered[..., 1 : rank + 1])


def _look_top_k(node: Node, x: np.ndarray) -> Looked:
    k = node.attributes["k"]
    return [np.argsort(-x, axis=-1, kind="stable")[..., :k].astype(np.int32)], _gap(x, k)


def _top_k(node: Node, branches: Sequence[str]) -> list[Node]:
    chosen = replace(
        node, op="take_along_axis", inputs=(node.inputs[0], branches[0]), attributes={"axis": -1}
    )
    return [replace(chosen, outputs=node.outputs[:1])]


def _look_argmax(node: Node, x: np.ndarray) -> Looked:
    axis = node.attributes["axis"]
    if axis is None:
        return [], np.array(np.inf)
    chosen = NUMPY["argmax"](x, **node.attributes)
    return [chosen], np.broadcast_to(_gap(np.moveaxis(x, axis, -1), 1).reshape(chosen.shape), chosen.shape)


def _look_comparison(node: Node, a: np.ndarray, b: np.ndarray) -> Looked:
    with np.errstate(invalid="ignore"):  # of scores that are -inf
        return [NUMPY[node.op](a, b)], np.abs(a - b)


def _look_rounding(node: Node, x: np.ndarray) -> Looked:
    result = NUMPY[node.op](x)
    steps = x + 0.5 if node.op == "round" else x
    return [result], np.abs(steps - np.round(steps))


def _decided(node: Node, branches: Sequence[str]) -> list[Node]:
    return [replace(node, op="cast", inputs=(branches[0],), attributes={"dtype": node.outputs[0].dtype})]


COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
DECISIONS: dict[str, Branching] = {
    **{op: Branching(_look_comparison, _decided) for op in COMPARISONS},
    **{op: Branching(_look_rounding, _decided) for op in ("floor", "ceil", "round")},
    "argmax": Branching(_look_argmax, _decided),
    "top_k": Branching(
        _look_top_k, _top_k, lambda node, branches: dict(zip(node.references[1:], branches, strict=True))
    ),
}
"""What decides something by numbers that rounding may have moved."""

KINKS = {
    "relu": Branching(lambda _, x: ([x > 0], np.abs(x)), _relu),
    "leaky_relu": Branching(lambda _, x: ([x > 0], np.abs(x)), _leaky),
    "relu6": Branching(lambda _, x: ([x > 0, x > 6], np.minimum(np.abs(x), np.abs(x - 6))), _relu6),
    "max_pool": Branching(_look_max_pool, _max_pool),
}
"""What bends where rounding may have moved a number to the other side."""

BRANCHING = KINKS | DECISIONS
SINGULAR = {"divide": 1, "sqrt": 0, "log": 0, "rsqrt": 0, "power": 0}
"""Which input of an op must not be 0 where its gradient is to be finite."""


def guards(graph: Graph) -> set[str]:
    """The comparisons that keep a divisor, or what a root or logarithm is taken of, away from 0: an area that
    is 1e-5 in float64 may be 0 in float32, and the other side of the guard is not defined there."""
    singular = {node.inputs[SINGULAR[node.op]] for node in graph.nodes if node.op in SINGULAR}
    conditions = {
        node.inputs[0]
        for node in graph.nodes
        if node.op == "where" and not singular.isdisjoint(node.references)
    }
    return {node.name for node in graph.nodes if not conditions.isdisjoint(node.references)}


def branches(
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    batch: Mapping[str, np.ndarray],
    precision: str = "float32",
) -> tuple[Arrays, int]:
    """The branches of a training graph at a point, by input name; and how many units are near a kink.

    What does not depend on floating-point numbers is left out, what has no row for each example, and
    ``guards``.
    """
    free = guards(graph)
    nodes = [node for node in graph.nodes if node.op in BRANCHING and node.name not in free]
    wanted = {str(ref): str(ref) for node in nodes for ref in node.inputs}
    values, _ = evaluate(replace(graph, outputs=wanted, updates={}, penalties=()), weights, batch)
    examples = next(len(array) for array in batch.values() if np.ndim(array))
    arrays: Arrays = {}
    near, close = 0, NEAR * (FINER if precision == "float64" else 1.0)
    for node in nodes:
        inputs = [np.asarray(values[str(ref)]) for ref in node.inputs]
        if all(x.dtype.kind != "f" for x in inputs):
            continue
        chosen, distance = BRANCHING[node.op].look(node, *inputs)
        if any(branch.shape[:1] != (examples,) for branch in chosen):
            continue
        arrays.update({f"{BRANCH}{node.name}/{i}": branch for i, branch in enumerate(chosen)})
        if node.op in DECISIONS:  # zeros that fill up are equal to zeros on every engine
            distance = np.where(distance == 0, np.inf, distance)
        near += int(np.sum(distance < close * max(map(_size, inputs))))
    return arrays, near


def _size(x: np.ndarray) -> float:
    """The root mean square of what is finite."""
    finite = x[np.isfinite(x)].astype(np.float64)
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def with_branches(
    case: Case,
    weights: Sequence[Mapping[str, np.ndarray]],
    precision: str = "float32",
    *,
    training: bool = True,
) -> tuple[Case, int]:
    """The case with every branch as an input, and the number of its units near a kink.

    ``weights`` are those before each step, from the truth; where there are fewer than steps, the steps
    without have no branches and must not be run. The branches are those of training, the loss's among them,
    or of inference; the case says nothing of the other.
    """
    phase = case.network.phase(training=training)
    whole = case.program.training if training else phase
    data: Arrays = dict(case.data)
    examples, near = len(next(iter(case.data.values()))), 0
    for index, before in zip(case.indices(), weights, strict=False):
        batch = fed(whole.inputs, {name: values[index] for name, values in case.data.items()})
        chosen, close = branches(whole, before, batch, precision)
        near += close
        for name, branch in chosen.items():
            if name not in data:
                data[name] = np.zeros((examples, *branch.shape[1:]), branch.dtype)
            data[name][index] = branch
    loss = followed(case.loss, data, "loss/") if training else case.loss
    return replace(case, network=followed(phase, data), loss=loss, data=data), near


def followed(graph: Graph, data: Mapping[str, np.ndarray], prefix: str = "") -> Graph:
    """The graph that takes its branches from ``data``, in which its nodes have ``prefix`` before their
    names."""
    inputs, nodes = dict(graph.inputs), []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        start = f"{BRANCH}{prefix}{node.name}"
        names = [name for name in data if name.rpartition("/")[0] == start]
        node = replace(node, inputs=tuple(renamed.get(ref, ref) if ref else ref for ref in node.inputs))
        if node.op not in BRANCHING or not names:
            nodes.append(node)
            continue
        inputs |= {name: TensorSpec((None, *data[name].shape[1:]), str(data[name].dtype)) for name in names}
        own = [reference(name) for name in names]
        nodes.extend(BRANCHING[node.op].build(node, own))
        renamed |= BRANCHING[node.op].also(node, own)
    outputs = {name: renamed.get(ref, ref) for name, ref in graph.outputs.items()}
    updates = {name: renamed.get(ref, ref) for name, ref in graph.updates.items()}
    return replace(graph, nodes=tuple(nodes), inputs=inputs, outputs=outputs, updates=updates).check()

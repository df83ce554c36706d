"""Finds the first node that departs in the forward pass, and what departs before any node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from crosstrain.graph.graph import Graph, Node, reference
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Departure
from crosstrain.proof.compare import group, relative
from crosstrain.proof.locating.causes import Situation, meaning, rearranged
from crosstrain.proof.locating.departing import belongs_to, departure, in_graph_order
from crosstrain.proof.locating.explaining import explain
from crosstrain.proof.locating.surgery import watched
from crosstrain.proof.truths.by_numpy import evaluate, values

Testify = Callable[[Case, str], Arrays]
"""Runs the engine on a case, with a measure of ``evidence.MEASURES``, and gives what it says; raises
``EngineSilentError`` where it cannot."""

COPIED = {"float64": 1e-12, "float32": 1e-6}
"""How far a value may be off that is only copied."""


class EngineSilentError(RuntimeError):
    """The engine did not run a case that was made to look into it."""


class SearchStoppedError(RuntimeError):
    """A search took longer than its budget; the message says how far it came."""


def initial(case: Case, evidence: Mapping[str, np.ndarray], precision: str) -> Departure | None:
    """Whether the engine starts from other weights: missing ones, its own, or other values."""
    network = case.network
    read = group(evidence, "initial")
    for name in in_graph_order(network, [*network.weights, *(n for n in read if n not in case.weights)]):
        node = belongs_to(network, name)
        if name not in read:
            cause = f"the engine lacks the weight {name} ({_kind(case, name)})"
            return departure("initial weights", node, name, None, (cause, True))
        if name not in network.weights:
            return departure(
                "initial weights", node, name, None, (f"the engine has a weight of its own, {name}", True)
            )
        if relative(read[name], case.weights[name]) > COPIED[precision]:
            pair = (case.weights[name], read[name])
            return departure(
                "initial weights", node, name, pair, _other_start(case, read, evidence, precision)
            )
    return None


def _kind(case: Case, name: str) -> str:
    spec = case.network.weights[name]
    return f"{'trainable' if spec.trainable else 'state'}, shape {spec.shape}"


def _other_start(
    case: Case, read: Arrays, evidence: Mapping[str, np.ndarray], precision: str
) -> tuple[str, bool]:
    """With the engine's weights put into the NumPy meaning: are its outputs right?"""
    known = {k: v for k, v in read.items() if k in case.weights and v.shape == case.weights[k].shape}
    outputs, _ = evaluate(case.program.inference, {**case.weights, **known}, case.first())
    actual = group(evidence, "inference")
    same = all(k in actual and relative(actual[k], v) <= BOUNDS[precision].values for k, v in outputs.items())
    return "the engine starts from other initial weights", same


def forward(case: Case, precision: str, testify: Testify) -> Departure | None:
    """The first value that departs: an input, then node by node in inference, then in training mode.

    A node whose output is right for the inputs that the engine itself fed it is not to blame (rounding
    has built up before it), and is passed over while another can be found.
    """
    watch = watched(case)
    evidence = testify(watch, "values")
    for stage, graph in (
        ("inference", watch.program.inference),
        ("training", watch.program.network.phase(True)),
    ):
        first = first_node(stage, graph, case.weights, case.first(), group(evidence, stage), precision, case)
        if first:
            return first
    return None


def first_node(
    stage: str,
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    batch: Mapping[str, np.ndarray],
    evidence: Arrays,
    precision: str,
    case: Case,
) -> Departure | None:
    """The first departure of a graph whose outputs are all its values, by the engine's ``evidence``."""
    bound = BOUNDS[precision].values
    true = values(graph, weights, batch)
    for name in graph.inputs:
        ref = reference(name)
        if ref in true and ref in evidence and relative(evidence[ref], true[ref]) > COPIED[precision]:
            return departure(
                "inputs",
                None,
                ref,
                (true[ref], evidence[ref]),
                other_batch(case, name, true[ref], evidence[ref]),
            )
    passed_over = None
    for node, index, ref in values_of(graph):
        if ref not in true or ref not in evidence or relative(evidence[ref], true[ref]) <= bound:
            continue
        arguments = [_argument(r, evidence, true, weights) for r in node.inputs]
        alone = meaning(node, arguments)[index]
        if relative(evidence[ref], alone) > bound:
            situation = Situation(node, arguments, alone, evidence[ref].astype("float64"), index)
            where = "loss" if node.name.startswith("loss/") else stage
            return departure(where, node, ref, (true[ref], evidence[ref]), explain(situation, 10 * bound))
        if passed_over is None:
            cause = ("the node is right for what the engine feeds it: rounding has built up before it", False)
            passed_over = departure(stage, node, ref, (true[ref], evidence[ref]), cause)
    return passed_over


def values_of(graph: Graph) -> Iterator[tuple[Node, int, str]]:
    """Every node with each of its outputs, in graph order."""
    for node in graph.nodes:
        for index, ref in enumerate(node.references):
            yield node, index, ref


def _argument(
    ref: str | None, evidence: Arrays, true: Arrays, weights: Mapping[str, np.ndarray]
) -> np.ndarray | None:
    if ref is None:
        return None
    if ref.startswith("@"):
        return weights[ref[1:]]
    value = evidence.get(ref, true.get(ref))
    assert value is not None, ref
    return value.astype("float64") if value.dtype.kind == "f" else value


def other_batch(case: Case, name: str, true: np.ndarray, got: np.ndarray) -> tuple[str, bool]:
    """What happened to an input: a fault of layout, another batch, other examples."""
    if got.shape == true.shape:
        for sentence, value in rearranged(true):
            if relative(got, value) <= 1e-6:
                return f"the input {name!r} {sentence}", True
        for number, batch in enumerate(case.batches()):
            if relative(got, batch[name]) <= 1e-6:
                return f"the engine is fed batch {number} (counted from 0) of another batch order", True
        flat = {row.astype("float32").tobytes() for row in case.data[name].astype("float64")}
        if all(row.astype("float32").tobytes() in flat for row in got.astype("float64")):
            return "the batch holds other examples of the data: another batch order", True
        power = float(np.sum(np.square(true.astype("float64"))))
        factor = float(np.sum(got * true)) / power if power else 0.0
        if relative(got, factor * true) <= 1e-6:
            return f"the input {name!r} is multiplied by {factor:.6g}", True
    return "the engine does not compute on the data that it is given", False

"""Products that PyTorch has in one piece, found in a graph: projections by a weight, and attention.

Keras writes the projections of its attention as ``einsum`` and a sum, and attention itself as two more with a
softmax between. Here they become nodes ``projection`` (one matrix product, bias included), ``projections``
(several of one value in one product) and ``attention`` (PyTorch's own, which never writes down the weights of
all pairs). The numbers are the same up to rounding.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crosstrain.engines.leaner import readers
from crosstrain.graph.graph import Graph, Node, reference


# -- the ops ----------------------------------------------------------------------------------------
def projection(x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, contracted: int) -> Tensor:
    """x (…, inner), kernel (inner, outer), bias (outer,), where ``inner`` are ``contracted`` axes."""
    inner = math.prod(kernel.shape[:contracted])
    rows, matrix = x.reshape(-1, inner), kernel.reshape(inner, -1)
    y = rows @ matrix if bias is None else torch.addmm(bias.reshape(-1), rows, matrix)
    return y.reshape(*x.shape[: x.ndim - contracted], *kernel.shape[contracted:])


def projections(x: Tensor, *weights: Tensor, contracted: int, count: int) -> tuple[Tensor, ...]:
    """``count`` projections of x, all of one shape: their kernels, then their biases, if they have any."""
    inner = math.prod(x.shape[x.ndim - contracted :])
    kernels, biases = weights[:count], weights[count:]
    rows = x.reshape(-1, inner)
    matrix = torch.cat([kernel.reshape(inner, -1) for kernel in kernels], 1)
    y = torch.addmm(torch.cat([b.reshape(-1) for b in biases]), rows, matrix) if biases else rows @ matrix
    shape = (*x.shape[: x.ndim - contracted], *kernels[0].shape[contracted:])
    return tuple(part.reshape(shape) for part in y.chunk(count, 1))


def attention(query: Tensor, key: Tensor, value: Tensor, *, scale: float) -> Tensor:
    """query (N, T, heads, H), key and value (N, S, heads, H): as the query."""
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2)


OPS: dict[str, Any] = {"projection": projection, "projections": projections, "attention": attention}


# -- the graph --------------------------------------------------------------------------------------
def with_products(graph: Graph, attend: bool) -> Graph:
    """The graph with its projections in one piece, and with ``attend`` its attention."""
    graph = _with_projections(graph)
    graph = _with_attention(graph) if attend else graph
    return _joined(graph)


def _contracted(node: Node, graph: Graph) -> int | None:
    """How many axes an ``einsum`` sums over, where it is a projection by a weight; else None."""
    if node.op != "einsum" or len(node.inputs) != 2 or not str(node.inputs[1]).startswith("@"):
        return None
    operands, _, result = node.attributes["equation"].partition("->")
    x, _, kernel = operands.partition(",")
    count = len(set(x) & set(kernel))
    plain = count > 0 and len({*x, *kernel}) == len(x) + len(kernel) - count
    return count if plain and x[-count:] == kernel[:count] and result == x[:-count] + kernel[count:] else None


def _with_projections(graph: Graph) -> Graph:
    read = readers(graph)
    by_input = {ref: node for node in graph.nodes for ref in node.inputs if ref}
    nodes: list[Node] = []
    with_bias: dict[str, Node] = {}
    for node in graph.nodes:
        if node.name in with_bias:
            nodes.append(with_bias[node.name])
            continue
        count = _contracted(node, graph)
        if count is None:
            nodes.append(node)
            continue
        projection = Node(
            node.name, "projection", node.inputs, {"contracted": count}, node.outputs, node.layer
        )
        follower = by_input.get(node.references[0])
        bias = _bias(node, follower, count, read, graph)
        if bias is None or follower is None:
            nodes.append(projection)
        else:
            with_bias[follower.name] = replace(
                projection, name=follower.name, inputs=(*node.inputs, bias), outputs=follower.outputs
            )
    return replace(graph, nodes=tuple(nodes))


def _bias(
    node: Node, follower: Node | None, count: int, read: Counter[str | None], graph: Graph
) -> str | None:
    """The weight that only ``follower`` adds to the projection, shaped as what the projection makes."""
    if follower is None or follower.op != "add" or read[node.references[0]] != 1:
        return None
    (other,) = (ref for ref in follower.inputs if ref != node.references[0])
    outer = tuple(graph.spec(str(node.inputs[1])).shape[count:])
    fits = str(other).startswith("@") and tuple(graph.spec(str(other)).shape) == outer
    return other if fits else None


def _with_attention(graph: Graph) -> Graph:
    """``einsum``, product with a constant, softmax, ``einsum`` as one node, where nothing else reads them."""
    read, maker = readers(graph), {ref: node for node in graph.nodes for ref in node.references}
    attention: dict[str, Node] = {}
    removed: set[str] = set()
    for node in graph.nodes:
        if node.op != "einsum" or not _equation(node, "bnts,bsnh->btnh"):
            continue
        softmax = maker.get(str(node.inputs[0]))
        scaled = softmax and softmax.op == "softmax" and maker.get(str(softmax.inputs[0]))
        scores = scaled and scaled.op == "multiply" and maker.get(str(scaled.inputs[0]))
        constant = scaled and scaled.op == "multiply" and maker.get(str(scaled.inputs[1]))
        if not (softmax and scaled and scores and constant) or constant.op != "constant":
            continue
        scale, last = constant.attributes["value"], len(scores.outputs[0].shape) - 1
        if (
            scores.op == "einsum"
            and _equation(scores, "btnh,bsnh->bnts")
            and isinstance(scale, float)
            and softmax.attributes["axis"] in (-1, last)
            and all(read[n.references[0]] == 1 for n in (scores, scaled, softmax))
        ):
            inputs = (*scores.inputs, node.inputs[1])
            attention[node.name] = replace(node, op="attention", inputs=inputs, attributes={"scale": scale})
            removed |= {scores.name, scaled.name, softmax.name}
    return replace(graph, nodes=tuple(attention.get(n.name, n) for n in graph.nodes if n.name not in removed))


def _equation(node: Node, wanted: str) -> bool:
    """Whether a node's equation is this one, whatever its axes are called."""
    equation = node.attributes["equation"]
    names = dict(zip(equation, wanted, strict=False))
    return (
        len(equation) == len(wanted)
        and len(set(names.values())) == len(names)
        and "".join(names[letter] for letter in equation) == wanted
    )


def _joined(graph: Graph) -> Graph:
    """Projections of one value by weights of one shape as one node, where the first of them stands."""
    groups: dict[Any, list[Node]] = {}
    for node in graph.nodes:
        if node.op == "projection":
            shape = tuple(graph.spec(str(node.inputs[1])).shape)
            key = (node.inputs[0], shape, len(node.inputs), node.attributes["contracted"])
            groups.setdefault(key, []).append(node)
    moved: dict[str, str] = {}
    first, rest = {}, set()
    for (x, *_, contracted), nodes in groups.items():
        if len(nodes) < 2:
            continue
        name = nodes[0].name
        moved |= {node.references[0]: reference(name, i) for i, node in enumerate(nodes)}
        weights = (*(n.inputs[1] for n in nodes), *(n.inputs[2] for n in nodes if len(n.inputs) > 2))
        outputs = tuple(node.outputs[0] for node in nodes)
        attributes = {"contracted": contracted, "count": len(nodes)}
        first[name] = Node(name, "projections", (x, *weights), attributes, outputs, nodes[0].layer)
        rest |= {node.name for node in nodes[1:]}

    def at(ref: str) -> str:
        return moved.get(ref, ref)

    return replace(
        graph,
        nodes=tuple(
            replace(n, inputs=tuple(ref and at(ref) for ref in n.inputs))
            for n in (first.get(node.name, node) for node in graph.nodes if node.name not in rest)
        ),
        updates={k: at(ref) for k, ref in graph.updates.items()},
        outputs={k: at(ref) for k, ref in graph.outputs.items()},
        penalties=tuple(map(at, graph.penalties)),
    )

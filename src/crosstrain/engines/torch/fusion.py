"""Graphs made leaner for PyTorch before they run. Every value that is left is the same number as before.

- ReLU behind a max pooling instead of in front of it: the same outcome from a quarter of the cells.
- Runs of image ops (convolution, BatchNorm, pooling, activation, residual sum) as one node ``chain``: they
  pass on PyTorch's own view of the image, and where autograd does not keep a value, the next op overwrites
  it. That saves dispatches, memory and the traffic to it.
- In a step that changes all its state in place, BatchNorm overwrites its moving statistics itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from crosstrain.engines.leaner import pooled_first, readers
from crosstrain.engines.torch.products import with_products
from crosstrain.graph.graph import Graph, Node, reference

BEGIN = {
    "conv", "depthwise_conv", "batch_norm", "batch_norm_in_place", "normalize", "max_pool", "average_pool",
}  # fmt: skip
CONTINUE = BEGIN | {"add", "relu", "relu6", "leaky_relu", "elu", "silu", "hard_silu", "sigmoid", "tanh"}
FRESH = BEGIN | {"add"}
"""Ops of a chain whose result autograd does not keep: the next op may overwrite it."""
OVERWRITING = {"relu", "relu6", "add"}
"""Ops of a chain that have a form that overwrites its input."""


def fused(graph: Graph, attend: bool = True) -> Graph:
    """The graph with pooling before ReLU, with products in one piece (attention too with ``attend``) and
    with chains."""
    return _chained(pooled_first(with_products(graph, attend)))


def with_statistics_in_place(graph: Graph) -> Graph:
    """The graph with BatchNorms that overwrite their moving mean and variance, where nothing else reads
    them and they are what the statistics become."""
    read = readers(graph)

    def overwrites(node: Node) -> bool:
        old, new = node.inputs[3:5], node.references[1:3]
        become = [graph.updates.get(str(ref).removeprefix("@")) for ref in old]
        return all(read[ref] == 1 for ref in (*old, *new)) and become == [*new]

    return replace(
        graph,
        nodes=tuple(
            replace(node, op="batch_norm_in_place") if node.op == "batch_norm" and overwrites(node) else node
            for node in graph.nodes
        ),
    )


def _is_image(node: Node) -> bool:
    rank = len(node.outputs[0].shape)
    axis = node.attributes.get("axis", -1)
    return 3 <= rank <= 5 and axis in (-1, rank - 1) and node.outputs[0].dtype == "float32"


def _chained(graph: Graph) -> Graph:
    read = readers(graph)
    by_nodes = {ref for node in graph.nodes for ref in node.inputs}
    ends: dict[str, list[Node]] = {}

    for node in graph.nodes:
        if node.op not in CONTINUE or not _is_image(node) or by_nodes.intersection(node.references[1:]):
            continue
        chain = _continued_chain(node, ends, read, graph)
        if chain is not None:
            ends[node.references[0]] = [*chain, node]
        elif node.op in BEGIN:
            ends[node.references[0]] = [node]

    chains = {chain[-1].name: chain for chain in ends.values() if len(chain) > 1}
    inner = {node.name for chain in chains.values() for node in chain[:-1]}
    moved: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        if node.name in chains:
            nodes.append(_one_node(chains[node.name], moved))
        elif node.name not in inner:
            nodes.append(node)
    return replace(
        graph, nodes=tuple(nodes), updates={k: moved.get(ref, ref) for k, ref in graph.updates.items()},
        outputs={k: moved.get(ref, ref) for k, ref in graph.outputs.items()},
    )  # fmt: skip


def _continued_chain(
    node: Node, ends: dict[str, list[Node]], read: Counter[str | None], graph: Graph
) -> list[Node] | None:
    """The chain that ``node`` continues: the one that makes its image, which nothing else reads."""
    candidates = node.inputs if node.op == "add" else node.inputs[:1]
    if node.op == "add" and len({graph.spec(str(ref)).shape for ref in node.inputs}) > 1:
        return None
    for ref in candidates:
        if ref in ends and read[ref] == 1:
            return ends.pop(str(ref))
    return None


def _one_node(chain: list[Node], moved: dict[str, str]) -> Node:
    """The chain as one node under the name of its last; its further outputs are those of its members."""
    last = chain[-1]
    inputs, steps, extra = [chain[0].inputs[0]], [], []
    previous: Node | None = None
    for node in chain:
        own = set() if previous is None else {previous.references[0]}
        rest = [ref for ref in node.inputs if ref not in own] if node.op == "add" else node.inputs[1:]
        overwrites = node.op in OVERWRITING and previous is not None and previous.op in FRESH
        attributes = tuple((k, v) for k, v in node.attributes.items() if k != "axis")
        steps.append((node.op, len(rest), overwrites, attributes))
        inputs += rest
        for ref, spec in zip(node.references[1:], node.outputs[1:], strict=True):
            extra.append(spec)
            moved[ref] = reference(last.name, len(extra))
        previous = node
    outputs = (last.outputs[0], *extra)
    return Node(last.name, "chain", tuple(inputs), {"steps": tuple(steps)}, outputs, last.layer)

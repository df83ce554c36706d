"""Another output of an ONNX model than its own."""

from __future__ import annotations

import onnx

from crosstrain.errors import CrosstrainError

NO_ROWS = {
    "Constant", "ConstantOfShape", "Shape", "ArgMax", "ArgMin", "Equal", "Greater", "Less", "Not", "And",
    "Or", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "Cast",
}  # fmt: skip
"""Ops whose results nobody trains by."""


def cut(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The part of a model that leads to ``output``: the name of a tensor, or of a node (its first output).
    ``CrosstrainError`` where there is none."""
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    nodes = {node.name: node for node in graph.node if node.name}
    if output not in makers and output not in nodes:
        names = candidates(model)
        hint = f"; the last of them are {', '.join(names)}" if names else ""
        raise CrosstrainError(f"the ONNX model {graph.name} has no node or tensor {output!r}{hint}")
    tensor = output if output in makers else nodes[output].output[0]
    needed, left = set(), [tensor]
    while left:
        name = left.pop()
        if name and name not in needed:
            needed.add(name)
            left += names_read_by(makers[name]) if name in makers else []
    part = onnx.ModelProto()
    part.CopyFrom(model)
    for entries, kept in (
        (part.graph.node, [n for n in graph.node if needed.intersection(n.output)]),
        (part.graph.input, [i for i in graph.input if i.name in needed]),
        (part.graph.initializer, [t for t in graph.initializer if t.name in needed]),
        (part.graph.output, [onnx.ValueInfoProto(name=tensor)]),
    ):
        del entries[:]
        entries.extend(kept)
    return part


def candidates(model: onnx.ModelProto, most: int = 8) -> list[str]:
    """Tensors that may be outputs to train by, those nearest to the model's own output first."""
    names = [
        name
        for node in reversed(model.graph.node)
        if node.op_type not in NO_ROWS
        for name in node.output[:1]
        if name
    ]
    own = {info.name for info in model.graph.output}
    return [name for name in names if name not in own][:most]


def names_read_by(node: onnx.NodeProto) -> list[str]:
    """The names that a node reads, also in the graphs inside it."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            names += [info.name for info in graph.output]
            for inner in graph.node:
                names += names_read_by(inner)
    return names

"""A network as framework-neutral data: nodes, attributes, named weights.

References name what a node reads, in the notation of compilers: ``%name`` is the first output of the
node (or the graph input) ``name``, ``%name:1`` its second output, ``@path`` the weight with that Keras
path. Nodes stand in an order in which every reference is defined before it is read.

Semantics are Keras's: channels-last activations, HWIO kernels, (in, out) dense kernels, explicit
``(before, after)`` padding. A graph describes training *and* inference; ``Graph.phase`` gives the one
that is to be run. The dtype ``float32`` stands for "the precision of the run".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.graph.node import (
    SEED,
    GraphError,
    Node,
    TensorSpec,
    Weights,
    WeightSpec,
    frozen,
    reference,
)
from crosstrain.graph.ops import VOCABULARY

__all__ = [
    "FORMAT", "SEED", "Graph", "GraphError", "Node", "TensorSpec", "WeightSpec", "Weights", "frozen",
    "merged", "reference",
]  # fmt: skip

FORMAT = 1


@dataclass(frozen=True)
class Graph:
    """A network (or a loss) as data.

    ``outputs`` maps names to references. ``updates`` gives, for training, the next value of a
    non-trainable weight (moving statistics). ``penalties`` are scalars that training adds to the loss
    (regularisers).
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, str]
    nodes: tuple[Node, ...]
    weights: Mapping[str, WeightSpec] = field(default_factory=dict)
    updates: Mapping[str, str] = field(default_factory=dict)
    penalties: tuple[str, ...] = ()

    # -- looking --------------------------------------------------------------------------------
    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise GraphError(f"{self.name} has no node called {name!r}")

    def spec(self, ref: str) -> TensorSpec:
        """The shape and dtype of a reference."""
        if ref.startswith("@"):
            weight = self.weights[ref[1:]]
            return TensorSpec(weight.shape, weight.dtype)
        name, _, index = ref[1:].partition(":")
        if name in self.inputs:
            return self.inputs[name]
        return self.node(name).outputs[int(index or 0)]

    @property
    def trainable(self) -> tuple[str, ...]:
        return tuple(name for name, spec in self.weights.items() if spec.trainable)

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(int(np.prod(self.weights[name].shape)) for name in self.trainable)

    @property
    def hash(self) -> str:
        """SHA-256 over the canonical JSON: equal for equal graphs, whatever wrote them."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    # -- changing (every change gives a new graph) ----------------------------------------------
    def phase(self, training: bool) -> Graph:
        """The graph of one phase: training (with updates and penalties) or inference (without).

        Each op says in the vocabulary what it becomes; nodes that nothing reads any more fall away.
        """
        alias: dict[str, str] = {}
        nodes = []
        for node in self.nodes:
            node = replace(node, inputs=tuple(alias.get(i, i) if i else i for i in node.inputs))
            rule = VOCABULARY[node.op].phase
            became = rule(node, training) if rule else node
            if isinstance(became, Node):
                nodes.append(became)
            else:
                alias[reference(node.name)] = became
        follow = lambda refs: {k: alias.get(v, v) for k, v in refs.items()}
        return replace(
            self,
            nodes=tuple(nodes),
            outputs=follow(self.outputs),
            updates=follow(self.updates) if training else {},
            penalties=tuple(alias.get(p, p) for p in self.penalties) if training else (),
        ).pruned()

    def pruned(self) -> Graph:
        """A copy without the nodes whose outputs nothing reads. Weights stay, read or not."""
        needed = {*self.outputs.values(), *self.updates.values(), *self.penalties}
        nodes = []
        for node in reversed(self.nodes):
            if needed.intersection(node.references):
                needed.update(i for i in node.inputs if i)
                nodes.append(node)
        inputs = {k: v for k, v in self.inputs.items() if k != SEED or f"%{SEED}" in needed}
        return replace(self, inputs=inputs, nodes=tuple(reversed(nodes)))

    def renamed(self, prefix: str, bound: Mapping[str, str]) -> Graph:
        """A copy with its nodes prefixed and each input in ``bound`` replaced by the given reference."""

        def move(ref: str | None) -> str | None:
            if ref is None or ref.startswith("@"):
                return ref
            name, colon, index = ref[1:].partition(":")
            if name in bound:
                return bound[name]
            return ref if name in self.inputs else f"%{prefix}{name}{colon}{index}"

        return replace(
            self,
            inputs={k: v for k, v in self.inputs.items() if k not in bound},
            nodes=tuple(
                replace(n, name=prefix + n.name, inputs=tuple(move(i) for i in n.inputs)) for n in self.nodes
            ),
            outputs={k: str(move(v)) for k, v in self.outputs.items()},
            updates={k: str(move(v)) for k, v in self.updates.items()},
            penalties=tuple(str(move(p)) for p in self.penalties),
        )

    # -- checking -------------------------------------------------------------------------------
    def check(self) -> Graph:
        """Raise ``GraphError`` unless every reference is defined before use and every op is known."""
        known = {reference(name) for name in self.inputs} | {f"@{name}" for name in self.weights}
        for node in self.nodes:
            if node.op not in VOCABULARY:
                raise GraphError(f"node {node.name!r} has the unknown op {node.op!r}")
            for ref in node.inputs:
                if ref is not None and ref not in known:
                    raise GraphError(f"node {node.name!r} reads {ref}, which no earlier node produces")
            known.update(node.references)
        for what in (*self.outputs.values(), *self.updates.values(), *self.penalties):
            if what not in known:
                raise GraphError(f"{self.name} ends in {what}, which no node produces")
        return self

    # -- on disk --------------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        spec = lambda s: {"shape": list(s.shape), "dtype": s.dtype}
        return {
            "format": FORMAT,
            "name": self.name,
            "inputs": {k: spec(v) for k, v in self.inputs.items()},
            "outputs": dict(self.outputs),
            "nodes": [
                {
                    "name": n.name,
                    "op": n.op,
                    "inputs": list(n.inputs),
                    "attributes": dict(n.attributes),
                    "outputs": [spec(o) for o in n.outputs],
                    "layer": n.layer,
                }
                for n in self.nodes
            ],
            "weights": {k: {**spec(v), "trainable": v.trainable} for k, v in self.weights.items()},
            "updates": dict(self.updates),
            "penalties": list(self.penalties),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Graph:
        if data.get("format") != FORMAT:
            raise GraphError(f"graph format {data.get('format')!r} is not {FORMAT}")
        spec = lambda s: TensorSpec(tuple(s["shape"]), s["dtype"])
        return cls(
            name=data["name"],
            inputs={k: spec(v) for k, v in data["inputs"].items()},
            outputs=dict(data["outputs"]),
            nodes=tuple(
                Node(
                    n["name"],
                    n["op"],
                    tuple(n["inputs"]),
                    frozen(n["attributes"]),
                    tuple(map(spec, n["outputs"])),
                    n["layer"],
                )
                for n in data["nodes"]
            ),
            weights={
                k: WeightSpec(tuple(v["shape"]), v["dtype"], v["trainable"])
                for k, v in data["weights"].items()
            },
            updates=dict(data["updates"]),
            penalties=tuple(data["penalties"]),
        ).check()

    def save(self, path: Path, weights: Weights | None = None) -> None:
        """Write ``path`` (JSON) and, if weights are given, the ``.npz`` beside it."""
        path.write_text(json.dumps(self.to_json(), indent=1))
        if weights is not None:
            arrays: dict[str, Any] = dict(weights)
            np.savez(path.with_suffix(".npz"), **arrays)

    @classmethod
    def load(cls, path: Path) -> tuple[Graph, Weights]:
        """The graph at ``path`` and the weights beside it (none where there is no ``.npz``)."""
        graph = cls.from_json(json.loads(path.read_text()))
        stored = path.with_suffix(".npz")
        if not stored.exists():
            return graph, {}
        with np.load(stored, allow_pickle=False) as archive:
            return graph, {name: archive[name] for name in archive.files}


def merged(name: str, network: Graph, loss: Graph) -> Graph:
    """The network followed by its loss: inputs of both, outputs of the network plus ``loss``.

    An input of the loss that is called ``output/NAME`` is the network's output of that name; its other
    inputs (the targets) become inputs of the whole. The scalar called ``loss`` includes the penalties.
    """
    bound = {k: network.outputs[k.removeprefix("output/")] for k in loss.inputs if k.startswith("output/")}
    tail = loss.renamed("loss/", bound)
    nodes = [*network.nodes, *tail.nodes]
    total = tail.outputs["loss"]
    for index, penalty in enumerate(network.penalties):
        nodes.append(Node(f"loss/penalty_{index}", "add", (total, penalty), {}, (TensorSpec(()),)))
        total = nodes[-1].references[0]
    return Graph(
        name=name,
        inputs={**network.inputs, **tail.inputs},
        outputs={"loss": total, **{f"output/{k}": v for k, v in network.outputs.items()}},
        nodes=tuple(nodes),
        weights={**network.weights, **loss.weights},
        updates=network.updates,
    ).check()

"""Runs a graph on any set of op implementations: NumPy's, or a framework's.

An engine brings a table from op names to functions of its framework. Ops that it leaves out are taken
from their meaning in the vocabulary, written in terms of other ops; so a table needs the primitives
and whatever its framework does better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from crosstrain.graph.graph import Graph
from crosstrain.graph.ops import VOCABULARY

Array = Any
Implementation = Callable[..., Any]


class UnsupportedOp(NotImplementedError):  # noqa: N818 (the op is at fault, not the program)
    """An engine does not support a primitive op of the graph."""


class Ops:
    """The whole vocabulary on one framework: ``ops.gelu(x, approximate=True)``.

    Looks in ``table`` first, then builds the op from its meaning on this very namespace. ``unsupported``
    gives the ops that the framework cannot run, with the reason.
    """

    def __init__(
        self,
        table: Mapping[str, Implementation],
        framework: str,
        unsupported: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._framework, self._unsupported = framework, unsupported
        for name, implementation in table.items():
            if name not in self._unsupported:
                setattr(self, name, implementation)

    def __getattr__(self, name: str) -> Implementation:
        if name in self._unsupported:
            raise UnsupportedOp(f"{self._framework} cannot run the op {name!r}: {self._unsupported[name]}")
        op = VOCABULARY.get(name)
        if op is None or op.meaning is None:
            raise UnsupportedOp(f"{self._framework} does not support the op {name!r}")
        implementation = partial(op.meaning, self)
        setattr(self, name, implementation)
        return implementation


def compiled(graph: Graph, ops: Ops, precision: str) -> Callable[..., tuple[dict, dict]]:
    """A function ``(weights, inputs) -> (outputs, updates)`` that runs ``graph``, node by node.

    ``graph`` is of one phase (see ``Graph.phase``). All lookups are done here, once; what is left is a
    list of calls. Values are let go after their last use, so that an eager framework holds no more
    activations than its autograd needs.
    """
    last_use: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        last_use.update({ref: index for ref in node.inputs if ref})
    returned = {*graph.outputs.values(), *graph.updates.values()}

    steps = []
    for index, node in enumerate(graph.nodes):
        attributes = {
            k: precision if k == "dtype" and v == "float32" else v for k, v in node.attributes.items()
        }
        implementation: Implementation = getattr(ops, node.op)
        drop = [r for r in node.inputs if r and r[0] == "%" and last_use[r] == index and r not in returned]
        bound = partial(implementation, **attributes) if attributes else implementation
        steps.append((bound, node.inputs, node.references, tuple(dict.fromkeys(drop))))

    def run(weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> tuple[dict, dict]:
        values: dict[str | None, Array] = {f"@{k}": v for k, v in weights.items()}
        values.update((f"%{k}", v) for k, v in inputs.items())
        values[None] = None
        for function, arguments, results, drop in steps:
            outputs = function(*[values[a] for a in arguments])
            if len(results) == 1:
                values[results[0]] = outputs[0] if isinstance(outputs, tuple | list) else outputs
            else:
                values.update(zip(results, outputs, strict=True))
            for ref in drop:
                del values[ref]
        return (
            {name: values[ref] for name, ref in graph.outputs.items()},
            {name: values[ref] for name, ref in graph.updates.items()},
        )

    return run

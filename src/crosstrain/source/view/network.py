"""The layer view of a whole graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath

from crosstrain.graph.graph import SEED, Graph, Node
from crosstrain.source.view.general import GENERAL, complete, general
from crosstrain.source.view.layers import RULES
from crosstrain.source.view.recurrent import RULES as RECURRENT
from crosstrain.source.view.step import MOVING, Network, NoLayer, Step, refuse
from crosstrain.source.view.values import Values

LAYERS = {**RULES, **RECURRENT}
BY_USE = ("divides", "whole", "sequences", "even", "backwards")
"""Settings of a layer's use, not of the layer."""


def network_of(graph: Graph) -> Network:
    """The layer view of a graph. Raises ``CrosstrainError``, which names the node that has none."""
    found = _steps(graph)
    outputs, used = found.outputs, found.used
    inputs = {name: f"%{name}" for name in graph.inputs if name != SEED}
    for name, value in outputs.items():
        if value not in found.steps:
            raise refuse(None, f"its output {name!r} is one of its inputs")
    read = {value for step in used for value in step.inputs}
    unread = [name for name, value in inputs.items() if value not in read]
    if unread:
        raise refuse(None, f"nothing reads its input {unread[0]!r}")
    moved = {f"{s.name}/{role}" for s in used if s.kind in MOVING for role in s.roles}
    others = [name for name in graph.updates if name not in moved]
    if others:
        raise refuse(
            None,
            f"a layer of its own changes the weight {others[0]!r} in training; use crosstrain train",
        )
    shapes = {value: graph.inputs[name].shape[1:] for name, value in inputs.items()}
    dtypes = {value: graph.inputs[name].dtype for name, value in inputs.items()}
    prefix = _common_folder({step.name for step in used if step.name})
    short = tuple(replace(s, name=s.name.removeprefix(prefix)) if s.name else s for s in used)
    fixed = tuple(
        name.removeprefix(prefix)
        for name in weights_of(used)
        if not graph.weights[name].trainable and name not in moved
    )
    return Network(graph.name, inputs, outputs, shapes, short, prefix, dtypes, fixed, found.penalty)


def weights_of(steps: Iterable[Step]) -> list[str]:
    """The paths of the weights that steps own."""
    paths = [
        step.name if step.kind == "weight" else f"{step.name}/{role}" for step in steps for role in step.roles
    ]
    return list(dict.fromkeys(paths))


class _Found:
    """The steps of a graph by output. Weights that an operation reads by itself belong to no layer."""

    def __init__(self, graph: Graph, free: frozenset[str]) -> None:
        self.view = Values(graph)
        self.steps: dict[str, Step] = {}
        self.free = free
        for node in graph.nodes:
            for step in self.of(complete(node)) if node.op != "constant" else ():
                self.steps[step.output] = step
        self.penalty = self.sum(graph.penalties)

    def sum(self, values: tuple[str, ...]) -> str | None:
        """The value of a sum, after the steps that add it up."""
        total: str | None = None
        for number, value in enumerate(self.view.alias.get(v, v) for v in values):
            if total is not None:
                step = Step("add", (total, value), f"%penalty/{number}", ())
                self.steps[step.output] = step
                value = step.output
            total = value
        return total

    def of(self, node: Node) -> list[Step]:
        rule = LAYERS.get(node.op)
        if rule is not None:
            try:
                result = rule(self.view, node)
            except NoLayer:
                result = None
            if isinstance(result, str):
                self.view.alias[node.references[0]] = result
                return []
            steps = [result] if isinstance(result, Step) else result or []
            if steps and not self.free.intersection(weights_of(steps)):
                return steps
        if node.op not in GENERAL:
            raise refuse(node, f"crosstrain code does not support the op {node.op!r}")
        return general(self.view, node)

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {name: self.view.alias.get(ref, ref) for name, ref in self.view.graph.outputs.items()}

    @cached_property
    def used(self) -> list[Step]:
        """The steps that something comes of, each after those that it reads."""
        ends = (*self.outputs.values(), *([self.penalty] if self.penalty else []))
        return _ordered(self.steps, ends)

    @property
    def loose(self) -> frozenset[str]:
        return frozenset(step.name for step in self.used if step.kind == "weight")


def _steps(graph: Graph) -> _Found:
    """The steps, once no weight is read both by a layer and by itself, and no layer shares its name."""
    free: frozenset[str] = frozenset()
    while True:
        found = _Found(graph, free)
        loose = found.loose | _torn(found)
        if loose <= free:
            return found
        free |= loose


def _torn(found: _Found) -> frozenset[str]:
    """The weights of a layer that steps of several kinds, or with several settings, share."""
    owners: dict[str, tuple[object, ...]] = {}
    torn: set[str] = set()
    for step in found.used:
        if not step.roles or step.kind == "weight":
            continue
        settings = sorted((k, str(v)) for k, v in step.settings.items() if k not in BY_USE)
        made = (step.kind, step.roles, tuple(settings))
        if owners.setdefault(step.name, made) != made:
            torn.update(f"{step.name}/{role}" for role in (*step.roles, *owners[step.name][1]))  # type: ignore[misc]
    return frozenset(torn)


def _common_folder(names: set[str]) -> str:
    """The folder that all names share, as ``lenet5/``."""
    firsts = {name.partition("/")[0] for name in names}
    whole = len(firsts) == 1 and all("/" in name and PurePosixPath(name).parent.name for name in names)
    return f"{firsts.pop()}/" if whole else ""


def _ordered(steps: Mapping[str, Step], outputs: tuple[str, ...]) -> list[Step]:
    """Steps in depth-first order from the outputs: inputs before their step, chains in one piece."""
    ordered: list[Step] = []
    visited: set[str] = set()
    pending = [(value, False) for value in reversed(outputs)]
    while pending:
        value, ready = pending.pop()
        if value in visited or value not in steps:
            continue
        if ready:
            visited.add(value)
            ordered.append(steps[value])
            continue
        pending.append((value, True))
        pending.extend((i, False) for i in reversed(steps[value].inputs))
    return ordered

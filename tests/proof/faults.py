"""Engines with one planted fault each: a real engine that is handed a slightly other program.

A fault changes the graph by the name of a node, so it is there in every graph that is made from the
network, also in those that the proof makes to look into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Arrays, Description, Engine, Network, Setting, State
from crosstrain.graph.graph import Graph, Node, TensorSpec, WeightSpec
from crosstrain.graph.program import Program
from crosstrain.training import recipe
from crosstrain.training.optimizers import Optimizer


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Fault:
    """What a faulty engine does otherwise than it was told; each part is right unless given."""

    graph: Callable[[Graph], Graph] = same
    loss: Callable[[Graph], Graph] = same
    """In a graph that has its loss inside, ``graph`` has to change the same by its name there."""
    weights: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    optimizer: Callable[[Optimizer], Optimizer] = same
    inputs: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    gradients: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    rate: Callable[[float, int], float] = lambda rate, step: rate
    hidden: Mapping[str, str | None] = field(default_factory=dict)
    """Weights that the engine keeps to itself; what is hidden is added to another weight on reading."""
    decay: tuple[tuple[str, ...], float] | None = None
    """Endings of names of weights that decay (decoupled), and how strongly."""
    rate_outside: bool = False
    stale: bool = False
    """Every training step but the first uses the batch of the step before."""
    order: Callable[[int, int, int], np.ndarray] | None = None

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Faults of the loop around the engine."""
        with pytest.MonkeyPatch.context() as patch:
            if self.order:
                patch.setattr(recipe, "batch_order", self.order)
            yield


@dataclass(frozen=True)
class FaultyEngine:
    """A real engine with a fault."""

    real: Engine
    fault: Fault

    @property
    def name(self) -> str:
        return self.real.name

    def describe(self) -> Description:
        return self.real.describe()

    def build(self, program: Program, weights: Arrays, setting: Setting) -> Network:
        fault = self.fault
        network = fault.graph(program.network)
        changed = Program(network, fault.loss(program.loss), fault.optimizer(program.optimizer))
        changed_weights = fault.weights(dict(weights))
        for name, spec in network.weights.items():
            changed_weights.setdefault(name, np.zeros(spec.shape, setting.precision))
        return FaultyNetwork(self.real.build(changed, changed_weights, setting), fault)


class FaultyNetwork:
    """A real network with a fault."""

    def __init__(self, real: Network, fault: Fault) -> None:
        self.real, self.fault = real, fault
        self.step, self.last_rate, self.last_inputs = 0, None, None

    def train(self, inputs: Arrays, learning_rate: float) -> Any:
        fault, rate = self.fault, self.fault.rate(learning_rate, self.step)
        if fault.rate_outside and self.last_rate not in (None, rate):
            state = self.real.read()
            scaled = {
                w: {k: v * (rate / self.last_rate) for k, v in slots.items()}
                for w, slots in state.slots.items()
            }
            self.real.load(replace(state, slots=scaled))
        used = self.last_inputs if fault.stale and self.last_inputs is not None else inputs
        self.step, self.last_rate, self.last_inputs = self.step + 1, rate, inputs
        if fault.decay is None:
            return self.real.train(fault.inputs(dict(used)), rate)
        endings, strength = fault.decay
        before = self.real.read().weights
        loss = float(self.real.train(fault.inputs(dict(used)), rate))
        after = self.real.read()
        decayed = {
            k: v - strength * rate * before[k] if k.endswith(endings) else v for k, v in after.weights.items()
        }
        self.real.load(replace(after, weights=decayed))
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        return self.real.predict(self.fault.inputs(dict(inputs)), training)

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, gradients = self.real.gradients(self.fault.inputs(dict(inputs)))
        return loss, self.fault.gradients({k: v for k, v in gradients.items() if k not in self.fault.hidden})

    def read(self) -> State:
        state = self.real.read()
        weights = dict(state.weights)
        for name, into in self.fault.hidden.items():
            value = weights.pop(name)
            if into:
                weights[into] = weights[into] + value
        return replace(state, weights=weights)

    def load(self, state: State) -> None:
        """What is hidden stays as it is; the weight that shows it gives way."""
        own, weights = self.real.read().weights, dict(state.weights)
        for name, into in self.fault.hidden.items():
            weights[name] = own[name]
            if into:
                weights[into] = weights[into] - own[name]
        for name in set(own) - set(weights):  # the engine's own, which nobody gives it
            weights[name] = own[name]
        self.real.load(replace(state, weights=weights))
        self.step = state.step

    def wait(self) -> None:
        self.real.wait()


# -- surgery ---------------------------------------------------------------------------------------------
def changed(name: str, change: Callable[[Node], list[Node]]) -> Callable[[Graph], Graph]:
    """A graph with one node replaced by others; as it was, where it has no such node."""

    def apply(graph: Graph) -> Graph:
        nodes = [new for node in graph.nodes for new in (change(node) if node.name == name else [node])]
        return replace(graph, nodes=tuple(nodes)).check()

    return apply


def attributes(name: str, **values: Any) -> Callable[[Graph], Graph]:
    """Other attributes for a node."""
    return changed(name, lambda node: [replace(node, attributes={**node.attributes, **values})])


def another_op(name: str, op: str) -> Callable[[Graph], Graph]:
    """Another op for a node."""
    return changed(name, lambda node: [replace(node, op=op)])


def without_input(name: str, index: int) -> Callable[[Graph], Graph]:
    """A node without one of its optional inputs."""

    def change(node: Node) -> list[Node]:
        return [replace(node, inputs=tuple(None if i == index else ref for i, ref in enumerate(node.inputs)))]

    return changed(name, change)


def counted_padding(name: str) -> Callable[[Graph], Graph]:
    """Zeros around, then an average that counts them."""

    def change(node: Node) -> list[Node]:
        pads = node.attributes["padding"]
        zeros = Node(
            "fault/pad", "pad", node.inputs, {"padding": ((0, 0), *pads, (0, 0))}, (node.outputs[0],)
        )
        plain = {**node.attributes, "padding": ((0, 0),) * len(pads)}
        return [zeros, replace(node, inputs=("%fault/pad",), attributes=plain)]

    return changed(name, change)


def with_weight(name: str, weight: str, shape: tuple[int, ...], index: int) -> Callable[[Graph], Graph]:
    """A new trainable weight as an input of a node."""

    def apply(graph: Graph) -> Graph:
        def change(node: Node) -> list[Node]:
            inputs = [*node.inputs, *[None] * (index + 1 - len(node.inputs))]
            inputs[index] = f"@{weight}"
            return [replace(node, inputs=tuple(inputs))]

        return changed(name, change)(replace(graph, weights={**graph.weights, weight: WeightSpec(shape)}))

    return apply


def second_bias(name: str, index: int, weight: str, shape: tuple[int, ...]) -> Callable[[Graph], Graph]:
    """A bias stored as two, both trained."""

    def apply(graph: Graph) -> Graph:
        def change(node: Node) -> list[Node]:
            both = Node("fault/biases", "add", (node.inputs[index], f"@{weight}"), {}, (TensorSpec(shape),))
            inputs = tuple("%fault/biases" if i == index else ref for i, ref in enumerate(node.inputs))
            return [both, replace(node, inputs=inputs)]

        return changed(name, change)(replace(graph, weights={**graph.weights, weight: WeightSpec(shape)}))

    return apply


def unbiased_statistic(name: str, momentum: float, count: int) -> Callable[[Graph], Graph]:
    """The moving variance of a BatchNorm takes n / (n - 1) times the batch's variance."""
    factor = count / (count - 1)

    def apply(graph: Graph) -> Graph:
        node = next((n for n in graph.nodes if n.name == name), None)
        moving = next((w for w, ref in graph.updates.items() if node and ref == f"%{name}:2"), None)
        if node is None or moving is None:
            return graph
        spec = node.outputs[2:]
        number = lambda key, value: Node(
            key, "constant", (), {"value": value, "dtype": "float32"}, (TensorSpec(()),)
        )
        extra = [
            number("fault/factor", factor),
            number("fault/rest", momentum * (1 - factor)),
            Node("fault/new", "multiply", (f"%{name}:2", "%fault/factor"), {}, spec),
            Node("fault/old", "multiply", (node.inputs[4], "%fault/rest"), {}, spec),
            Node("fault/moving", "add", ("%fault/new", "%fault/old"), {}, spec),
        ]
        nodes = [new for n in graph.nodes for new in ([n, *extra] if n is node else [n])]
        return replace(graph, nodes=tuple(nodes), updates={**graph.updates, moving: "%fault/moving"}).check()

    return apply


def reset_before(name: str) -> Callable[[Graph], Graph]:
    """A GRU whose reset gate comes before the product, with both biases added into one."""

    def change(node: Node) -> list[Node]:
        units = node.outputs[0].shape[-1] or 0
        one = Node("fault/bias", "sum", (node.inputs[3],), {"axis": 0}, (TensorSpec((3 * units,)),))
        inputs = tuple("%fault/bias" if i == 3 else ref for i, ref in enumerate(node.inputs))
        return [one, replace(node, inputs=inputs, attributes={**node.attributes, "reset_after": False})]

    return changed(name, change)


def channels_first_flatten(name: str) -> Callable[[Graph], Graph]:
    """A flatten that goes through the channels first."""

    def change(node: Node) -> list[Node]:
        moved = Node("fault/moved", "transpose", node.inputs, {"axes": (0, 3, 1, 2)}, (node.outputs[0],))
        return [moved, replace(node, inputs=("%fault/moved",))]

    return changed(name, change)


def regated(name: str, order: tuple[int, ...]) -> Callable[[Graph], Graph]:
    """An LSTM that takes the gates of its weights to be in another order."""

    def change(node: Node) -> list[Node]:
        units = (node.outputs[0].shape[-1] or 0) * len(order)
        index = np.concatenate([np.split(np.arange(units), len(order))[i] for i in order])
        chosen = Node(
            "fault/gates", "constant", (), {"value": tuple(index.tolist()), "dtype": "int32"},
            (TensorSpec((units,), "int32"),),
        )  # fmt: skip
        nodes, inputs = [chosen], list(node.inputs)
        for number in (1, 2, 3):
            rank = 1 if number == 3 else 2
            spec = TensorSpec((units,) if rank == 1 else (units, units))
            if number == 1:
                spec = TensorSpec((4, units))
            elif number == 2:
                spec = TensorSpec((units // len(order), units))
            moved = Node(
                f"fault/{number}", "take", (inputs[number], "%fault/gates"), {"axis": rank - 1}, (spec,)
            )
            nodes.append(moved)
            inputs[number] = moved.references[0]
        return [*nodes, replace(node, inputs=tuple(inputs))]

    return changed(name, change)


def transposed_kernel(name: str, shape: tuple[int, ...]) -> Callable[[Graph], Graph]:
    """A kernel with height and width swapped."""

    def change(node: Node) -> list[Node]:
        turned = Node(
            "fault/kernel", "transpose", (node.inputs[1],), {"axes": (1, 0, 2, 3)}, (TensorSpec(shape),)
        )
        inputs = tuple("%fault/kernel" if i == 1 else ref for i, ref in enumerate(node.inputs))
        return [turned, replace(node, inputs=inputs)]

    return changed(name, change)


def aligned_corners(name: str, sizes: tuple[int, int]) -> Callable[[Graph], Graph]:
    """Bilinear interpolation in which the first and last cells of both sides lie on each other."""
    large, small = sizes
    at = np.arange(large) * (small - 1) / (large - 1)
    matrix = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(small)))

    def change(node: Node) -> list[Node]:
        value = tuple(map(tuple, matrix.tolist()))
        fixed = Node(
            "fault/corners", "constant", (), {"value": value, "dtype": "float32"}, (TensorSpec(sizes),)
        )
        return [fixed, replace(node, inputs=(node.inputs[0], "%fault/corners"))]

    return changed(name, change)


def passed_on(name: str, index: int = 0) -> Callable[[Graph], Graph]:
    """A node that hands one of its inputs on as it is."""
    return changed(
        name, lambda node: [replace(node, op="linear", inputs=(node.inputs[index],), attributes={})]
    )


def both(*changes: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """Several changes, one after the other."""

    def apply(graph: Graph) -> Graph:
        for change in changes:
            graph = change(graph)
        return graph

    return apply

"""The source of a training step, of the gradients or of the outputs, for one shape of batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mindspore as ms
from mindspore import ops

from crosstrain.engines.mindspore.trace import Axes, Tape, Value, cell
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import SEED, Graph
from crosstrain.training.optimizers import Optimizer, apply

Run = Callable[..., tuple[dict, dict]]
ADD, ASSIGN = ops.Add(), ops.Assign()


@dataclass(frozen=True)
class Variable:
    """A weight or slot on the device: its parameter, called ``key`` in sources, and the order of its axes."""

    key: str
    parameter: ms.Parameter
    axes: Axes = None

    def value(self, name: str = "") -> Value:
        return Value(self.parameter, name or self.key, self.axes)


@dataclass(frozen=True)
class Compiled:
    """Compiled code: called with the batch's arrays, then the noise that it wants, then other numbers."""

    call: Callable[..., Any]
    noise: tuple[tuple[str, str, int, tuple[int, ...]], ...]
    direct: Mapping[str, str]


class Forward:
    """A graph as the source of a function of weights and inputs."""

    def __init__(
        self,
        graph: Graph,
        run: Run,
        precision: str,
        weights: Mapping[str, Variable],
        inputs: Mapping[str, Any],
    ) -> None:
        self.tape, self.weights = Tape(precision), {name: weights[name] for name in graph.weights}
        self.inputs = {name: f"x{i}" for i, name in enumerate(n for n in graph.inputs if n != SEED)}
        with self.tape.running():
            values = {name: Value(inputs[name], key) for name, key in self.inputs.items()}
            if SEED in graph.inputs:
                values[SEED] = Value(None, "")
            outputs, updates = run(
                {name: variable.value() for name, variable in self.weights.items()}, values
            )
            self.outputs = {name: value.to_layout(None) for name, value in outputs.items()}
            self.updates = {name: value.to_layout(weights[name].axes) for name, value in updates.items()}

    @property
    def direct(self) -> dict[str, str]:
        """Outputs that are weights as they stand, and which: compiled code of MindSpore (2.10) gives a
        float64 parameter that it returns untouched in the precision of float32."""
        keys = {variable.key: name for name, variable in self.weights.items()}
        return {name: keys[value.name] for name, value in self.outputs.items() if value.name in keys}

    @property
    def noise(self) -> list[str]:
        return [name for name, *_ in self.tape.noise]

    def source(self, first: tuple[str, ...], results: list[str]) -> str:
        """A function ``forward`` that takes the weights (those named first before the others), then the
        inputs, then the noise."""
        lines = [*self.tape.lines, f"return {_tuple(results)}"]
        return f"def forward({', '.join(self._arguments(first))}):\n" + _indented(lines, 1)

    def arguments(self, first: tuple[str, ...]) -> str:
        """The arguments of a call of ``forward`` in the cell's ``construct``."""
        keys = {h.key for h in self.weights.values()}
        return ", ".join(f"self.{a}" if a in keys else a for a in self._arguments(first))

    def _arguments(self, first: tuple[str, ...]) -> list[str]:
        order = [*first, *(name for name in self.weights if name not in first)]
        return [*(self.weights[name].key for name in order), *self.inputs.values(), *self.noise]


def _indented(lines: list[str], depth: int) -> str:
    return "".join(f"{'    ' * depth}{line}\n" for line in lines)


def _tuple(names: list[str]) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"


def _compiled(
    forward: Forward, before: str, arguments: list[str], body: list[str], variables: Any, objects: Any
) -> Compiled:
    head = ", ".join(["self", *forward.inputs.values(), *forward.noise, *arguments])
    source = (
        f"{before}\n\nclass Compiled(nn.Cell):\n    @ms.jit\n    def construct({head}):\n{_indented(body, 2)}"
    )
    parameters = {h.key: h.parameter for h in variables}
    network = cell(source, {**forward.tape.objects, **objects}, parameters)
    return Compiled(network, tuple(forward.tape.noise), forward.direct)


def outputs_of(forward: Forward) -> Compiled:
    """The outputs, in the graph's order. One that is a weight as it stands is left out (``direct``)."""
    direct = forward.direct
    results = [value.name for name, value in forward.outputs.items() if name not in direct]
    body = [f"return forward({forward.arguments(())})"]
    return _compiled(forward, forward.source((), results), [], body, forward.weights.values(), {})


def _differentiated(forward: Forward, trainable: tuple[str, ...]) -> tuple[str, list[str]]:
    """The source of ``forward``, and lines that call and differentiate it: ``loss``, ``n0 …`` the next
    moving statistics, ``g0 …`` the gradients."""
    results = [forward.outputs["loss"].name, *(value.name for value in forward.updates.values())]
    # What is not differentiated comes second; there has to be something.
    source = forward.source(trainable, results if len(results) > 1 else results * 2)
    news = [f"n{i}" for i in range(max(1, len(forward.updates)))]
    arguments, results_line = forward.arguments(trainable), _tuple(["loss", *news])
    if not trainable:
        return source, [f"{results_line} = forward({arguments})"]
    single = len(trainable) == 1
    where = "0" if single else _tuple([str(i) for i in range(len(trainable))])
    gradients = "g0" if single else _tuple([f"g{i}" for i in range(len(trainable))])
    call = f"ms.value_and_grad(forward, {where}, None, True)({arguments})"
    return source, [f"{results_line}, {gradients} = {call}"]


def gradients_of(forward: Forward, trainable: tuple[str, ...]) -> Compiled:
    """(loss, gradient of each trainable weight …), the gradients as their weights lie. Called with a zero
    behind the batch, which is added to the gradients: where one is a parameter as it stands (that of a sum
    of products), MindSpore would give it in the precision of float32, as it does outputs (``direct``)."""
    source, body = _differentiated(forward, trainable)
    gradients = [f"{forward.tape.named(ADD)}(g{i}, zero)" for i in range(len(trainable))]
    body.append(f"return {_tuple(['loss', *gradients])}")
    return _compiled(forward, source, ["zero"], body, forward.weights.values(), {})


def training_of(
    forward: Forward, trainable: tuple[str, ...], namespace: Ops, optimizer: Optimizer,
    slots: Mapping[str, Mapping[str, Variable]], number: Callable[[float], Any],
) -> Compiled:  # fmt: skip
    """The loss; weights, slots and moving statistics are written over. Called with the learning rate and
    the number of the step behind the batch."""
    source, body = _differentiated(forward, trainable)
    tape = Tape(forward.tape.precision, prefix="u")
    with tape.running():
        weights = {
            name: forward.weights[name].value(f"self.{forward.weights[name].key}") for name in trainable
        }
        gradients = {
            name: Value(value.tensor, f"g{i}", value.axes) for i, (name, value) in enumerate(weights.items())
        }
        old = {
            name: {slot: variable.value(f"self.{variable.key}") for slot, variable in slots[name].items()}
            for name in trainable
        }
        rate, step = Value(number(0.5), "rate"), Value(number(1.0), "step")
        new_weights, new_slots = apply(namespace, optimizer, weights, gradients, old, rate, step)
        assignments = [(weights[name], value) for name, value in new_weights.items()]
        assignments += [(old[name][slot], v) for name, each in new_slots.items() for slot, v in each.items()]
        pairs = [(target.name, value.to_layout(target.axes).name) for target, value in assignments]
    pairs += [(f"self.{forward.weights[name].key}", f"n{i}") for i, name in enumerate(forward.updates)]
    body += tape.lines
    body += [f"{tape.named(ASSIGN)}({target}, {value})" for target, value in pairs if target != value]
    body.append("return loss")
    variables = [*forward.weights.values(), *(h for name in trainable for h in slots[name].values())]
    return _compiled(forward, source, ["rate", "step"], body, variables, tape.objects)

"""Steps as Keras has them: activations in the layer before them, branches in the network's order."""

from __future__ import annotations

from dataclasses import replace

from crosstrain.source.view.step import MOVING, Network, Step

NAMED = ("relu", "tanh", "sigmoid", "softmax", "elu", "selu", "silu", "softplus", "softsign", "relu6")
"""Activations that a layer takes by name."""


def prepared(network: Network) -> Network:
    return _fused(_in_order(network))


def _in_order(network: Network) -> Network:
    """A BatchNorm that is applied again, and moves its statistics again, waits for the branch before: Keras
    runs branches in an order of its own."""
    shapes = {**network.shapes, **{step.output: step.shape for step in network.steps}}
    steps: list[Step] = []
    moved: dict[str, str] = {}
    for step in network.steps:
        if step.kind in MOVING:
            if step.name in moved:
                (value,) = step.inputs
                waiting = f"{value}/after/{moved[step.name]}"
                steps.append(Step("after", (value, moved[step.name]), waiting, shapes[value]))
                step = replace(step, inputs=(waiting,))
            moved[step.name] = step.output
        steps.append(step)
    return replace(network, steps=tuple(steps))


def _fused(network: Network) -> Network:
    """Activations go into the convolution or dense layer before them; layers applied twice are marked."""
    reads = [value for step in network.steps for value in step.inputs] + list(network.outputs.values())
    names = [step.name for step in network.steps if step.name]
    shared = {name for name in names if names.count(name) > 1}
    steps: list[Step] = []
    for step in network.steps:
        before = steps[-1] if steps else None
        plain = step.kind in NAMED and step.settings.get("alpha", 1.0) == 1.0
        if step.name in shared and step.kind != "weight":
            steps.append(replace(step, settings={**step.settings, "shared": True}))
            continue
        if (
            before is not None
            and plain
            and before.kind in ("conv", "dense")
            and before.name not in shared
            and step.inputs == (before.output,)
            and reads.count(before.output) == 1
        ):
            steps[-1] = replace(
                before, output=step.output, settings={**before.settings, "activation": step.kind}
            )
        else:
            steps.append(step)
    return replace(network, steps=tuple(steps))

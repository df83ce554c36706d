"""Pictures with their channels first, for the frameworks that have them so."""

from __future__ import annotations

from dataclasses import replace

from crosstrain.source.view.step import ELEMENTWISE, Network, Step

EITHER = {*ELEMENTWISE, "dropout"} - {"softmax", "log_softmax", "where"}
PICTURES = {
    "conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool", "batch_norm", "global_mean",
    "global_max",
    "subsample", "pad_channels", "zero_pad", "concatenate", "upsample",
}  # fmt: skip
"""Kinds of steps that take pictures with their channels first; all others take them last."""


def channels_first(network: Network) -> Network:
    """With pictures as (N, C, H, W) inside: steps ``to_first`` and ``to_last`` stand where they turn.

    Data comes in as (N, H, W, C), and a flatten keeps that order.
    """
    turned: dict[str, str] = {}
    first: set[str] = set()
    steps: list[Step] = []
    shapes = {**network.shapes, **{s.output: s.shape for s in network.steps}}
    plain = {s.output for s in network.steps if s.kind in ("number", "none")}

    def turn(value: str, to_first: bool) -> str:
        if len(shapes[value]) != 3 or (value in first) == to_first or value in plain:
            return value
        if value not in turned:
            turned[value] = f"{value}/turned"
            steps.append(Step("to_first" if to_first else "to_last", (value,), turned[value], shapes[value]))
            shapes[turned[value]] = shapes[value]
            if to_first:
                first.add(turned[value])
        return turned[value]

    for step in network.steps:
        ranks = {len(shapes[i]) for i in step.inputs if i not in plain}
        if 3 not in ranks:
            steps.append(step)
            continue
        wanted = step.kind in PICTURES
        if step.kind in EITHER and ranks == {3}:
            wanted = any(i in first for i in step.inputs)
        inputs = tuple(turn(i, wanted) for i in step.inputs)
        steps.append(replace(step, inputs=inputs))
        if len(step.shape) == 3 and wanted:
            first.add(step.output)
    outputs = {name: turn(value, False) for name, value in network.outputs.items()}
    return replace(network, steps=tuple(steps), outputs=outputs)

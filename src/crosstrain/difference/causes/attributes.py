"""Settings of a layer that differ: epsilon, padding, stride, dilation, slope, window, size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crosstrain.difference.aligning import KIND, family
from crosstrain.difference.causes.table import Explanation, Suspicion, fitting, rule
from crosstrain.proof.locating import differences_by_op  # noqa: F401  (importing adds the experiments)
from crosstrain.proof.locating.causes import EXPERIMENTS

NAMES: dict[str, tuple[str, str, str]] = {
    "epsilon": ("epsilon", "epsilon", "give both the same epsilon (Keras: epsilon=, PyTorch: eps=)"),
    "padding": (
        "padding", "padding",
        "Keras pads the odd cell at the end: in PyTorch pad by hand with F.pad(x, (0, 1, 0, 1)) before a "
        "layer with padding=0, or in Keras use ZeroPadding2D and padding='valid'",
    ),
    "crop": ("padding", "cropping", "give both the same padding and output_padding"),
    "strides": ("stride", "stride", "give both the same strides"),
    "dilation": ("dilation", "dilation", "give both the same dilation (Keras: dilation_rate=)"),
    "window": ("window", "window of the pooling", "give both the same window (pool_size, kernel_size)"),
    "negative_slope": (
        "slope", "negative slope",
        "give both the same slope (by default 0.3 in Keras's LeakyReLU, 0.01 in PyTorch's)",
    ),
    "approximate": (
        "gelu", "gelu's form (True: tanh, False: exact)",
        "give both the same form (Keras: gelu(x, approximate=), PyTorch: GELU(approximate='tanh'))",
    ),
    "alpha": ("alpha", "alpha", "give both the same alpha"),
    "axis": ("axis", "axis", "let both work along the same axis (channels: last in Keras, first in PyTorch)"),
    "axes": ("axis", "axes", "let both normalise over the same axes"),
    "size": ("size", "factor of the upsampling", "give both the same factor"),
    "groups": ("groups", "number of groups", "give both the same groups"),
    "reset_after": (
        "reset gate", "side of the reset gate (reset_after)",
        "PyTorch's GRU multiplies after the product: use reset_after=True in Keras",
    ),
    "activation": ("activation", "activation", "give both the same activation"),
    "recurrent_activation": ("activation", "activation of the gates", "give both the same gates"),
    "backwards": ("direction", "direction", "let both go through time in the same direction"),
}  # fmt: skip
"""By an attribute of a node: the cause's name, the setting in words, and what to change."""


@rule()
def settings(s: Suspicion) -> Iterator[Explanation]:
    """Attributes of the same op that differ: one by one, then all together."""
    a, b = s.a, s.counterpart
    if a is None or b is None or family(a) != family(b):
        return
    shared = {k: b.attributes[k] for k in a.attributes if k in b.attributes}
    differing = {k: v for k, v in shared.items() if v != a.attributes[k] and k in NAMES}
    groups = [{k: v} for k, v in differing.items()]
    if len(differing) > 1:
        groups.append(differing)
    for group in groups:
        parts = [f"{NAMES[k][1]} {shown(a.attributes[k])} in A, {shown(v)} in B" for k, v in group.items()]
        advice = dict.fromkeys(NAMES[k][2] for k in group)
        cause = " and ".join(dict.fromkeys(NAMES[k][0] for k in group))
        yield Explanation(cause, "; ".join(parts), "; ".join(advice), s.situation.again(**group))


@rule()
def other_op(s: Suspicion) -> Iterator[Explanation]:
    """B does another op of the same kind with what A's node reads: max for average, tanh for relu."""
    a, b = s.a, s.counterpart
    if a is None or b is None or a.op not in KIND or family(a) == family(b) or KIND[a.op] != KIND.get(b.op):
        return
    value = s.situation.again(op=b.op, **_only(dict(b.attributes), dict(a.attributes)))
    yield Explanation(KIND[a.op], f"A has {a.op}, B has {b.op}", f"use {a.op} in B, or {b.op} in A", value)


def _only(wanted: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The attributes of another op; ``again`` keeps the node's own, so none may be left over."""
    if set(own) - set(wanted):
        raise ValueError("an attribute of A's op is none of B's")
    return wanted


@rule("average_pool", "max_pool", "conv", "depthwise_conv", "dense", "conv_transpose", "layer_norm")
def known_differences(s: Suspicion) -> Iterator[Explanation]:
    """What proofs know of frameworks, tried on definitions."""
    for experiment in EXPERIMENTS.get(s.situation.node.op, ()):
        for sentence, value in fitting(experiment(s.situation)):
            cause = next((c for words, c in WORDS.items() if words in sentence), "")
            if cause:
                yield Explanation(cause, sentence.replace("the definition", "A"), CHANGES[cause], value)


WORDS = {
    "counted in the average": "counted padding",
    "padding": "padding",
    "bias is missing": "bias",
    "flipped": "kernel",
    "height and width swapped": "kernel",
    "transposed": "kernel",
    "epsilon": "epsilon",
}
"""What stands in a sentence of ``proof.locating``, and the cause's name here; other causes are engines'."""

CHANGES = {
    "counted padding": "average over the same cells: in PyTorch AvgPool2d(count_include_pad=False)",
    "padding": NAMES["padding"][2],
    "bias": "give both layers a bias, or none (Keras: use_bias=, PyTorch: bias=)",
    "kernel": "carry the kernel over in the other's order (PyTorch: out, in, h, w; Keras: h, w, in, out)",
    "epsilon": NAMES["epsilon"][2],
}


def shown(value: Any) -> str:
    """An attribute as one writes it; a padding or stride that is the same along all axes, once."""
    if isinstance(value, tuple) and value and all(v == value[0] for v in value):
        return shown(value[0])
    if isinstance(value, tuple):
        return (
            f"({', '.join(map(shown, value))})"
            if not isinstance(value[0], tuple)
            else ", ".join(map(shown, value))
        )
    return f"{value:g}" if isinstance(value, float) else str(value)

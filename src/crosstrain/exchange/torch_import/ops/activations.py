"""PyTorch's activations."""

from __future__ import annotations

import math

from crosstrain.exchange.reading.axes import behind
from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.ops.normalization import along_channels
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

PLAIN = {
    "relu6": "relu6", "selu": "selu", "silu": "silu", "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_silu", "log_sigmoid": "log_sigmoid",
}  # fmt: skip


@reads(*PLAIN)
def plain(r: TorchReader, n: AtenNode) -> Value:
    return r.elementwise(PLAIN[n.op], operand(n))


@reads("leaky_relu")
def leaky_relu(r: TorchReader, n: AtenNode) -> Value:
    return r.elementwise("leaky_relu", operand(n), negative_slope=float(n["negative_slope"]))


@reads("elu", "celu")
def elu(r: TorchReader, n: AtenNode) -> Value:
    x = r.elementwise(n.op, operand(n), alpha=float(n["alpha"]))
    if n.get("input_scale", 1) != 1:
        raise r.refusal("scales its input")
    scale = n.get("scale", 1)
    return x if scale == 1 else r.elementwise("multiply", x, r.numbers(scale, x))


@reads("gelu")
def gelu(r: TorchReader, n: AtenNode) -> Value:
    return r.elementwise("gelu", operand(n), approximate=n["approximate"] == "tanh")


@reads("softplus")
def softplus(r: TorchReader, n: AtenNode) -> Value:
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""
    x, beta = operand(n), float(n["beta"])
    inner = x if beta == 1 else r.elementwise("multiply", x, r.numbers(beta, x))
    soft = r.elementwise("softplus", inner)
    soft = soft if beta == 1 else r.elementwise("divide", soft, r.numbers(beta, soft))
    above = r.elementwise("greater", inner, r.numbers(float(n["threshold"]), inner))
    return r.elementwise("where", above, x, soft)


@reads("mish")
def mish(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    return r.elementwise("multiply", x, r.elementwise("tanh", r.elementwise("softplus", x)))


@reads("softshrink", "hardshrink")
def shrink(r: TorchReader, n: AtenNode) -> Value:
    op = "soft_shrink" if n.op == "softshrink" else "hard_shrink"
    return r.elementwise(op, operand(n), threshold=float(n["lambd"]))


@reads("threshold")
def threshold(r: TorchReader, n: AtenNode) -> Value:
    return r.elementwise("threshold", operand(n), threshold=float(n["threshold"]), value=float(n["value"]))


@reads("logit")
def logit(r: TorchReader, n: AtenNode) -> Value:
    x, eps = operand(n), n.get("eps")
    if eps is not None:
        x = r.elementwise("clip", x, minimum=float(eps), maximum=1 - float(eps))
    return r.elementwise("log", r.elementwise("divide", x, r.elementwise("subtract", r.numbers(1, x), x)))


@reads("prelu")
def prelu(r: TorchReader, n: AtenNode) -> Value:
    """x where it is above 0, else x times a weight: one, or one for each channel."""
    x, weight = operand(n), n["weight"]
    if math.prod(r.sizes(weight)) == 1:
        factor = r.as_value(r.emit("reshape", weight.first, shape=(1,) * max(x.rank, 1)))
    else:
        factor = along_channels(r, weight, x)
    falling = r.elementwise("multiply", x, factor)
    return r.elementwise("where", r.elementwise("greater", x, r.numbers(0, x)), x, falling)


@reads("glu")
def glu(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    axis, last = n["dim"] % x.rank, x.last_only
    ref = r.emit("glu", x.last if last else x.first, axis=behind(axis, x.rank) if last else axis)
    return r.as_value(ref, last=last)


@reads("softmax", "log_softmax", "_softmax", "_log_softmax", "softmin")
def softmax(r: TorchReader, n: AtenNode) -> Value:
    x, op = r.number_or_value(operand(n), "float32"), n.op.strip("_")
    axis = n["dim"] % x.rank
    if x.last_only and axis == 1:
        return r.as_value(r.emit(op, x.last, axis=-1), last=True)
    return r.as_value(r.emit(op, x.first, axis=axis - x.rank if axis == x.rank - 1 else axis))

"""PyTorch's normalisations, and dropout."""

from __future__ import annotations

import math
from typing import Any

from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads


def along_channels(r: TorchReader, vector: Value, x: Value) -> Value:
    """A vector along the second axis of ``x``, as a value of the same rank."""
    shape = [1] * x.rank
    shape[1 if x.rank > 1 else 0] = -1
    if x.last_only:
        ref = r.emit("reshape", vector.first, shape=(*[1] * (x.rank - 1), vector.shape[0]))
        return r.as_value(ref, last=True)
    length = vector.shape[0]
    return r.as_value(r.emit("reshape", vector.first, shape=tuple(length if s == -1 else s for s in shape)))


@reads("batch_norm")
def batch_norm(r: TorchReader, n: AtenNode) -> Value:
    """In training by the batch's own statistics; the running ones move by the share ``momentum``, the
    variance towards the one counted over n - 1."""
    x, epsilon = operand(n, "input"), float(n["eps"])
    front = x.rank <= 2
    source = x.first if front else x.last
    gamma, beta = r.placed(n["weight"]), r.placed(n["bias"])
    mean, variance = n["running_mean"], n["running_var"]
    if mean is None:
        axes = tuple(range(x.rank - 1))
        statistics = [r.emit(op, source, axis=axes) for op in ("mean", "variance")]
        ref = r.emit("normalize", source, gamma, beta, *statistics, axis=-1, epsilon=epsilon)
        return r.as_value(ref, last=not front)
    moving = [r.placed(mean), r.placed(variance)]
    if not n["training"]:
        ref = r.emit("normalize", source, gamma, beta, *moving, axis=-1, epsilon=epsilon)
        return r.as_value(ref, last=not front)
    keep = 1 - float(n["momentum"])
    y, new_mean, new_variance = r.several(
        "batch_norm", source, gamma, beta, *moving, axis=-1, momentum=keep, epsilon=epsilon
    )
    new_variance = _unbiased(r, source, str(moving[1]), new_variance, keep)
    for old, new in zip(moving, (new_mean, new_variance), strict=True):
        _move(r, str(old), new, keep)
    return r.as_value(y, last=not front)


def _unbiased(r: TorchReader, source: str, before: str, after: str, keep: float) -> str:
    """A moving variance whose share of the batch's variance is counted over n - 1 in place of n."""
    places = math.prod(int(s or 1) for s in r.builder.specs[source].shape[1:-1])
    number = lambda value: r.builder.constant(value, "float32")
    count = r.emit("multiply", r.examples(), number(places))
    less = r.emit("maximum", r.emit("subtract", count, number(1.0)), number(1.0))
    kept = r.emit("multiply", before, number(keep))
    moved = r.emit("multiply", r.emit("subtract", after, kept), r.emit("divide", count, less))
    return r.emit("add", kept, moved)


def _move(r: TorchReader, old: str, new: str, keep: float) -> None:
    """A statistic's next value; a layer that is applied twice moves it twice."""
    name = old[1:]
    if name in r.updates:
        change = r.emit("subtract", r.updates[name], old)
        new = r.emit("add", new, r.emit("multiply", change, r.builder.constant(keep, "float32")))
    r.updates[name] = new


@reads("instance_norm")
def instance_norm(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n, "input")
    if n["running_mean"] is not None:
        raise r.refusal("keeps moving statistics of single examples")
    axes = tuple(range(1, x.rank - 1))
    gamma, beta = r.placed(n["weight"]), r.placed(n["bias"])
    return r.as_value(
        r.emit("layer_norm", x.last, gamma, beta, axes=axes, epsilon=float(n["eps"])), last=True
    )


@reads("group_norm")
def group_norm(r: TorchReader, n: AtenNode) -> Value:
    """Normalised over each group of channels and all places; a scale and a shift for each channel."""
    x, groups = operand(n, "input"), int(n["num_groups"])
    last = x.rank > 2
    source = x.last if last else x.first
    channels = x.shape[1] or 0
    spatial = r.builder.specs[source].shape[1:-1]
    if None in spatial:
        raise r.refusal("is over an axis whose length only the data knows")
    split = r.emit("reshape", source, shape=(-1, *spatial, groups, channels // groups))
    axes = (*range(1, x.rank - 1), x.rank)
    y = r.emit("layer_norm", split, axes=axes, epsilon=float(n["eps"]))
    y = r.emit("reshape", y, shape=(-1, *spatial, channels))
    for op, number in (("multiply", n["weight"]), ("add", n["bias"])):
        y = y if number is None else r.emit(op, y, r.placed(number))
    return r.as_value(y, last=last)


@reads("layer_norm", "rms_norm")
def layer_norm(r: TorchReader, n: AtenNode) -> Value:
    x, count = operand(n, "input"), len(n["normalized_shape"])
    axes = tuple(range(x.rank - count, x.rank))
    if n.op == "rms_norm":
        epsilon = n.get("eps")
        if epsilon is None:
            raise r.refusal("has an epsilon that depends on the precision; give it one")
        return r.as_value(
            r.emit("rms_norm", x.first, r.placed(n["weight"]), axes=axes, epsilon=float(epsilon))
        )
    gamma, beta = r.placed(n["weight"]), r.placed(n["bias"])
    return r.as_value(r.emit("layer_norm", x.first, gamma, beta, axes=axes, epsilon=float(n["eps"])))


@reads("_weight_norm")
def weight_norm(r: TorchReader, n: AtenNode) -> Value:
    """g · v / |v|, the norm over all axes but one."""
    v, g, dim = n["v"], n["g"], n["dim"]
    axes: Any = tuple(a for a in range(v.rank) if a != dim) if dim != -1 else tuple(range(v.rank))
    square = r.emit("sum", r.emit("square", v.first), axis=axes, keepdims=True)
    unit = r.emit("divide", v.first, r.emit("sqrt", square))
    return r.as_value(r.emit("multiply", unit, g.first))


# -- noise ------------------------------------------------------------------------------------------
@reads("dropout", "feature_dropout", "alpha_dropout", "native_dropout")
def dropout(r: TorchReader, n: AtenNode) -> Value:
    x, rate = operand(n, "input"), float(n["p"])
    if not n["train"] or rate == 0:
        return x
    if rate == 1:
        return r.elementwise("multiply", x, r.numbers(0, x))
    last = x.last_only
    more: dict[str, Any] = {}
    if n.op == "feature_dropout":
        whole = x.shape[:2] if not last else (*x.shape[:1], *[1] * (x.rank - 2), x.shape[1])
        places = whole if last else (*whole, *[1] * (x.rank - 2))
        more["noise_shape"] = tuple(1 if p == 1 else None for p in places)
        if math.prod(n or 1 for n in x.shape[2:]) == 1:
            more = {}
    op = "alpha_dropout" if n.op == "alpha_dropout" else "dropout"
    source = x.last if last else x.first
    return r.as_value(
        r.emit(op, source, r.builder.seed(), rate=rate, salt=r.builder.next_salt(), **more), last=last
    )

"""Which nodes are layers of the frameworks: convolutions, poolings, dense layers, normalisations, shapes.

A rule returns a step, several of them, or the value that stands for the node; it raises ``NoLayer`` where
nothing but the operation itself will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from crosstrain.graph.graph import Node
from crosstrain.source.view.step import ACTIVATIONS, NoLayer, Step
from crosstrain.source.view.values import Values

Result = Step | str | list[Step]
Rule = Callable[[Values, Node], Result]


def demand(holds: bool) -> None:
    """Raises ``NoLayer`` unless ``holds``."""
    if not holds:
        raise NoLayer


def alike(numbers: Any) -> Any:
    """One number where all are the same, else the tuple."""
    numbers = tuple(numbers)
    return numbers[0] if len(set(numbers)) == 1 else numbers


def even(pairs: Any) -> Any:
    """What is padded on both sides of each axis (one number where all axes have the same); None where the
    sides of an axis differ."""
    return alike(before for before, _ in pairs) if all(b == a for b, a in pairs) else None


def padding_word(view: Values, node: Node, size: Any, dilation: Any) -> str:
    """``valid`` or ``same`` where the padding is one of these, else ``explicit``."""
    pairs, strides = node.attributes["padding"], node.attributes["strides"]
    if not any(n for pair in pairs for n in pair):
        return "valid"
    axes = zip(view.shape(node.inputs[0])[1:-1], size, strides, dilation, pairs, strict=True)
    for length, k, s, d, pair in axes:
        reach = (k - 1) * d
        total = reach if s == 1 else max((-(-(length or 0) // s) - 1) * s + reach + 1 - (length or 0), 0)
        if (length is None and s != 1) or tuple(pair) != (total // 2, total - total // 2):
            return "explicit"
    return "same"


def window(view: Values, node: Node, size: Any, dilation: Any) -> dict[str, Any]:
    """Stride and padding, each as one number where the axes agree."""
    a = node.attributes
    settings = {
        "stride": alike(a["strides"]),
        "padding": padding_word(view, node, size, dilation),
        "even": even(a["padding"]),
        "rank": len(size) + 2,
    }
    demand(settings["even"] is not None or settings["padding"] == "same")
    demand(settings["padding"] != "same" or settings["even"] is not None or _square(settings, size))
    return settings


def _square(settings: dict[str, Any], size: Any) -> bool:
    """Uneven padding is written for one size and stride on two axes alone."""
    return len(size) == 2 and isinstance(settings["stride"], int) and len(set(size)) == 1


def _conv(view: Values, node: Node) -> Step:
    a, kernel = node.attributes, view.lengths(node.inputs[1])
    *size, fan, filters = kernel
    dilation, depthwise = tuple(a["dilation"]), node.op == "depthwise_conv"
    groups = fan if depthwise else a["groups"]
    demand(not depthwise or filters == 1)
    settings = window(view, node, size, dilation)
    demand(settings["even"] is not None or (set(dilation) == {1} and groups == 1))
    lengths = zip(view.shape(node.inputs[0])[1:-1], a["strides"], strict=True)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return view.make(
        node,
        "depthwise_conv" if depthwise else "conv",
        {
            "in_channels": fan if depthwise else fan * groups,
            "filters": fan if depthwise else filters,
            "kernel_size": alike(size),
            **settings,
            "dilation": alike(dilation),
            "groups": groups,
            "divides": not any(n is None or n % s for n, s in lengths),
        },
        values=view.values(node, 1),
        **view.owned({"kernel": node.inputs[1], "bias": bias}),
    )


def _conv_transpose(view: Values, node: Node) -> Step:
    a, kernel = node.attributes, view.lengths(node.inputs[1])
    *size, filters, channels = kernel
    demand(all(n >= 0 for pair in a["crop"] for n in pair))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    axes = list(
        zip(view.shape(node.inputs[0])[1:-1], size, a["strides"], a["dilation"], a["crop"], strict=True)
    )
    demand(all(n is not None for n, *_ in axes))
    same = all(sum(c) == max((k - 1) * d + 1 - s, 0) for _, k, s, d, c in axes) and any(map(any, a["crop"]))
    settings = {
        "in_channels": channels,
        "filters": filters,
        "kernel_size": alike(size),
        "stride": alike(a["strides"]),
        "dilation": alike(a["dilation"]),
        "crop": tuple(map(tuple, a["crop"])),
        "even": even(a["crop"]),
        "same": same,
        "rank": len(size) + 2,
    }
    owned = view.owned({"kernel": node.inputs[1], "bias": bias})
    return view.make(node, "conv_transpose", settings, values=view.values(node, 1), **owned)


def _pool(view: Values, node: Node) -> Step:
    size = tuple(node.attributes["window"])
    settings = {"size": alike(size), **window(view, node, size, (1,) * len(size))}
    demand(len(size) == 2 or settings["even"] == 0)
    return view.make(node, node.op, settings)


def _dense(view: Values, node: Node) -> Step:
    inputs, units = view.shape(node.inputs[1])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    owned = view.owned({"kernel": node.inputs[1], "bias": bias})
    rank = len(view.shape(node.inputs[0]))
    return view.make(
        node, "dense", {"inputs": inputs, "units": units, "rank": rank}, values=view.values(node, 1), **owned
    )


def _batch_norm(view: Values, node: Node) -> Step:
    a, rank = node.attributes, len(view.shape(node.inputs[0]))
    weights = (*node.inputs[1:3], *map(view.before, node.inputs[3:]))
    roles = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), weights, strict=True))
    readers = {n.op for n in view.graph.nodes if set(node.references[1:]) & set(n.inputs)}
    demand(readers <= {"batch_norm", "phase_select"})
    axis = a["axis"] % rank
    settings = {
        "channels": view.shape(weights[2])[0],
        "momentum": a["momentum"],
        "epsilon": a["epsilon"],
        "axis": axis,
        "rank": rank,
    }
    usual = axis == rank - 1 and rank in (2, 4)
    return view.make(
        node, "batch_norm" if usual else "batch_norm_axis", settings, values=view.values(node, 1),
        **view.owned(roles),
    )  # fmt: skip


def _layer_norm(view: Values, node: Node) -> Step:
    a, rank = node.attributes, len(view.shape(node.inputs[0]))
    demand(tuple(n % rank for n in a["axes"]) == (rank - 1,))
    settings = {"features": view.shape(node.inputs[0])[-1], "epsilon": a["epsilon"], "rank": rank}
    roles = ("gamma",) if node.op == "rms_norm" else ("gamma", "beta")
    inputs = (*node.inputs[1:], None, None)[: len(roles)]
    demand(inputs[0] is not None)
    scale = str(inputs[0]).rpartition("/")[2]
    names = {"scale": "scale"} if scale == "scale" else {role: role for role in roles}
    owned = view.owned(dict(zip(names, inputs, strict=True)))
    return view.make(node, node.op, settings, values=view.values(node, 1), **owned)


def _embedding(view: Values, node: Node) -> Step:
    table, index = node.inputs
    demand(str(table).startswith("@") and node.attributes["axis"] == 0)
    demand(not str(index).startswith("@") and view.constant(index) is None)
    vocabulary, features = view.shape(table)
    value = view.alias.get(str(index), str(index))
    whole = value not in {f"%{name}" for name in view.graph.inputs} or view.dtype(value) != "float32"
    settings = {"vocabulary": vocabulary, "features": features, "whole": whole}
    return view.make(node, "embedding", settings, values=(value,), **view.owned({"embeddings": table}))


def _cast(view: Values, node: Node) -> str:
    """In front of Embeddings alone, which take numbers of any kind."""
    (value,) = view.values(node)
    readers = {n.op for n in view.graph.nodes if node.references[0] in n.inputs}
    demand(readers == {"take"} and value in {f"%{name}" for name in view.graph.inputs})
    return value


def _reduced(view: Values, node: Node) -> Step:
    rank, axis = len(view.shape(node.inputs[0])), node.attributes["axis"]
    axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
    demand(rank in (3, 4) and tuple(n % rank for n in axes) == tuple(range(1, rank - 1)))
    keepdims = bool(node.attributes.get("keepdims"))
    return view.make(node, f"global_{node.op}", {"rank": rank, "keepdims": keepdims})


def _reshape(view: Values, node: Node) -> Step:
    lengths, rank = node.attributes["shape"], len(view.shape(node.inputs[0]))
    own = view.shape(node.inputs[0])
    demand(lengths[0] == -1 and own[0] is None)
    # Frames of a film that become pictures make the batch longer.
    longer = None not in own[1:] and math.prod(n or 0 for n in own[1:]) != math.prod(lengths[1:])
    if len(lengths) == 2 and rank > 2 and not longer:
        return view.make(node, "flatten", {"rank": rank})
    return view.make(node, "reshape", {"to": tuple(lengths[1:]), "rank": rank, "longer": longer})


def _slice(view: Values, node: Node) -> Step:
    a = node.attributes
    whole = all(
        s in (None, 0) and (e is None or e == n)
        for s, e, n in zip(a["starts"], a["stops"], view.shape(node.inputs[0]), strict=True)
    )
    strides = tuple(a["strides"])
    demand(whole and len(strides) == 4 and strides[0] == strides[3] == 1 and strides[1] == strides[2] > 1)
    return view.make(node, "subsample", {"stride": strides[1]})


def _pad(view: Values, node: Node) -> Step:
    a, pairs = node.attributes, node.attributes["padding"]
    demand(a.get("mode", "constant") == "constant" and not a.get("value", 0.0) and len(pairs) == 4)
    demand(not any(pairs[0]) and not (any(pairs[3]) and (any(pairs[1]) or any(pairs[2]))))
    if any(pairs[3]):
        demand(pairs[3][0] == sum(pairs[3]) // 2)
        channels = {
            "in_channels": view.shape(node.inputs[0])[-1],
            "channels": view.shape(node.references[0])[-1],
        }
        return view.make(node, "pad_channels", channels)
    (top, bottom), (left, right) = pairs[1:3]
    demand(min(top, bottom, left, right) >= 0)
    return view.make(node, "zero_pad", {"top": top, "bottom": bottom, "left": left, "right": right})


def _joined(view: Values, node: Node) -> Step:
    """Concatenations along the last axis."""
    rank = len(view.shape(node.inputs[0]))
    demand(node.attributes["axis"] % rank == rank - 1 and len({view.dtype(i) for i in node.inputs}) == 1)
    return view.make(node, "concatenate", {"rank": rank})


def _softmax(view: Values, node: Node) -> Step:
    rank = len(view.shape(node.inputs[0]))
    demand(node.attributes["axis"] in (-1, rank - 1))
    return view.make(node, node.op, {"rank": rank})


def _activation(view: Values, node: Node) -> Step:
    return view.make(node, node.op, dict(node.attributes))


def _dropout(view: Values, node: Node) -> Step | str:
    if not node.attributes["rate"]:
        return view.values(node, 1)[0]
    demand(not node.attributes.get("noise_shape"))
    settings = {key: node.attributes[key] for key in ("rate", "salt")}
    return view.make(node, "dropout", settings, values=view.values(node, 1))


def _quiet(setting: str) -> Rule:
    """Noise of no strength is none."""

    def rule(view: Values, node: Node) -> str:
        demand(not node.attributes[setting])
        return view.values(node, 1)[0]

    return rule


def _quiet_choice(view: Values, node: Node) -> str:
    demand(not node.attributes["amount"])
    return view.values(node)[1]


def _linear(view: Values, node: Node) -> str:
    return view.values(node)[0]


def _upsample(view: Values, node: Node) -> Step:
    demand(len(node.attributes["size"]) == 2)
    return view.make(node, "upsample", {"size": alike(node.attributes["size"])})


RULES: dict[str, Rule] = {
    "conv": _conv, "depthwise_conv": _conv, "conv_transpose": _conv_transpose, "max_pool": _pool,
    "average_pool": _pool, "dense": _dense, "batch_norm": _batch_norm, "layer_norm": _layer_norm,
    "rms_norm": _layer_norm, "take": _embedding, "cast": _cast, "mean": _reduced, "max": _reduced,
    "reshape": _reshape, "slice": _slice, "pad": _pad, "concatenate": _joined, "dropout": _dropout,
    "linear": _linear, "upsample_nearest": _upsample,
    **dict.fromkeys(("gaussian_dropout", "alpha_dropout"), _quiet("rate")),
    "gaussian_noise": _quiet("stddev"), "uniform_noise": _quiet("width"), "augment_select": _quiet_choice,
    **dict.fromkeys(ACTIVATIONS, _activation),
    "softmax": _softmax, "log_softmax": _softmax,
}  # fmt: skip

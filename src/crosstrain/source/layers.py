"""The layer view of a graph: each node as a step that every framework has a name for, or a clear refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED, Graph, Node

ACTIVATIONS = (
    "relu", "tanh", "sigmoid", "softmax", "gelu", "elu", "selu", "silu", "softplus", "softsign", "leaky_relu",
    "relu6",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One layer or function applied. ``inputs`` and ``output`` are names of values; ``name`` is that of the
    weights it owns, without ``Network.prefix`` (``""``: none); ``roles`` are their last parts (``kernel``,
    ``bias``, …). ``shape`` is that of its output, without the batch, channels last."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int | None, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A graph as steps, in an order in which chains stay together. ``inputs`` and ``outputs`` map names to
    values, ``shapes`` values of inputs to their shapes; all weights' names begin with ``prefix``."""

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    shapes: Mapping[str, tuple[int | None, ...]]
    steps: tuple[Step, ...]
    prefix: str = ""

    @property
    def kinds(self) -> set[str]:
        return {step.kind for step in self.steps}


def refuse(node: Node | None, why: str) -> CrosstrainError:
    where = f"the layer {node.layer or node.name!r}" if node else "the network"
    return CrosstrainError(f"{where} cannot be written as source yet: {why}")


def network_of(graph: Graph) -> Network:
    """The layer view of a graph. Raises ``CrosstrainError``, which names the node that has none."""
    if graph.penalties:
        raise refuse(None, "it has penalties (regularisers); use the optimizer's weight_decay")
    view = _View(graph)
    steps: dict[str, Step] = {}
    for node in graph.nodes:
        step = view.step(node)
        if step is not None:
            steps[step.output] = step
    follow = view.alias
    outputs = {name: follow.get(ref, ref) for name, ref in graph.outputs.items()}
    for name, value in outputs.items():
        if value not in steps:
            raise refuse(None, f"its output {name!r} is one of its inputs")
    inputs = {name: f"%{name}" for name in graph.inputs if name != SEED}
    used = tuple(_ordered(steps, tuple(outputs.values())))
    read = {value for step in used for value in step.inputs}
    unread = [name for name, value in inputs.items() if value not in read]
    if unread:
        raise refuse(None, f"nothing reads its input {unread[0]!r}")
    shapes = {value: graph.inputs[name].shape[1:] for name, value in inputs.items()}
    owned = {step.name for step in used if step.name}
    unused = [w for w in graph.weights if str(PurePosixPath(w).parent) not in owned]
    if unused:
        raise refuse(None, f"the weight {unused[0]!r} belongs to no layer of a known kind")
    prefix = _common_folder(owned)
    used = tuple(replace(s, name=s.name.removeprefix(prefix)) if s.name else s for s in used)
    return Network(graph.name, inputs, outputs, shapes, used, prefix)


def _common_folder(names: set[str]) -> str:
    """The folder that all names share, as ``lenet5/``."""
    firsts = {name.partition("/")[0] for name in names}
    return f"{firsts.pop()}/" if len(firsts) == 1 and all("/" in name for name in names) else ""


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


class _View:
    """Turns nodes into steps, one by one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.alias: dict[str, str] = {}
        self.read = {ref for node in graph.nodes for ref in node.inputs if ref} | {*graph.outputs.values()}

    def step(self, node: Node) -> Step | None:
        """The node's step; None if it only passes a value on."""
        rule = RULES.get(node.op)
        if node.op.startswith("stepwise_"):
            raise refuse(
                node,
                "crosstrain code writes no recurrent layer with a mask or with recurrent dropout; train it "
                "with crosstrain train, or export it as ONNX",
            )
        if rule is None:
            known = ", ".join(sorted(RULES))
            raise refuse(node, f"crosstrain code does not support the op {node.op!r}; it supports {known}")
        result = rule(self, node)
        if isinstance(result, str):
            self.alias[node.references[0]] = result
            return None
        return result

    def values(self, node: Node, count: int | None = None) -> tuple[str, ...]:
        inputs = node.inputs if count is None else node.inputs[:count]
        for ref in inputs:
            if ref is None or ref.startswith("@"):
                raise refuse(node, f"it reads {ref} where a value of the network is expected")
        return tuple(self.alias.get(str(ref), str(ref)) for ref in inputs)

    def make(self, node: Node, kind: str, settings: Mapping[str, Any] | None = None, **more: Any) -> Step:
        values = more.pop("values", None) or self.values(node)
        output = more.pop("output", node.references[0])
        shape = self.graph.spec(output).shape[1:]
        return Step(kind, values, output, shape, settings or {}, **more)

    def owned(self, node: Node, roles: Mapping[str, str | None]) -> dict[str, Any]:
        """``name`` and ``roles`` of a step from its weights by role."""
        present = {role: ref for role, ref in roles.items() if ref is not None}
        parents = set()
        for role, ref in present.items():
            path = PurePosixPath(ref[1:])
            if not ref.startswith("@") or path.name != role:
                raise refuse(node, f"its {role} is {ref.lstrip('@%')!r}, not a weight of that name")
            parents.add(str(path.parent))
        if len(parents) != 1:
            raise refuse(node, "its weights belong to several layers")
        return {"name": parents.pop(), "roles": tuple(present)}

    def shape(self, ref: str | None) -> tuple[int | None, ...]:
        return self.graph.spec(str(ref)).shape

    def padding(self, node: Node, size: tuple[int, ...]) -> str:
        """``valid`` or ``same`` if the padding is one of these."""
        pairs, strides = node.attributes["padding"], node.attributes["strides"]
        if not any(n for pair in pairs for n in pair):
            return "valid"
        for length, k, s, pair in zip(self.shape(node.inputs[0])[1:-1], size, strides, pairs, strict=True):
            total = k - 1 if s == 1 else max((-(-(length or 0) // s) - 1) * s + k - (length or 0), 0)
            if (length is None and s != 1) or tuple(pair) != (total // 2, total - total // 2):
                raise refuse(node, f"its padding {pairs} is neither Keras's 'same' nor 'valid'")
        return "same"


def even(pairs: Any) -> int | None:
    """The padding as one number if it is the same on all sides."""
    sides = {n for pair in pairs for n in pair}
    return sides.pop() if len(sides) == 1 else None


def one(node: Node, what: str, values: tuple[int, ...]) -> int:
    if len(set(values)) != 1:
        raise refuse(node, f"its {what} {tuple(values)} differs from axis to axis")
    return int(values[0])


def _conv(view: _View, node: Node) -> Step:
    a, kernel = node.attributes, view.shape(node.inputs[1])
    if len(kernel) != 4 or a["groups"] != 1 or set(a["dilation"]) != {1}:
        raise refuse(node, "only two-dimensional convolutions without groups and dilation are written")
    size = tuple(int(k or 0) for k in kernel[:2])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return view.make(
        node,
        "conv",
        {
            "in_channels": kernel[2],
            "filters": kernel[3],
            "kernel_size": one(node, "kernel size", size),
            "stride": one(node, "stride", a["strides"]),
            "padding": view.padding(node, size),
            "even": even(a["padding"]),
            "divides": not any(
                n is None or n % s
                for n, s in zip(view.shape(node.inputs[0])[1:-1], a["strides"], strict=True)
            ),
        },
        values=view.values(node, 1),
        **view.owned(node, {"kernel": node.inputs[1], "bias": bias}),
    )


def _pool(view: _View, node: Node) -> Step:
    a = node.attributes
    if len(a["window"]) != 2:
        raise refuse(node, "only two-dimensional pooling is written")
    settings = {
        "size": one(node, "window", a["window"]),
        "stride": one(node, "stride", a["strides"]),
        "padding": view.padding(node, a["window"]),
        "even": even(a["padding"]),
    }
    return view.make(node, node.op, settings)


def _dense(view: _View, node: Node) -> Step:
    inputs, units = view.shape(node.inputs[1])
    if len(view.shape(node.inputs[0])) > 3:
        raise refuse(node, "a dense layer on pictures is not written; flatten before it")
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    owned = view.owned(node, {"kernel": node.inputs[1], "bias": bias})
    return view.make(node, "dense", {"inputs": inputs, "units": units}, values=view.values(node, 1), **owned)


def _batch_norm(view: _View, node: Node) -> Step:
    a, rank = node.attributes, len(view.shape(node.inputs[0]))
    if None in node.inputs or a["axis"] % rank != rank - 1 or rank not in (2, 4):
        raise refuse(
            node, "BatchNorm is written with scale and centre, over the last axis of pictures or vectors"
        )
    roles = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), node.inputs[1:], strict=True))
    for reference in node.references[1:]:
        if reference in view.read:
            raise refuse(node, "the network reads its new statistics")
    settings = {
        "channels": view.shape(node.inputs[1])[0],
        "momentum": a["momentum"],
        "epsilon": a["epsilon"],
        "rank": rank,
    }
    return view.make(node, "batch_norm", settings, values=view.values(node, 1), **view.owned(node, roles))


def _layer_norm(view: _View, node: Node) -> Step:
    a, rank = node.attributes, len(view.shape(node.inputs[0]))
    if len(node.inputs) != 3 or None in node.inputs or tuple(a["axes"]) != (rank - 1,) or rank > 3:
        raise refuse(node, "LayerNorm is written over the last axis, with scale and centre, not on pictures")
    settings = {"features": view.shape(node.inputs[0])[-1], "epsilon": a["epsilon"]}
    owned = view.owned(node, {"gamma": node.inputs[1], "beta": node.inputs[2]})
    return view.make(node, "layer_norm", settings, values=view.values(node, 1), **owned)


def _embedding(view: _View, node: Node) -> Step:
    table, index = node.inputs
    if not str(table).startswith("@") or node.attributes["axis"] != 0:
        raise refuse(node, "take is written as the look-up of an Embedding layer only")
    vocabulary, features = view.shape(table)
    value = view.alias.get(str(index), str(index))
    settings = {"vocabulary": vocabulary, "features": features}
    return view.make(node, "embedding", settings, values=(value,), **view.owned(node, {"embeddings": table}))


def _cast(view: _View, node: Node) -> str:
    (value,) = view.values(node)
    readers = {n.op for n in view.graph.nodes if node.references[0] in n.inputs}
    if readers != {"take"} or value not in {f"%{name}" for name in view.graph.inputs}:
        raise refuse(node, "a cast is written only in front of an Embedding")
    return value


def _lstm(view: _View, node: Node) -> Step:
    a = node.attributes
    usual = (a["activation"], a["recurrent_activation"], a.get("backwards", False)) == (
        "tanh",
        "sigmoid",
        False,
    )
    if not usual or len(node.inputs) != 6 or node.inputs[4:] != (None, None) or None in node.inputs[:4]:
        raise refuse(node, "an LSTM is written with tanh, sigmoid and a bias, forwards, from zeros")
    used = [i for i, ref in enumerate(node.references) if ref in view.read]
    if used not in ([0], [1]):
        raise refuse(node, "of an LSTM either the sequence or the last state is written")
    roles = dict(zip(("kernel", "recurrent_kernel", "bias"), node.inputs[1:4], strict=True))
    features, gates = view.shape(node.inputs[1])
    settings = {"features": features, "units": int(gates or 0) // 4, "sequences": used == [0]}
    owned = view.owned(node, roles)
    return view.make(
        node, "lstm", settings, values=view.values(node, 1), output=node.references[used[0]], **owned
    )


def _reduced(view: _View, node: Node) -> Step:
    rank, axis = len(view.shape(node.inputs[0])), node.attributes["axis"]
    axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
    if node.attributes.get("keepdims") or rank not in (3, 4) or axes != tuple(range(1, rank - 1)):
        raise refuse(node, f"{node.op} is written as global pooling only")
    return view.make(node, f"global_{node.op}", {"rank": rank})


def _reshape(view: _View, node: Node) -> Step:
    lengths, rank = node.attributes["shape"], len(view.shape(node.inputs[0]))
    if len(lengths) == 2 and rank > 2:
        return view.make(node, "flatten", {"rank": rank})
    if lengths[0] != -1 or rank > 3 or len(lengths) > 4:
        raise refuse(node, "a reshape is written from vectors or sequences, or as Flatten")
    return view.make(node, "reshape", {"to": tuple(lengths[1:]), "rank": rank})


def _slice(view: _View, node: Node) -> Step:
    a = node.attributes
    whole = all(
        s in (None, 0) and (e is None or e == n)
        for s, e, n in zip(a["starts"], a["stops"], view.shape(node.inputs[0]), strict=True)
    )
    strides = tuple(a["strides"])
    if not whole or len(strides) != 4 or strides[0] != 1 or strides[3] != 1 or strides[1] != strides[2]:
        raise refuse(node, "a slice is written only where it takes every n-th pixel")
    return view.make(node, "subsample", {"stride": strides[1]})


def _pad(view: _View, node: Node) -> Step:
    a, pairs = node.attributes, node.attributes["padding"]
    if a.get("mode", "constant") != "constant" or a.get("value", 0.0) != 0 or len(pairs) != 4:
        raise refuse(node, "only padding of pictures by zeros is written")
    if any(pairs[0]) or (any(pairs[3]) and (any(pairs[1]) or any(pairs[2]))):
        raise refuse(node, "padding is written for the channels or for height and width, not for both")
    if any(pairs[3]):
        if pairs[3][0] != sum(pairs[3]) // 2:
            raise refuse(node, "maps of zeros are added half before and half after")
        channels = {
            "in_channels": view.shape(node.inputs[0])[-1],
            "channels": view.shape(node.references[0])[-1],
        }
        return view.make(node, "pad_channels", channels)
    (top, bottom), (left, right) = pairs[1:3]
    return view.make(node, "zero_pad", {"top": top, "bottom": bottom, "left": left, "right": right})


def _joined(view: _View, node: Node) -> Step:
    """Sums, products and concatenations of values of one rank."""
    ranks = {len(view.shape(ref)) for ref in node.inputs}
    if len(ranks) != 1:
        raise refuse(node, f"{node.op} is written for values of one rank")
    rank = ranks.pop()
    if node.op == "concatenate" and node.attributes["axis"] % rank != rank - 1:
        raise refuse(node, "only the last axis is joined")
    if node.op != "concatenate" and rank == 4 and len({view.shape(ref) for ref in node.inputs}) != 1:
        raise refuse(node, f"{node.op} is written for pictures of one shape")
    return view.make(node, node.op, {"rank": rank})


def _activation(view: _View, node: Node) -> Step:
    a = dict(node.attributes)
    if node.op == "softmax":
        rank = len(view.shape(node.inputs[0]))
        if a.pop("axis") not in (-1, rank - 1) or rank > 3:
            raise refuse(node, "a softmax is written over the last axis, not on pictures")
    return view.make(node, node.op, a)


def _dropout(view: _View, node: Node) -> Step | str:
    if not node.attributes["rate"]:
        return view.values(node, 1)[0]
    if node.attributes.get("noise_shape"):
        raise refuse(node, "dropout with a noise shape is not written")
    return view.make(
        node,
        "dropout",
        {"rate": node.attributes["rate"], "salt": node.attributes["salt"]},
        values=view.values(node, 1),
    )


def _linear(view: _View, node: Node) -> str:
    return view.values(node)[0]


RULES: dict[str, Callable[[_View, Node], Step | str]] = {
    "conv": _conv, "max_pool": _pool, "average_pool": _pool, "dense": _dense, "batch_norm": _batch_norm,
    "layer_norm": _layer_norm, "take": _embedding, "cast": _cast, "lstm": _lstm, "mean": _reduced,
    "max": _reduced, "reshape": _reshape, "slice": _slice, "pad": _pad, "add": _joined, "multiply": _joined,
    "subtract": _joined, "maximum": _joined, "concatenate": _joined, "dropout": _dropout, "linear": _linear,
    **dict.fromkeys(ACTIVATIONS, _activation),
}  # fmt: skip


# -- layouts ------------------------------------------------------------------------------------
_EITHER = {*ACTIVATIONS, "add", "multiply", "subtract", "maximum", "dropout"}


def channels_first(network: Network) -> Network:
    """With pictures as (N, C, H, W) inside: steps ``to_first`` and ``to_last`` stand where they turn.

    Data comes in as (N, H, W, C), and a flatten keeps that order.
    """
    reordered: dict[str, str] = {}
    first: set[str] = set()
    steps: list[Step] = []
    shapes = {**network.shapes, **{s.output: s.shape for s in network.steps}}

    def turn(value: str, to_first: bool) -> str:
        if len(shapes[value]) != 3 or (value in first) == to_first:
            return value
        if value not in reordered:
            reordered[value] = f"{value}/turned"
            steps.append(
                Step("to_first" if to_first else "to_last", (value,), reordered[value], shapes[value])
            )
            shapes[reordered[value]] = shapes[value]
            if to_first:
                first.add(reordered[value])
        return reordered[value]

    pictures = lambda step: any(len(shapes[i]) == 3 for i in step.inputs)
    for step in network.steps:
        if not pictures(step):
            steps.append(step)
            continue
        channels_first = step.kind not in ("flatten", "reshape")
        if step.kind in _EITHER:
            channels_first = any(i in first for i in step.inputs)
        inputs = tuple(turn(i, channels_first) for i in step.inputs)
        steps.append(replace(step, inputs=inputs))
        if len(step.shape) == 3 and channels_first:
            first.add(step.output)
    outputs = {name: turn(value, False) for name, value in network.outputs.items()}
    return replace(network, steps=tuple(steps), outputs=outputs)


def identifier(name: str) -> str:
    """A valid Python identifier for ``name``."""
    cleaned = re.sub(r"\W+", "_", name).strip("_")
    return f"_{cleaned}" if not cleaned or cleaned[0].isdigit() else cleaned


def size_of(shape: tuple[int | None, ...]) -> int:
    return math.prod(s or 1 for s in shape)

"""What layers are called: their ops in a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crosstrain.graph.graph import Graph, Node

SILENT = {
    "cast", "constant", "stop_gradient", "phase_select", "broadcast_to", "expand_dims", "squeeze",
    "full_like",
}  # fmt: skip
"""Ops that say nothing of what a layer does."""
MOST = 3
"""A layer of more telling ops than this is called by its pattern or its name."""
PATTERNS = (
    ({"softmax", "dense"}, "Attention"),
    ({"softmax", "einsum"}, "Attention"),
    ({"softmax", "matmul"}, "Attention"),
    ({"square", "pad", "slice", "power"}, "Response norm"),
)
"""What layers are that have all of some ops."""

NAMES = {
    "batch_norm": "BatchNorm", "layer_norm": "LayerNorm", "rms_norm": "RMSNorm", "relu": "ReLU",
    "relu6": "ReLU6",
    "gelu": "GELU", "silu": "SiLU", "elu": "ELU", "selu": "SELU", "lstm": "LSTM", "gru": "GRU",
    "simple_rnn": "RNN", "concatenate": "Concat", "take": "Embedding",
}  # fmt: skip


def title(name: str, nodes: Sequence[Node], graph: Graph) -> str:
    """A layer in a few words: ``Conv 3×3, 64 · ReLU``."""
    telling = [node for node in nodes if node.op not in SILENT]
    if len(telling) > 1 and any(node.op not in ("reshape", "transpose") for node in telling):
        telling = [node for node in telling if node.op not in ("reshape", "transpose")]
    if len(telling) <= MOST:
        return " · ".join(_word(node, graph) for node in telling or nodes[-1:])
    ops = {node.op for node in telling}
    return next((words for needed, words in PATTERNS if needed <= ops), name.rpartition("/")[2])


def _word(node: Node, graph: Graph) -> str:
    rule = _RULES.get(node.op)
    return rule(node, graph) if rule else NAMES.get(node.op, node.op.replace("_", " ").capitalize())


def _size(lengths: Sequence[int]) -> str:
    return "×".join(map(str, lengths))


def _stride(strides: Sequence[int]) -> str:
    return (
        "" if set(strides) <= {1} else f", stride {strides[0] if len(set(strides)) == 1 else _size(strides)}"
    )


def _kernel(node: Node, graph: Graph) -> tuple[int, ...]:
    shape = graph.spec(str(node.inputs[1])).shape
    return tuple(length or 0 for length in shape)


def _conv(node: Node, graph: Graph) -> str:
    kernel, groups = _kernel(node, graph), node.attributes.get("groups", 1)
    words = f"Conv {_size(kernel[:-2])}, {kernel[-1]}{_stride(node.attributes['strides'])}"
    if set(node.attributes.get("dilation", ())) - {1}:
        words += f", dilation {node.attributes['dilation'][0]}"
    return words + (f", {groups} groups" if groups > 1 else "")


def _depthwise(node: Node, graph: Graph) -> str:
    return f"Depthwise {_size(_kernel(node, graph)[:-2])}{_stride(node.attributes['strides'])}"


def _transposed(node: Node, graph: Graph) -> str:
    kernel = _kernel(node, graph)
    return f"Transposed conv {_size(kernel[:-2])}, {kernel[-2]}{_stride(node.attributes['strides'])}"


def _dense(node: Node, graph: Graph) -> str:
    return f"Dense {_kernel(node, graph)[-1]}"


def _pool(word: str) -> Callable[[Node, Graph], str]:
    return lambda node, graph: (
        f"{word} {_size(node.attributes['window'])}{_stride(node.attributes['strides'])}"
    )


def _mean(node: Node, graph: Graph) -> str:
    rank, axes = len(graph.spec(str(node.inputs[0])).shape), node.attributes.get("axis")
    spatial = tuple(range(1, rank - 1))
    return (
        "Global average" if axes is not None and tuple(a % rank for a in _axes(axes)) == spatial else "Mean"
    )


def _axes(axes: int | Sequence[int]) -> Sequence[int]:
    return (axes,) if isinstance(axes, int) else axes


def _reshape(node: Node, graph: Graph) -> str:
    return "Flatten" if len(node.outputs[0].shape) == 2 else "Reshape"


_RULES: dict[str, Callable[[Node, Graph], str]] = {
    "conv": _conv, "depthwise_conv": _depthwise, "conv_transpose": _transposed, "dense": _dense,
    "max_pool": _pool("Max pool"), "average_pool": _pool("Average pool"), "mean": _mean, "reshape": _reshape,
}  # fmt: skip

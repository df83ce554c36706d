"""Graphs rewritten to keep images channels-first: Paddle's CPU kernels transpose anything else, every time.

An image is (N, C, spatial…) from the first convolution, pooling or upsampling to the last op that has a
channels-first form, and kernels lie as (C_out, C_in, spatial…); transposing nodes stand only where an op
without such a form reads one. Every value is the same number as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crosstrain.graph.graph import Graph, Node, TensorSpec

LAY_OUT = "lay_out"
"""A transposition whose result is written out in its new order."""

CONVOLUTIONS = ("conv", "conv_transpose", "depthwise_conv")
ALWAYS = {name: f"image_{name}" for name in (*CONVOLUTIONS, "max_pool", "average_pool", "upsample_nearest")}
"""Ops that take and give an image channels-first, whatever order it comes in."""

_UNARY = (
    "negative abs exp log sqrt square sigmoid tanh relu relu6 leaky_relu elu selu celu gelu silu softsign "
    "softplus log_sigmoid hard_sigmoid hard_silu hard_tanh tanh_shrink soft_shrink hard_shrink threshold "
    "squareplus clip linear stop_gradient dropout alpha_dropout gaussian_dropout gaussian_noise"
)
UNARY = frozenset(_UNARY.split())
BINARY = frozenset(("add", "subtract", "multiply", "divide", "maximum", "minimum"))

Attributes = Mapping[str, Any]


def first_order(rank: int) -> tuple[int, ...]:
    """The axes of (N, spatial…, C) in the order (N, C, spatial…)."""
    return 0, rank - 1, *range(1, rank - 1)


def last_order(rank: int) -> tuple[int, ...]:
    """The way back."""
    return 0, *range(2, rank), 1


def kernel_order(rank: int) -> tuple[int, ...]:
    """The axes of (spatial…, a, b) in the order (b, a, spatial…)."""
    return rank - 1, rank - 2, *range(rank - 2)


def keras_kernel_order(rank: int) -> tuple[int, ...]:
    """The way back."""
    return *range(2, rank), 1, 0


def convolution_kernels(graph: Graph) -> tuple[str, ...]:
    """The weights that convolutions read as kernels, and that therefore lie in ``kernel_order``."""
    read = (str(node.inputs[1]) for node in graph.nodes if node.op in CONVOLUTIONS)
    return tuple(dict.fromkeys(ref[1:] for ref in read if ref.startswith("@")))


# -- ops that work on either order, their attributes changed -------------------------------------------
def _axis(attributes: Attributes, rank: int) -> Attributes:
    return {**attributes, "axis": first_order(rank).index(attributes["axis"] % rank)}


def _by_axis(*names: str) -> Callable[[Attributes, int], Attributes]:
    """Attributes that have an entry for every axis."""
    return lambda attributes, rank: {
        **attributes, **{n: tuple(attributes[n][a] for a in first_order(rank)) for n in names},
    }  # fmt: skip


REWRITTEN: Mapping[str, Callable[[Attributes, int], Attributes]] = {
    "batch_norm": _axis,
    "normalize": _axis,
    "concatenate": _axis,
    "pad": _by_axis("padding"),
    "slice": _by_axis("starts", "stops", "strides"),
}


def channels_first(graph: Graph, kernels: Iterable[str]) -> Graph:
    """The graph with its images channels-first. Weights named in ``kernels`` are to be given in
    ``kernel_order``; inputs and outputs stay as they are."""
    return _Rewriting(graph, frozenset(f"@{name}" for name in kernels)).rewritten()


@dataclass
class _Rewriting:
    """One pass over the nodes, in their order."""

    graph: Graph
    kernels: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    specs: dict[str, TensorSpec] = field(default_factory=dict)
    """Of every reference so far, as in the old graph."""
    images: set[str] = field(default_factory=set)
    """References that now are images channels-first."""
    other: dict[str, str] = field(default_factory=dict)
    """By reference: the same value in the other order, where one was needed."""

    def rewritten(self) -> Graph:
        graph = self.graph
        self.specs.update((f"%{name}", spec) for name, spec in graph.inputs.items())
        for name, weight in graph.weights.items():
            self.specs[f"@{name}"] = TensorSpec(weight.shape, weight.dtype)
        for node in graph.nodes:
            self._rewrite(node)
            self.specs.update(zip(node.references, node.outputs, strict=True))
        plain = lambda refs: {key: self._plain(ref) for key, ref in refs.items()}
        outputs, updates = plain(graph.outputs), plain(graph.updates)
        penalties = tuple(self._plain(ref) for ref in graph.penalties)
        return replace(graph, nodes=tuple(self.nodes), outputs=outputs, updates=updates, penalties=penalties)

    def _rewrite(self, node: Node) -> None:
        if node.op in ALWAYS:
            image, *rest = node.inputs
            if node.op in CONVOLUTIONS:
                kernel, *rest = rest
                rest = [self._kernel(str(kernel)), *(r and self._plain(r) for r in rest)]
            self._image(replace(node, op=ALWAYS[node.op], inputs=(self._first(str(image)), *rest)))
        elif self._either_way(node):
            images = self._images_of(node)
            inputs = tuple(
                ref and (self._first(ref) if i in images else self._plain(ref))
                for i, ref in enumerate(node.inputs)
            )
            rank = len(node.outputs[0].shape)
            attributes = REWRITTEN.get(node.op, lambda attributes, _: attributes)(node.attributes, rank)
            self._image(replace(node, inputs=inputs, attributes=attributes))
        elif self._spatial_mean(node):
            rank = len(self.specs[str(node.inputs[0])].shape)
            attributes = {**node.attributes, "axis": tuple(range(2, rank))}
            self.nodes.append(replace(node, attributes=attributes))
        else:
            inputs = tuple(ref and self._plain(ref) for ref in node.inputs)
            self.nodes.append(replace(node, inputs=inputs))

    def _image(self, node: Node) -> None:
        """A node whose first output is an image channels-first."""
        first, *rest = node.outputs
        shape = tuple(first.shape[a] for a in first_order(len(first.shape)))
        self.nodes.append(replace(node, outputs=(replace(first, shape=shape), *rest)))
        self.images.add(node.references[0])

    # -- which nodes ------------------------------------------------------------------------------------
    def _images_of(self, node: Node) -> range:
        """Which inputs of a node are images."""
        every_input = node.op in BINARY or node.op == "concatenate"
        return range(len(node.inputs)) if every_input else range(1)

    def _either_way(self, node: Node) -> bool:
        """Whether the node has a channels-first form and an image to use it on."""
        if not (node.op in UNARY or node.op in BINARY or node.op in REWRITTEN):
            return False
        refs = [node.inputs[i] for i in self._images_of(node)]
        if not any(ref in self.images for ref in refs) or node.attributes.get("noise_shape") is not None:
            return False
        ranks = {len(self.specs[str(ref)].shape) for ref in refs}
        if node.op in BINARY:
            return len({self.specs[str(ref)].shape for ref in refs}) == 1
        return ranks == {len(node.outputs[0].shape)}

    def _spatial_mean(self, node: Node) -> bool:
        """Whether it takes a mean, sum or extreme over just the spatial axes, which leaves (N, C)."""
        if node.op not in ("mean", "sum", "max", "min") or node.inputs[0] not in self.images:
            return False
        rank = len(self.specs[str(node.inputs[0])].shape)
        axis = node.attributes.get("axis")
        axes = (axis,) if isinstance(axis, int) else axis
        over = axes is not None and {a % rank for a in axes} == set(range(1, rank - 1))
        return over and not node.attributes.get("keepdims", False)

    # -- the same value in another order -----------------------------------------------------------------
    def _reordered(self, ref: str, order: tuple[int, ...], op: str = LAY_OUT) -> str:
        if ref not in self.other:
            name = f"{ref[1:].replace(':', '~')}~{'weight' if ref[0] == '@' else 'turned'}"
            spec = self.specs[ref]
            self.nodes.append(Node(name, op, (ref,), {"axes": order}, (spec,)))
            self.other[ref] = f"%{name}"
        return self.other[ref]

    def _first(self, ref: str) -> str:
        return ref if ref in self.images else self._reordered(ref, first_order(len(self.specs[ref].shape)))

    def _plain(self, ref: str) -> str:
        """The value in the order of the old graph."""
        if ref not in self.specs:  # the graph reads what nothing makes: running it will say so
            return ref
        rank = len(self.specs[ref].shape)
        if ref in self.images:
            return self._reordered(ref, last_order(rank))
        return self._reordered(ref, keras_kernel_order(rank)) if ref in self.kernels else ref

    def _kernel(self, ref: str) -> str:
        """A kernel as convolutions read it."""
        return ref if ref in self.kernels else self._reordered(ref, kernel_order(len(self.specs[ref].shape)))

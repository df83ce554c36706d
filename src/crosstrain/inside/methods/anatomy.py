"""Which values of a graph there are to look at: layers, the first filters, class scores, features."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED, Graph, Node

_SQUASHING = ("softmax", "log_softmax", "sigmoid", "linear", "cast")
"""What may come between the class scores and an output."""
_POOLING = ("max_pool", "average_pool", "reshape", "transpose", "pad", "upsample_nearest", "slice", "mean")
"""What rearranges or summarises maps and makes none."""
RECTIFIERS = ("relu", "relu6")
"""The ops that guided backpropagation and deconvnets treat in their own way."""
_RANK = 4


@dataclass(frozen=True)
class Layer:
    """A layer by its Keras name, the reference of its output, and the output's shape without the batch."""

    name: str
    reference: str
    shape: tuple[int, ...]
    makes_maps: bool = False

    @property
    def units(self) -> int:
        """Maps, or units of a layer without places."""
        return self.shape[-1]


@dataclass(frozen=True)
class Anatomy:
    """A network of pictures: the name and shape (H, W, C) of its input; ``layers`` in their order;
    ``kernel`` is the reference of the first layer's filters (None: none); ``output`` is the reference of the
    chosen output (N, classes), ``score`` that before its softmax or sigmoid, ``features`` what the layer of
    the scores reads (None: not known). ``probabilities`` says that the output is squashed, ``rectified`` that
    there are rectifiers."""

    input: str
    shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    kernel: str | None
    output: str
    score: str
    classes: int
    features: str | None
    probabilities: bool
    rectified: bool

    def layer(self, name: str | None) -> Layer:
        """The layer called ``name``; by default the last one that makes maps, else the last but one.
        ``CrosstrainError`` names those there are."""
        if name is None:
            maps = [layer for layer in self.layers if layer.makes_maps]
            return maps[-1] if maps else self.layers[max(0, len(self.layers) - 2)]
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise CrosstrainError(f"the network has no layer {name!r}; there are {known}")


def anatomy(graph: Graph) -> Anatomy:
    """What there is to look at. ``CrosstrainError`` where the network does not map one picture to scores."""
    graph = graph.phase(training=False)
    inputs = {name: spec for name, spec in graph.inputs.items() if name != SEED}
    if len(inputs) != 1:
        raise CrosstrainError(
            f"{graph.name} has {len(inputs)} inputs; only networks of one picture are shown"
        )
    ((name, spec),) = inputs.items()
    if len(spec.shape) != _RANK or spec.shape[-1] not in (1, 3) or spec.dtype != "float32":
        raise CrosstrainError(
            f"{graph.name} takes {_shape(spec.shape[1:])}, not pictures of 1 or 3 channels; only networks of "
            "pictures can be looked into"
        )
    if None in spec.shape[1:]:
        raise CrosstrainError(f"{graph.name} takes pictures of any size; give it one to be looked into")
    shape = tuple(int(n) for n in spec.shape[1:] if n is not None)
    nodes = {node.name: node for node in graph.nodes}
    output = next((ref for ref in graph.outputs.values() if len(graph.spec(ref).shape) == 2), None)
    if output is None:
        raise CrosstrainError(f"{graph.name} has no output with a score for each class")
    score, passed = _score(nodes, output)
    maker = nodes.get(_name(score))
    layers = _layers(graph)
    if not layers:
        raise CrosstrainError(f"{graph.name} has no layers to look into")
    return Anatomy(
        input=name,
        shape=(shape[0], shape[1], shape[2]),
        layers=layers,
        kernel=_kernel(graph, prod(shape)),
        output=output,
        score=score,
        classes=int(graph.spec(score).shape[-1] or 1),
        features=maker.inputs[0] if maker and maker.op in ("dense", "matmul") else None,
        probabilities=bool({"softmax", "sigmoid"} & passed),
        rectified=any(node.op in RECTIFIERS for node in graph.nodes),
    )


def _layers(graph: Graph) -> tuple[Layer, ...]:
    """The last float value of each layer whose shape is known. Nodes without a layer are named after
    themselves (models of ONNX)."""
    last: dict[str, Layer] = {}
    mapped: set[str] = set()
    for node in graph.nodes:
        shape = node.outputs[0].shape[1:] if node.outputs and node.outputs[0].shape else ()
        if not shape or None in shape or node.outputs[0].dtype != "float32" or _constant(node):
            continue
        name = node.layer or node.name
        spatial = len(shape) == _RANK - 1 and shape[0] != 1 and shape[1] != 1
        if spatial and node.op not in _POOLING:
            mapped.add(name)
        sizes = tuple(int(n) for n in shape if n is not None)
        last[name] = Layer(name, node.references[0], sizes, spatial and name in mapped)
    return tuple(last.values())


def _constant(node: Node) -> bool:
    return not any(ref and ref.startswith("%") for ref in node.inputs)


def _kernel(graph: Graph, pixels: int) -> str | None:
    """The kernel of the first convolution, or of a dense layer on all pixels that comes before any."""
    for node in graph.nodes:
        if node.op == "conv" and len(graph.spec(str(node.inputs[1])).shape) == _RANK:
            return node.inputs[1]
        if node.op in ("dense", "matmul"):
            shape = graph.spec(str(node.inputs[1])).shape
            return node.inputs[1] if len(shape) == 2 and shape[0] == pixels else None
    return None


def _score(nodes: dict[str, Node], reference: str) -> tuple[str, set[str]]:
    """The reference of the scores behind an output, and the ops between them."""
    passed = set()
    node = nodes.get(_name(reference))
    while node and node.op in _SQUASHING and node.inputs[0]:
        passed.add(node.op)
        reference = node.inputs[0]
        node = nodes.get(_name(reference))
    return reference, passed


def _name(reference: str) -> str:
    return reference[1:].partition(":")[0]


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if n is None else str(n) for n in shape) or "single numbers"

"""Which nodes are Keras layers: one rule for each op, with the layer's settings and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras import layers as kl

from crosstrain.graph.graph import Graph, Node, TensorSpec
from crosstrain.graph.keras_import.windows import crop_of
from crosstrain.graph.keras_ops import departs, padding_name


@dataclass(frozen=True)
class Form:
    """A layer and how it is called. ``weights`` maps the layer's variables to references ``@weight``;
    ``before`` and ``after`` are layers without weights around it; ``states`` are further
    tensors of the call; ``gives`` says which of the node's outputs each output of the layer is."""

    layer: type
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    before: tuple[tuple[type, Mapping[str, Any]], ...] = ()
    after: tuple[tuple[type, Mapping[str, Any]], ...] = ()
    call: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    several: bool = False
    gives: tuple[int, ...] = (0,)

    @property
    def key(self) -> str:
        """Equal for two calls of one layer."""
        return repr((self.layer.__name__, sorted(self.settings.items()), sorted(self.weights.items())))


@dataclass(frozen=True)
class View:
    """A graph as the rules see it. ``read`` holds every reference that something reads."""

    graph: Graph
    specs: Mapping[str, TensorSpec]
    read: frozenset[str]

    def shape(self, ref: str | None) -> tuple[int | None, ...]:
        return self.specs[str(ref)].shape


Rule = Callable[[View, Node], Form | None]
FORMS: dict[str, Rule] = {}


def form(*names: str) -> Callable[[Rule], Rule]:
    """Add the rule for some ops."""

    def add(rule: Rule) -> Rule:
        FORMS.update(dict.fromkeys(names, rule))
        return rule

    return add


def weights_of(**refs: str | None) -> dict[str, str] | None:
    """The references that are not None; None unless all of them are weights."""
    named = {name: ref for name, ref in refs.items() if ref is not None}
    return named if all(ref.startswith("@") for ref in named.values()) else None


def inputs_of(node: Node, count: int) -> tuple[str | None, ...]:
    return (*node.inputs, *[None] * (count - len(node.inputs)))


def fixed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """A weight's shape, which does not depend on the batch."""
    return tuple(int(s) for s in shape if s is not None)


def zeros(padding: Sequence[Any]) -> tuple[type, dict[str, Any]]:
    """The ZeroPadding layer for that many axes."""
    kind = (kl.ZeroPadding1D, kl.ZeroPadding2D, kl.ZeroPadding3D)[len(padding) - 1]
    pairs = tuple(tuple(p) for p in padding)
    return kind, {"padding": pairs[0] if len(pairs) == 1 else pairs}


# -- products ---------------------------------------------------------------------------------------
CONVOLUTIONS = (kl.Conv1D, kl.Conv2D, kl.Conv3D)
DEPTHWISE = (kl.DepthwiseConv1D, kl.DepthwiseConv2D)
TRANSPOSED = (kl.Conv1DTranspose, kl.Conv2DTranspose, kl.Conv3DTranspose)


@form("conv", "depthwise_conv")
def convolution(view: View, node: Node) -> Form | None:
    x, kernel, bias = inputs_of(node, 3)
    weights, rank = weights_of(kernel=kernel, bias=bias), len(view.shape(x)) - 2
    a, channelwise = node.attributes, node.op == "depthwise_conv"
    kinds: Sequence[type] = DEPTHWISE if channelwise else CONVOLUTIONS
    strided, dilated = max(a["strides"]) > 1, max(a["dilation"]) > 1
    if weights is None or rank > len(kinds) or (strided and dilated):
        return None
    if channelwise and len(set(a["strides"])) > 1:
        return None
    *size, _, last = fixed(view.shape(kernel))
    settings: dict[str, Any] = {
        "kernel_size": tuple(size), "strides": tuple(a["strides"]), "dilation_rate": tuple(a["dilation"]),
        "use_bias": bias is not None,
    }  # fmt: skip
    settings |= {"depth_multiplier": last} if channelwise else {"filters": last, "groups": a.get("groups", 1)}
    lengths = view.shape(x)[1:-1]
    word = padding_name(lengths, settings["kernel_size"], a["strides"], a["dilation"], a["padding"])
    if rank == 1 and not channelwise and a["padding"] == (((size[0] - 1) * a["dilation"][0], 0),):
        word = word or "causal"
    before = () if word else (zeros(a["padding"]),)
    return Form(kinds[rank - 1], settings | {"padding": word or "valid"}, weights, before)


@form("conv_transpose")
def transposed(view: View, node: Node) -> Form | None:
    x, kernel, bias = inputs_of(node, 3)
    weights, shape, a = weights_of(kernel=kernel, bias=bias), view.shape(x), node.attributes
    if weights is None or None in shape[1:] or (max(a["strides"]) > 1 and max(a["dilation"]) > 1):
        return None
    if max(a["dilation"]) > 1 and departs("dilated_transpose"):
        return None
    size, wanted = fixed(view.shape(kernel)), tuple(map(tuple, a["crop"]))
    settings: dict[str, Any] = {
        "filters": size[-2], "kernel_size": tuple(size[:-2]), "strides": tuple(a["strides"]),
        "dilation_rate": tuple(a["dilation"]), "use_bias": bias is not None,
    }  # fmt: skip
    kind = TRANSPOSED[len(shape) - 3]
    crops = {word: crop_of(word, shape, size, settings["strides"], None, settings["dilation_rate"])
             for word in ("same", "valid")}  # fmt: skip
    for word, crop in crops.items():
        if crop == wanted:
            return Form(kind, settings | {"padding": word}, weights)
    more = tuple(
        (b - own_b, a - own_a) for (b, a), (own_b, own_a) in zip(wanted, crops["valid"], strict=True)
    )
    if min(map(min, more)) < 0:
        return None
    cut = (kl.Cropping1D, kl.Cropping2D, kl.Cropping3D)[len(more) - 1]
    after = ((cut, {"cropping": more[0] if len(more) == 1 else more}),)
    return Form(kind, settings | {"padding": "valid"}, weights, after=after)


@form("dense", "matmul")
def dense(view: View, node: Node) -> Form | None:
    x, kernel, bias = inputs_of(node, 3)
    weights, shape = weights_of(kernel=kernel, bias=bias), view.shape(kernel)
    if weights is None or len(shape) != 2 or len(view.shape(x)) < 2:
        return None
    return Form(kl.Dense, {"units": shape[-1], "use_bias": bias is not None}, weights)


@form("einsum")
def einsum_dense(view: View, node: Node) -> Form | None:
    equation = node.attributes["equation"].replace(" ", "")
    terms, _, result = equation.partition("->")
    if terms.count(",") != 1:
        return None
    (left, right), (x, kernel) = terms.split(","), node.inputs
    weights = weights_of(kernel=kernel)
    if weights is None or left[0] != result[:1] or left[0] in right or view.shape(x)[0] is not None:
        return None
    return Form(kl.EinsumDense, {"equation": equation, "output_shape": node.outputs[0].shape[1:]}, weights)


@form("take")
def embedding(view: View, node: Node) -> Form | None:
    table, _ = node.inputs
    weights, shape = weights_of(embeddings=table), view.shape(table)
    if weights is None or node.attributes["axis"] not in (0, -len(shape)) or len(shape) != 2:
        return None
    return Form(kl.Embedding, {"input_dim": shape[0], "output_dim": shape[1]}, weights)


# -- normalisation ----------------------------------------------------------------------------------
@form("batch_norm", "normalize")
def batch_norm(view: View, node: Node) -> Form | None:
    """In training this very node has to update its statistics."""
    _, gamma, beta, mean, variance = node.inputs
    weights = weights_of(gamma=gamma, beta=beta, moving_mean=mean, moving_variance=variance)
    if weights is None:
        return None
    settings = {k: v for k, v in node.attributes.items() if k in ("axis", "momentum", "epsilon")}
    settings |= {"scale": gamma is not None, "center": beta is not None}
    if node.op == "normalize":
        return Form(kl.BatchNormalization, settings, weights, call={"training": False})
    moved = (view.graph.updates.get(str(mean)[1:]), view.graph.updates.get(str(variance)[1:]))
    if moved != node.references[1:] or view.read.intersection(node.references[1:]):
        return None
    return Form(kl.BatchNormalization, settings, weights)


@form("layer_norm")
def layer_norm(view: View, node: Node) -> Form | None:
    x, gamma, beta = inputs_of(node, 3)
    weights, shape, axes = weights_of(gamma=gamma, beta=beta), view.shape(x), node.attributes["axes"]
    wanted = tuple(shape[a] for a in sorted(a % len(shape) for a in axes))
    if weights is None or any(view.shape(ref) != wanted for ref in weights.values()):
        return None
    settings = {"axis": list(axes), "epsilon": node.attributes["epsilon"]}
    return Form(
        kl.LayerNormalization, settings | {"scale": gamma is not None, "center": beta is not None}, weights
    )


# -- recurrence -------------------------------------------------------------------------------------
RECURRENT = {"lstm": kl.LSTM, "gru": kl.GRU, "simple_rnn": kl.SimpleRNN}
KERAS_NAMES = {"exp": "exponential"}
"""Activations that have another name in Keras."""


def keras_name(activation: str) -> str:
    return KERAS_NAMES.get(activation, activation)


@form("lstm", "gru", "simple_rnn")
def recurrent(view: View, node: Node) -> Form | None:
    _, kernel, recurrent_kernel, bias, *states = inputs_of(node, 6 if node.op == "lstm" else 5)
    weights = weights_of(kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
    initial_states = tuple(s for s in states if s is not None)
    if weights is None or len(initial_states) not in (0, len(states)):
        return None
    a = dict(node.attributes)
    settings: dict[str, Any] = {
        "units": view.shape(recurrent_kernel)[0], "use_bias": bias is not None,
        "go_backwards": a.pop("backwards", False), "activation": keras_name(a["activation"]),
    }  # fmt: skip
    if "recurrent_activation" in a:
        settings["recurrent_activation"] = keras_name(a["recurrent_activation"])
    if "reset_after" in a:
        settings["reset_after"] = a["reset_after"]
    wanted = tuple(i for i, ref in enumerate(node.references) if ref in view.read)
    if wanted == (1,):  # only the last state: what the layer gives when asked for no more
        return Form(RECURRENT[node.op], settings, weights, states=initial_states, gives=(1,))
    settings["return_sequences"] = True
    if wanted == (0,):
        return Form(RECURRENT[node.op], settings, weights, states=initial_states)
    settings["return_state"] = True
    gives = tuple(range(len(node.references)))
    return Form(RECURRENT[node.op], settings, weights, states=initial_states, gives=gives)


# -- poolings and shapes ----------------------------------------------------------------------------
POOLINGS = {
    "max_pool": (kl.MaxPooling1D, kl.MaxPooling2D, kl.MaxPooling3D),
    "average_pool": (kl.AveragePooling1D, kl.AveragePooling2D, kl.AveragePooling3D),
}


@form("max_pool", "average_pool")
def pooling(view: View, node: Node) -> Form | None:
    """Other pads than Keras has a word for, and averages over uneven ones (which Keras on PyTorch divides
    wrongly), are left to ops."""
    shape, a = view.shape(node.inputs[0]), node.attributes
    rank = len(shape) - 2
    if rank > 3 or (rank == 3 and departs("pool_3d")):
        return None
    word = padding_name(shape[1:-1], a["window"], a["strides"], (1,) * rank, a["padding"])
    uneven = any(before != after for before, after in a["padding"])
    if word is None or (uneven and node.op == "average_pool" and None not in shape[1:-1]):
        return None
    settings = {"pool_size": tuple(a["window"]), "strides": tuple(a["strides"]), "padding": word}
    return Form(POOLINGS[node.op][rank - 1], settings)


GLOBAL = {
    "mean": (kl.GlobalAveragePooling1D, kl.GlobalAveragePooling2D, kl.GlobalAveragePooling3D),
    "max": (kl.GlobalMaxPooling1D, kl.GlobalMaxPooling2D, kl.GlobalMaxPooling3D),
}


@form("mean", "max")
def global_pooling(view: View, node: Node) -> Form | None:
    shape, axis = view.shape(node.inputs[0]), node.attributes.get("axis")
    rank = len(shape) - 2
    axes = tuple(sorted(a % len(shape) for a in ((axis,) if isinstance(axis, int) else axis or ())))
    if not 1 <= rank <= 3 or axes != tuple(range(1, rank + 1)) or shape[0] is not None:
        return None
    return Form(GLOBAL[node.op][rank - 1], {"keepdims": bool(node.attributes.get("keepdims", False))})


@form("upsample_nearest")
def upsampling(view: View, node: Node) -> Form | None:
    size = tuple(node.attributes["size"])
    if len(view.shape(node.inputs[0])) - 2 != len(size) or len(size) > 3:
        return None
    kind = (kl.UpSampling1D, kl.UpSampling2D, kl.UpSampling3D)[len(size) - 1]
    return Form(kind, {"size": size[0] if len(size) == 1 else size})


@form("reshape")
def reshape(view: View, node: Node) -> Form | None:
    """A reshape of each example by itself."""
    old, new = view.shape(node.inputs[0]), node.outputs[0].shape
    if old[:1] != (None,) or new[:1] != (None,) or None in old[1:] or None in new[1:]:
        return None
    if math.prod(old[1:]) != math.prod(new[1:]):  # type: ignore[arg-type]
        return None
    if len(new) == 2 and len(old) > 2:
        return Form(kl.Flatten)
    return Form(kl.Reshape, {"target_shape": new[1:]})


@form("transpose")
def permute(view: View, node: Node) -> Form | None:
    axes = tuple(a % len(node.attributes["axes"]) for a in node.attributes["axes"])
    if view.shape(node.inputs[0])[:1] != (None,) or axes[0] != 0:
        return None
    return Form(kl.Permute, {"dims": axes[1:]})


@form("pad")
def zero_padding(view: View, node: Node) -> Form | None:
    a, shape = node.attributes, view.shape(node.inputs[0])
    first, *spatial, last = tuple(map(tuple, a["padding"]))
    constant = a.get("mode", "constant") == "constant" and a.get("value", 0.0) == 0
    if not constant or any(first) or any(last) or not 3 <= len(shape) <= 5:
        return None
    return Form(*zeros(spatial))


# -- elementwise ------------------------------------------------------------------------------------
ACTIVATIONS = {
    "relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "silu", "selu", "hard_sigmoid", "hard_silu",
    "hard_tanh", "tanh_shrink", "log_sigmoid", "linear",
}  # fmt: skip


@form(*ACTIVATIONS)
def activation(view: View, node: Node) -> Form | None:
    return None if departs(node.op) else Form(kl.Activation, {"activation": node.op})


@form("gelu")
def gelu(view: View, node: Node) -> Form | None:
    # Keras's activation of this name is the exact one.
    return (
        None
        if node.attributes["approximate"] or departs("gelu")
        else Form(kl.Activation, {"activation": "gelu"})
    )


@form("softmax")
def softmax(view: View, node: Node) -> Form | None:
    axis = node.attributes.get("axis", -1)
    return Form(kl.Softmax, {"axis": axis if isinstance(axis, int) else list(axis)})


@form("leaky_relu")
def leaky_relu(view: View, node: Node) -> Form | None:
    if departs("leaky_relu"):
        return None
    return Form(kl.LeakyReLU, {"negative_slope": node.attributes["negative_slope"]})


@form("elu")
def elu(view: View, node: Node) -> Form | None:
    return Form(kl.ELU, {"alpha": node.attributes.get("alpha", 1.0)})


MERGES = {
    "add": kl.Add, "subtract": kl.Subtract, "multiply": kl.Multiply, "maximum": kl.Maximum,
    "minimum": kl.Minimum,
}  # fmt: skip


@form(*MERGES)
def merge(view: View, node: Node) -> Form | None:
    """Of tensors of one shape with a batch axis; others are broadcast by ops."""
    specs = [view.specs[str(ref)] for ref in node.inputs]
    same = all(s == specs[0] and s.shape[:1] == (None,) for s in specs) and specs[0].dtype == "float32"
    return Form(MERGES[node.op], several=True) if same and len(set(node.inputs)) > 1 else None


@form("concatenate")
def concatenate(view: View, node: Node) -> Form | None:
    axis, shapes = node.attributes["axis"], [view.shape(ref) for ref in node.inputs]
    batched = all(shape[:1] == (None,) for shape in shapes) and axis % len(shapes[0]) != 0
    if not batched or len(shapes) < 2 or any(ref is None for ref in node.inputs):
        return None
    return Form(kl.Concatenate, {"axis": axis}, several=True)


# -- noise ------------------------------------------------------------------------------------------
@form("dropout", "alpha_dropout")
def dropout(view: View, node: Node) -> Form | None:
    kind = kl.Dropout if node.op == "dropout" else kl.AlphaDropout
    shape = node.attributes.get("noise_shape")
    return Form(kind, {"rate": node.attributes["rate"], "noise_shape": shape and tuple(shape)})


@form("gaussian_dropout")
def gaussian_dropout(view: View, node: Node) -> Form | None:
    return Form(kl.GaussianDropout, {"rate": node.attributes["rate"]})


@form("gaussian_noise")
def gaussian_noise(view: View, node: Node) -> Form | None:
    return Form(kl.GaussianNoise, {"stddev": node.attributes["stddev"]})

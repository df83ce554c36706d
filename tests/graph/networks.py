"""Small Keras models for the agreement test: every layer family, and models with layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as kl
from keras import ops

from tests.graph.agreement import Case
from tests.graph.masked_networks import CASES as MASKED

CASES: dict[str, Case] = {**MASKED}


def of(
    layer: Callable[[], Any], *shapes: Any, dtype: str | None = None, call: Callable[..., Any] | None = None
) -> Callable[[], Any]:
    """A model of one layer."""

    def build() -> keras.Model:
        inputs = [keras.Input(s, dtype=dtype, name=f"x{i}") for i, s in enumerate(shapes)]
        instance = layer()
        outputs = call(instance, *inputs) if call else instance(inputs if len(inputs) > 1 else inputs[0])
        return keras.Model(inputs, outputs)

    return build


def add(
    name: str,
    layer: Callable[[], Any],
    *shapes: Any,
    dtype: str | None = None,
    call: Any = None,
    **settings: Any,
) -> None:
    CASES[name] = Case(of(layer, *shapes, dtype=dtype, call=call), **settings)


# -- activations --------------------------------------------------------------------------------
ACTIVATIONS = [
    "relu",
    "relu6",
    "softmax",
    "celu",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "squareplus",
    "soft_shrink",
    "sparse_plus",
    "silu",
    "glu",
    "tanh",
    "tanh_shrink",
    "sigmoid",
    "sparse_sigmoid",
    "exponential",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "hard_shrink",
    "linear",
    "mish",
    "log_softmax",
    "log_sigmoid",
    "sparsemax",
]
for activation in ACTIVATIONS:
    add(f"activation {activation}", lambda a=activation: kl.Activation(a), (4, 6))
# TensorFlow keeps these constants in float32
add("activation leaky_relu", lambda: kl.Activation("leaky_relu"), (6,), tolerance=1e-7)
add("activation gelu", lambda: kl.Activation("gelu"), (6,), tolerance=1e-7)
add("activation threshold", lambda: kl.Activation(lambda x: keras.activations.threshold(x, 0.3, 0.1)), (6,))
add(
    "gelu approximate",
    lambda: kl.Activation(lambda x: keras.activations.gelu(x, approximate=True)),
    (6,),
    tolerance=1e-7,
)
add("relu settings", lambda: kl.ReLU(3.0, 0.1, 0.2), (4, 6), tolerance=1e-7)
add("prelu shared", lambda: kl.PReLU(shared_axes=[1]), (4, 6))
add("elu alpha", lambda: kl.ELU(0.5), (6,))
add("softmax two axes", lambda: kl.Softmax(axis=(1, 2)), (4, 3))

# -- convolutions and poolings --------------------------------------------------------------------
add("conv2d grouped", lambda: kl.Conv2D(4, (3, 2), groups=2), (10, 9, 4))
for padding in ("valid", "same"):
    for s, d in ((1, 1), (2, 1), (3, 1), (1, 2)):
        how = {"strides": s, "padding": padding, "dilation_rate": d}
        add(f"conv1d {padding} {s} {d}", lambda h=how: kl.Conv1D(4, 3, **h), (11, 4))
        add(f"conv2d {padding} {s} {d}", lambda h=how: kl.Conv2D(4, (3, 2), **h), (10, 9, 4))
        add(
            f"depthwise2d {padding} {s} {d}",
            lambda h=how: kl.DepthwiseConv2D(3, depth_multiplier=2, **h),
            (10, 9, 4),
        )
        add(
            f"separable2d {padding} {s} {d}",
            lambda h=how: kl.SeparableConv2D(5, 3, depth_multiplier=2, **h),
            (10, 9, 4),
        )
    for s in (1, 2):
        how = {"strides": s, "padding": padding}
        add(f"conv3d {padding} {s}", lambda h=how: kl.Conv3D(4, 2, **h), (5, 6, 5, 2))
        add(
            f"depthwise1d {padding} {s}",
            lambda h=how: kl.DepthwiseConv1D(3, depth_multiplier=2, **h),
            (10, 4),
        )
        add(f"separable1d {padding} {s}", lambda h=how: kl.SeparableConv1D(5, 3, **h), (10, 4))
        add(f"transpose1d {padding} {s}", lambda h=how: kl.Conv1DTranspose(5, 4, **h), (6, 4))
        add(f"transpose2d {padding} {s}", lambda h=how: kl.Conv2DTranspose(5, (3, 2), **h), (5, 6, 4))
        add(f"transpose3d {padding} {s}", lambda h=how: kl.Conv3DTranspose(3, 3, **h), (3, 4, 3, 2))
        for pool in ("Max", "Average"):
            for n, shape in ((1, (10, 4)), (2, (10, 9, 4)), (3, (5, 4, 5, 2))):
                # TensorFlow pools three axes in float32 only
                only = {"floatx": "float32", "tolerance": 1e-6} if n == 3 else {}
                add(
                    f"{pool}{n}d {padding} {s}",
                    lambda p=pool, k=n, h=how: getattr(kl, f"{p}Pooling{k}D")(3, **h),
                    shape,
                    **only,
                )
add("conv1d causal", lambda: kl.Conv1D(4, 3, dilation_rate=2, padding="causal", activation="relu"), (11, 4))
add(
    "transpose output_padding",
    lambda: kl.Conv2DTranspose(5, 3, strides=2, padding="same", output_padding=1),
    (5, 6, 4),
)
add("pool channels_first", lambda: kl.AveragePooling2D(3, 2, "same", data_format="channels_first"), (4, 8, 9))
for n in (1, 2, 3):
    shape = (*(5, 4, 3)[:n], 2)
    for pool in ("Max", "Average"):
        add(
            f"global {pool} {n}",
            lambda p=pool, k=n: getattr(kl, f"Global{p}Pooling{k}D")(keepdims=k == 2),
            shape,
        )
        if n < 3:
            add(f"adaptive {pool} {n}", lambda p=pool, k=n: getattr(kl, f"Adaptive{p}Pooling{k}D")(3), shape)
    add(f"zero padding {n}", lambda k=n: getattr(kl, f"ZeroPadding{k}D")(2), shape)
    add(f"cropping {n}", lambda k=n: getattr(kl, f"Cropping{k}D")(1), shape)
    add(f"upsampling {n}", lambda k=n: getattr(kl, f"UpSampling{k}D")(2), shape)
for method in ("bilinear", "bicubic", "nearest"):  # TensorFlow resizes in float32
    close = 1e-3 if method == "bicubic" else 1e-6  # and its cubic by a table of 1024 steps
    add(
        f"upsampling {method}",
        lambda m=method: kl.UpSampling2D(3, interpolation=m),
        (5, 4, 2),
        tolerance=close,
    )
    add(f"resizing {method}", lambda m=method: kl.Resizing(7, 3, interpolation=m), (5, 4, 2), tolerance=close)
add("resizing antialias", lambda: kl.Resizing(3, 2, antialias=True), (9, 7, 2), tolerance=1e-6)

# -- normalisation and noise ----------------------------------------------------------------------
for affine in (True, False):
    add(
        f"batch norm {affine}",
        lambda a=affine: kl.BatchNormalization(scale=a, center=a, momentum=0.8),
        (5, 4, 2),
    )
add("batch norm axis", lambda: kl.BatchNormalization(axis=1), (5, 4, 2))
add("batch norm frozen", lambda: kl.BatchNormalization(trainable=False), (5, 4, 2))
add("layer norm", lambda: kl.LayerNormalization(), (5, 4))
add("layer norm axes", lambda: kl.LayerNormalization(axis=(1, 2)), (5, 4, 3))
add("layer norm axis 1", lambda: kl.LayerNormalization(axis=1), (5, 4))
add("layer norm plain", lambda: kl.LayerNormalization(scale=False, center=False), (5, 4))
add("group norm", lambda: kl.GroupNormalization(2), (5, 4, 6))
add("instance norm", lambda: kl.GroupNormalization(-1), (5, 4, 6))
add("unit norm", lambda: kl.UnitNormalization(), (5, 4))
add("rms norm", lambda: kl.RMSNormalization(axis=(1, 2)), (5, 4))
for noise in ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"):
    add(f"noise {noise}", lambda n=noise: getattr(kl, n)(0.3), (5, 4))

# -- shapes and merging ---------------------------------------------------------------------------
add("reshape", lambda: kl.Reshape((-1, 2)), (5, 4))
add("permute", lambda: kl.Permute((3, 1, 2)), (5, 4, 2))
add("flatten", lambda: kl.Flatten(), (5, 4, 2))
add("flatten channels_first", lambda: kl.Flatten(data_format="channels_first"), (4, 8, 9))
add("repeat vector", lambda: kl.RepeatVector(3), (4,))
for merge in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
    add(f"merge {merge}", lambda m=merge: getattr(kl, m)(), (5, 4), (5, 4))
add("merge ranks", lambda: kl.Add(), (5, 4), (4,))
add("merge along 1", lambda: kl.Concatenate(axis=1), (5, 4), (2, 4))
add("dot", lambda: kl.Dot(axes=2), (5, 4), (3, 4))
add("dot normalized", lambda: kl.Dot(axes=1, normalize=True), (4,), (4,))
add("embedding", lambda: kl.Embedding(5, 3), (6,), dtype="int32")
add("embedding reversible", lambda: kl.ReversibleEmbedding(5, 3), (6,), dtype="int32")
add("rescaling", lambda: kl.Rescaling(1 / 127.0, offset=-1), (5, 4), tolerance=1e-7)
add(
    "normalization",
    lambda: kl.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4]),
    (5, 4),
    tolerance=1e-7,
)
add("discretization", lambda: kl.Discretization(bin_boundaries=[0.0, 0.5, 1.0]), (5,))
add(
    "normalization of pictures",
    lambda: kl.Normalization(axis=-1, mean=[0.3, 0.2], variance=[1.0, 4.0]),
    (5, 4, 2),
    tolerance=1e-7,
)
add("normalization adapted", lambda: kl.Normalization(axis=-1, invert=True), (5, 4))
for mode in ("one_hot", "multi_hot", "count"):
    shape = (1,) if mode == "one_hot" else (4,)
    add(
        f"category {mode}",
        lambda m=mode: kl.CategoryEncoding(num_tokens=5, output_mode=m),
        shape,
        dtype="int32",
    )
add("center crop", lambda: kl.CenterCrop(3, 2), (5, 4, 2))

# -- recurrent layers -----------------------------------------------------------------------------
RECURRENT: tuple[dict[str, Any], ...] = (
    {},
    {"return_sequences": True},
    {"return_sequences": True, "return_state": True, "go_backwards": True},
    {"use_bias": False, "activation": "relu"},
    {"dropout": 0.3},
)
for kind in ("SimpleRNN", "LSTM", "GRU"):
    for i, how in enumerate(RECURRENT):
        add(f"{kind} {i}", lambda k=kind, h=how: getattr(kl, k)(5, **h), (6, 3))
    add(
        f"{kind} both ways", lambda k=kind: kl.Bidirectional(getattr(kl, k)(5, return_sequences=True)), (6, 3)
    )
    add(
        f"{kind} both ways, mean",
        lambda k=kind: kl.Bidirectional(getattr(kl, k)(5), merge_mode="ave"),
        (6, 3),
    )
add("GRU reset before", lambda: kl.GRU(5, reset_after=False), (6, 3))
add(
    "LSTM from a state",
    lambda: kl.LSTM(5),
    (6, 3),
    (5,),
    (5,),
    call=lambda layer, x, h, c: layer(x, initial_state=[h, c]),
)
add("LSTM any length", lambda: kl.LSTM(5), (None, 3))
add("RNN of cells", lambda: kl.RNN([kl.LSTMCell(4), kl.GRUCell(3)], return_sequences=True), (6, 3))
add("ConvLSTM2D", lambda: kl.ConvLSTM2D(4, 3, padding="same", return_sequences=True), (4, 5, 5, 2))
add("time distributed dense", lambda: kl.TimeDistributed(kl.Dense(3)), (6, 3))
add("time distributed conv", lambda: kl.TimeDistributed(kl.Conv2D(3, 2)), (4, 6, 5, 3))

# -- attention ------------------------------------------------------------------------------------
# TensorFlow rounds the scale to float32
add(
    "multi-head",
    lambda: kl.MultiHeadAttention(2, 3),
    (5, 4),
    (6, 4),
    call=lambda layer, a, b: layer(a, b),
    tolerance=1e-7,
)
add(
    "multi-head causal with scores", lambda: kl.MultiHeadAttention(2, 3, dropout=0.2), (5, 4),
    call=lambda layer, a: layer(a, a, use_causal_mask=True, return_attention_scores=True), tolerance=1e-7,
)  # fmt: skip
add(
    "grouped-query",
    lambda: kl.GroupQueryAttention(3, 4, 2),
    (5, 4),
    (6, 4),
    call=lambda layer, a, b: layer(a, b),
    tolerance=1e-7,
)
add("attention", lambda: kl.Attention(use_scale=True), (5, 4), (6, 4))
add(
    "attention causal",
    lambda: kl.Attention(),
    (5, 4),
    (6, 4),
    call=lambda layer, a, b: layer([a, b], use_causal_mask=True),
)
add("additive attention", lambda: kl.AdditiveAttention(), (5, 4), (6, 4))
add(
    "einsum broadcasts", kl.Identity, (1, 4), (3, 4),
    call=lambda layer, a, b: layer(ops.einsum("b...i,b...i->b...", a, b)),
)  # fmt: skip
add(
    "einsum broadcasts weights", lambda: kl.Dense(5), (3, 4),
    call=lambda layer, x: ops.einsum("...ij,...kj->...ik", layer(x), ops.ones((1, 2, 5))),
)  # fmt: skip
add("einsum dense", lambda: kl.EinsumDense("...x,xy->...y", output_shape=7, bias_axes="y"), (5, 4))
add(
    "einsum dense 2",
    lambda: kl.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="de", activation="tanh"),
    (5, 4),
)


# -- layers of a user's own -------------------------------------------------------------------------
class Own(kl.Layer):
    """Weights in a list and a dictionary, a sublayer, arithmetic on the weights themselves."""

    def build(self, shape: Any) -> None:
        size = shape[-1]
        self.parts = [self.add_weight(shape=(size,), name=f"part{i}") for i in range(2)]
        self.named = {"scale": self.add_weight(shape=(size,), name="scale")}
        self.inner = kl.Dense(size, activation="tanh")
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        gate = ops.exp(self.named["scale"]) + sum(self.parts)
        return self.inner(x * gate) + ops.matmul(x, ops.transpose(self.inner.kernel)) - 2 * self.parts[0]


class ByPhase(kl.Layer):
    """Another result in training, and a normalisation that only training sees."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = kl.BatchNormalization()

    def build(self, shape: Any) -> None:
        self.norm.build(shape)

    def call(self, x: Any, training: bool = False) -> Any:
        y = ops.square(x)
        return self.norm(y) * 2 if training else ops.relu(y) + self.norm(x, training=False)


class Counting(kl.Layer):
    """State that its call changes, and reads again."""

    def build(self, shape: Any) -> None:
        self.count = self.add_weight(shape=(), name="count", trainable=False, initializer="zeros")
        self.total = self.add_weight(shape=(shape[-1],), name="total", trainable=False, initializer="zeros")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.count.assign_add(1.0)
            self.total.assign(0.9 * self.total + 0.1 * ops.mean(x, axis=0))
        return x * self.count - self.total


class SpectralDense(kl.Layer):
    """What the refusal of ``SpectralNormalization`` advises: the kernel divided by its largest singular
    value, which one step of power iteration follows."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
        self.u = self.add_weight(shape=(1, 4), name="u", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        v = ops.stop_gradient(ops.normalize(self.u @ ops.transpose(self.kernel)))
        u = ops.stop_gradient(ops.normalize(v @ self.kernel))
        if training:
            self.u.assign(u)
        return x @ (self.kernel / (v @ self.kernel @ ops.transpose(u)))


class Slicing(kl.Layer):
    """Indices, shapes with the batch size in them, comparison, constants."""

    def call(self, x: Any) -> Any:
        batch, length, size = ops.shape(x)
        flat = ops.reshape(x, (batch * length, size))
        y = ops.reshape(flat, (batch, length, size))[:, ::-1, 1:-1]
        first = x[:, 0, None, 1:-1] + ops.zeros((batch, 1, size - 2))
        mask = ops.where(y == 0, 0.5, ops.cast(y > 0.1, y.dtype))
        steps = ops.reshape(ops.arange(length, dtype="float32"), (1, length, 1))
        mean = ops.sum(y, axis=(1, 2), keepdims=True) / ops.cast(batch, y.dtype)
        return ops.concatenate(
            [y * mask + first, ops.broadcast_to(steps, (batch, length, 1)), mean + 0 * y[..., :1]], axis=-1
        )


class Token(kl.Layer):
    """A learned token before the sequence, as in vision transformers."""

    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x: Any) -> Any:
        batch = ops.shape(x)[0]
        tiled = ops.tile(self.token, (batch, 1, 1))
        return ops.concatenate([ops.broadcast_to(self.token, (batch, 1, x.shape[-1])), tiled, x], axis=1)


class Many(kl.Layer):
    """One of each of many operations."""

    def call(self, x: Any) -> Any:
        a, b = ops.split(x, 2, axis=-1)
        parts = [
            ops.einsum("...i,...i->...", a, b)[..., None], ops.tensordot(a, ops.ones((3, 2)), axes=1),
            ops.logsumexp(x, axis=-1, keepdims=True), ops.std(x, axis=-1, keepdims=True),
            ops.cumsum(x, axis=1),
            ops.norm(x, axis=-1, keepdims=True), ops.normalize(x, axis=-1, order=1), ops.sort(x, axis=-1),
            ops.take(x, [2, 0, -1], axis=-1), ops.flip(x, axis=1), ops.roll(x, 1, axis=1),
            ops.moveaxis(x, 1, 2)[:, :4],
            ops.pad(x, ((0, 0), (0, 0), (1, 1)), mode="reflect"), ops.clip(x, -0.5, 0.5),
            ops.stack([a, b], axis=3)[..., 0],
            ops.one_hot(ops.argmax(x, axis=-1), 6), ops.top_k(x, 2)[0], ops.triu(x),
            ops.median(x, axis=-1, keepdims=True),
            ops.repeat(a, 2, axis=-1), ops.log1p(ops.abs(a)) ** 2, a // 0.3, a % 0.3, ops.maximum(a, b),
            ops.logaddexp(a, b),
            ops.cast(ops.isnan(a) | (a > b), "float32"), ops.diff(x, axis=-1),
            ops.divide_no_nan(a, ops.relu(b)),
            ops.digitize(a, np.asarray([-1.0, 0.0, 1.0])), ops.var(x, axis=-1, keepdims=True),
            ops.swapaxes(x, 1, 2)[:, :4, :4],
            ops.average(x, axis=-1, weights=ops.arange(1, 7, dtype="float32"))[..., None], ops.round(x, 1),
            ops.rot90(x, axes=(1, 2))[:, :4],
        ]  # fmt: skip
        return ops.concatenate([ops.cast(p, "float64") for p in parts], axis=-1)


class Losing(kl.Layer):
    """Adds a loss."""

    def call(self, x: Any) -> Any:
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


for own, shape in (
    (Own, (4, 3)),
    (ByPhase, (4, 3)),
    (Counting, (3,)),
    (SpectralDense, (6,)),
    (Slicing, (4, 5)),
    (Token, (4, 3)),
    (Many, (4, 6)),
    (Losing, (4,)),
):
    add(f"own {own.__name__}", own, shape)


class Whole(keras.Model):
    """A subclassed model: a shared layer, a branch on training, a nested model."""

    def __init__(self) -> None:
        super().__init__()
        self.first = kl.Dense(4, activation="relu")
        self.norm = kl.BatchNormalization()
        self.nested = keras.Sequential([kl.Dense(4), kl.Dropout(0.0), Own()])
        self.last = kl.Dense(2)

    def call(self, x: Any, training: Any = None) -> Any:
        y = self.norm(self.first(x), training=training)
        y = self.norm(self.nested(y), training=training)
        return {"scores": self.last(y), "features": y}


def subclassed() -> keras.Model:
    inputs = keras.Input((3,), name="x")
    return keras.Model(inputs, Whole()(inputs))


def nested() -> keras.Model:
    """Shared layers, a nested functional model called twice, two inputs and two outputs."""
    part = keras.Input((4,))
    shared = keras.Model(part, kl.BatchNormalization()(kl.Dense(4, activation="tanh")(part)), name="shared")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    a, b = shared(left), shared(right)
    joined = kl.Concatenate()([a, b, ops.square(a) - b])
    return keras.Model(
        [left, right], [kl.Dense(3, name="scores")(joined), kl.Dense(1, name="size")(a)], name="two"
    )


CASES["subclassed"] = Case(subclassed)
CASES["nested and shared"] = Case(nested)

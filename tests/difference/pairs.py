"""Pairs of a Keras and a PyTorch implementation, written independently, each with a planted mistake of
porting and repaired. ``PAIRS`` says what is planted, and the cause that has to be named for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import torch
import torch.nn.functional as F
from keras import layers as L
from torch import Tensor, nn


@dataclass(frozen=True)
class Pair:
    """``torch(True)`` has the mistake, ``torch(False)`` has not. ``cause`` and ``where`` (part of the name of
    A's place or of B's) have to be found. ``recipes`` are the losses and optimizers (A's, B's), of which B's
    is the mistake and A's repairs it; ``allow`` is what frameworks themselves do otherwise."""

    keras: Callable[[], keras.Model]
    torch: Callable[[bool], tuple[nn.Module, Tensor]]
    cause: str
    where: str = ""
    loss: tuple[str | None, str | None] = (None, None)
    optimizer: tuple[str | None, str | None] = (None, None)
    allow: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


PICTURE = torch.zeros(2, 3, 8, 8)
SEQUENCE = torch.zeros(2, 6, 4)


def functional(shape: tuple[int, ...], *layers: Any) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input(shape), *(layer() for layer in layers)])


class LastChannels(nn.Module):
    """(N, C, H, W) as (N, H · W · C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


# -- BatchNorm -----------------------------------------------------------------------------------------
def keras_cnn() -> keras.Model:
    x = i = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = L.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)
    x = L.Activation("relu")(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(i, L.Dense(5)(x))


class Cnn(nn.Module):
    def __init__(self, eps: float = 1e-3, momentum: float = 0.1, act: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4, eps=eps, momentum=momentum)
        self.head = nn.Linear(4, 5)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        x = F.relu(x) if self.act else x
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


VARIANCE = ("running-variance",)


# -- convolutions --------------------------------------------------------------------------------------
def strided(mistake: bool) -> tuple[nn.Module, Tensor]:
    first = (
        nn.Conv2d(3, 4, 3, 2, 1)
        if mistake
        else nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2))
    )
    return nn.Sequential(first, nn.ReLU(), LastChannels(), nn.Linear(64, 5)), PICTURE


keras_strided = functional(
    (8, 8, 3), lambda: L.Conv2D(4, 3, 2, padding="same", activation="relu"), L.Flatten, lambda: L.Dense(5)
)


def flattened(mistake: bool) -> tuple[nn.Module, Tensor]:
    flat = nn.Flatten() if mistake else LastChannels()
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), flat, nn.Linear(144, 5)), PICTURE


keras_flattened = functional(
    (8, 8, 3), lambda: L.Conv2D(4, 3, activation="tanh"), L.Flatten, lambda: L.Dense(5)
)


def stride_or_dilation(mistake: bool) -> tuple[nn.Module, Tensor]:
    conv = nn.Conv2d(3, 4, 3, dilation=1 if mistake else 2, padding="same")
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), PICTURE


keras_dilated = functional(
    (8, 8, 3), lambda: L.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu"),
    L.GlobalAveragePooling2D, lambda: L.Dense(3),
)  # fmt: skip


def carried(kernel: Callable[[Any], Any]) -> Callable[[bool], tuple[nn.Module, Tensor]]:
    """A port that loads the Keras weights itself; ``kernel`` is what it does to the square dense kernel."""

    def build(mistake: bool) -> tuple[nn.Module, Tensor]:
        source = keras_square()
        module = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))
        wrong = kernel if mistake else lambda k: k.T
        with torch.no_grad():
            for index, (layer, dense) in enumerate(zip([m for m in module if isinstance(m, nn.Linear)],
                                                       source.layers, strict=True)):  # fmt: skip
                k, bias = (torch.from_numpy(w) for w in dense.get_weights())
                layer.weight.copy_(wrong(k) if index == 1 else k.T)
                layer.bias.copy_(bias)
        return module, torch.zeros(2, 6)

    return build


def keras_square() -> keras.Model:
    keras.utils.set_random_seed(7)
    return keras.Sequential([keras.Input((6,)), L.Dense(6, "tanh"), L.Dense(6, "tanh"), L.Dense(3)])


# -- activations, poolings, pictures -------------------------------------------------------------------
def dense(activation: Any, mistaken: Any) -> Callable[[bool], tuple[nn.Module, Tensor]]:
    return lambda mistake: (
        nn.Sequential(nn.Linear(6, 8), mistaken() if mistake else activation(), nn.Linear(8, 3)),
        torch.zeros(2, 6),
    )


def keras_dense(activation: Any) -> Callable[[], keras.Model]:
    return functional((6,), lambda: L.Dense(8), activation, lambda: L.Dense(3))


class LayerNormed(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.inner, self.norm, self.head = nn.Linear(6, 8), nn.LayerNorm(8, eps=eps), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.inner(x)))


def pooled(mistake: bool) -> tuple[nn.Module, Tensor]:
    pool = nn.AvgPool2d(3, 2, 1, count_include_pad=mistake)
    return nn.Sequential(nn.Conv2d(3, 4, 3), pool, LastChannels(), nn.Linear(36, 3)), torch.zeros(2, 3, 7, 7)


def keras_pooled_at(size: int) -> Callable[[], keras.Model]:
    return functional(
        (size, size, 3), lambda: L.Conv2D(4, 3), lambda: L.AveragePooling2D(3, 2, padding="same"), L.Flatten,
        lambda: L.Dense(3),
    )  # fmt: skip


class Larger(nn.Module):
    def __init__(self, corners: bool) -> None:
        super().__init__()
        self.conv, self.head, self.corners = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1), corners

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(
            torch.tanh(self.conv(x)), scale_factor=2, mode="bilinear", align_corners=self.corners
        )
        return self.head(x)


keras_larger = functional(
    (8, 8, 3), lambda: L.Conv2D(4, 3, padding="same", activation="tanh"),
    lambda: L.UpSampling2D(2, interpolation="bilinear"), lambda: L.Conv2D(2, 1),
)  # fmt: skip


# -- recurrent -----------------------------------------------------------------------------------------
class HandWritten(nn.Module):
    """An LSTM written out; ``order`` is that in which it reads the gates."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.kernel, self.inner, self.head = nn.Linear(4, 20), nn.Linear(5, 20, bias=False), nn.Linear(5, 3)
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros_like(x[:, 0, :1]).expand(-1, 5)
        for t in range(x.shape[1]):
            parts = dict(zip(self.order, (self.kernel(x[:, t]) + self.inner(h)).chunk(4, 1), strict=True))
            c = torch.sigmoid(parts["f"]) * c + torch.sigmoid(parts["i"]) * torch.tanh(parts["c"])
            h = torch.sigmoid(parts["o"]) * torch.tanh(c)
        return self.head(h)


keras_lstm = functional((6, 4), lambda: L.LSTM(5), lambda: L.Dense(3))


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[1][-1])


def keras_gru(reset_after: bool) -> Callable[[], keras.Model]:
    return functional((6, 4), lambda: L.GRU(5, reset_after=reset_after), lambda: L.Dense(3))


# -- noise, ends ---------------------------------------------------------------------------------------
def dropped(mistake: bool) -> tuple[nn.Module, Tensor]:
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.75 if mistake else 0.25), nn.Linear(8, 3)
    ), (torch.zeros(2, 6))


keras_dropped = functional((6,), lambda: L.Dense(8, "relu"), lambda: L.Dropout(0.25), lambda: L.Dense(3))


def ending(mistake: bool) -> tuple[nn.Module, Tensor]:
    ends = [nn.Softmax(-1), nn.Softmax(-1)] if mistake else [nn.Softmax(-1)]
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), *ends), torch.zeros(2, 6)


keras_ending = functional((6,), lambda: L.Dense(8, "relu"), lambda: L.Dense(3, "softmax"))


def mlp(mistake: bool) -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.zeros(2, 6)


keras_mlp = functional((6,), lambda: L.Dense(8, "relu"), lambda: L.Dense(3))


def drawn(mistake: bool) -> tuple[nn.Module, Tensor]:
    module = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    for layer in (module[0], module[2]):
        nn.init.xavier_uniform_(layer.weight)
        if not mistake:
            nn.init.zeros_(layer.bias)
    return module, torch.zeros(2, 6)


keras_wide = functional((6,), lambda: L.Dense(64, "relu"), lambda: L.Dense(3))

keras_several = functional(
    (8, 8, 3), lambda: L.Conv2D(4, 3, 2, padding="same"), L.BatchNormalization, L.ReLU, L.Flatten,
    lambda: L.Dense(5),
)  # fmt: skip


def port_with_several() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)
    ), PICTURE  # fmt: skip


LOGITS = "sparse_categorical_crossentropy:from_logits=true"
PROBABILITIES = "sparse_categorical_crossentropy:from_logits=false"
DECAY = "adamw:learning_rate=0.01,weight_decay=0.1"
FORM = ("optimizer-form", "optimizer-epsilon")

PAIRS: dict[str, Pair] = {
    "batchnorm epsilon": Pair(
        keras_cnn, lambda bad: (Cnn(1e-5 if bad else 1e-3), PICTURE), "epsilon", "norm", allow=VARIANCE
    ),
    "batchnorm momentum": Pair(
        keras_cnn, lambda bad: (Cnn(momentum=0.9 if bad else 0.1), PICTURE), "momentum", "norm",
        allow=VARIANCE,
    ),
    "running variance": Pair(keras_cnn, lambda bad: (Cnn(), PICTURE), "running variance", "norm"),
    "missing layer": Pair(
        keras_cnn, lambda bad: (Cnn(act=not bad), PICTURE), "missing layer", "activation", allow=VARIANCE
    ),
    "padding": Pair(keras_strided, strided, "padding", "conv2d"),
    "flatten order": Pair(keras_flattened, flattened, "flatten order", "flatten"),
    "dilation": Pair(keras_dilated, stride_or_dilation, "padding and dilation", "conv2d"),
    "kernel transposed": Pair(keras_square, carried(lambda k: k), "kernel", "kernel"),
    "kernel not carried over": Pair(keras_square, carried(torch.rand_like), "not carried over", "kernel"),
    "gelu": Pair(
        keras_dense(lambda: L.Activation("gelu")), dense(nn.GELU, lambda: nn.GELU("tanh")), "gelu", "gelu"
    ),
    "leaky slope": Pair(
        keras_dense(lambda: L.LeakyReLU(0.3)), dense(lambda: nn.LeakyReLU(0.3), nn.LeakyReLU), "slope",
        "leaky",
    ),
    "layernorm epsilon": Pair(
        keras_dense(lambda: L.LayerNormalization(epsilon=1e-3)),
        lambda bad: (LayerNormed(1e-5 if bad else 1e-3), torch.zeros(2, 6)), "epsilon", "norm",
    ),
    "counted padding": Pair(keras_pooled_at(7), pooled, "counted padding", "average_pool"),
    "align corners": Pair(keras_larger, lambda bad: (Larger(bad), PICTURE), "align corners", "up_sampling"),
    "gate order": Pair(
        keras_lstm, lambda bad: (HandWritten("ifoc" if bad else "ifco"), SEQUENCE), "gate order", "lstm"
    ),
    "gru biases": Pair(keras_gru(True), lambda bad: (Gru(), SEQUENCE), "reset gate", "gru"),
    "dropout": Pair(keras_dropped, dropped, "dropout", "dropout"),
    "softmax twice": Pair(keras_ending, ending, "softmax twice", "softmax"),
    "logits": Pair(keras_mlp, mlp, "logits", loss=(LOGITS, PROBABILITIES)),
    "reduction": Pair(keras_mlp, mlp, "reduction", loss=(LOGITS, "torch.cross_entropy:reduction=sum")),
    "weight decay": Pair(
        keras_mlp, mlp, "weight decay", optimizer=(DECAY, "torch.adam:lr=0.01,weight_decay=0.1"), allow=FORM
    ),
    "decay on biases": Pair(keras_mlp, mlp, "decay on biases", optimizer=(f"{DECAY},decay=kernels", DECAY)),
    "initialiser": Pair(keras_wide, drawn, "initialiser", "bias", options={"initial": True}),
}  # fmt: skip

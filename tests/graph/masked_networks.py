"""Networks through which a mask goes, for the agreement test: from ``mask_zero``, ``Masking`` and layers of a
user's own, through recurrent layers, attention, merging, normalisation and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers as kl
from keras import ops

from tests.graph.agreement import Case


def embedded(after: Callable[[Any], Any]) -> Callable[[], keras.Model]:
    """Words of which 0 is none, and what comes after their embedding."""

    def build() -> keras.Model:
        words = keras.Input((8,), dtype="int32", name="words")
        return keras.Model(words, after(kl.Embedding(5, 4, mask_zero=True)(words)))

    return build


class Later(kl.Layer):
    """Leaves out the first steps, of the mask too."""

    def call(self, x: Any) -> Any:
        return x[:, 2:]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None if mask is None else mask[:, 2:]


class Quieter(kl.Layer):
    """Zeroes small rows, so that ``Masking`` behind it finds some."""

    def call(self, x: Any) -> Any:
        return x * ops.cast(ops.abs(x[..., :1]) > 0.5, x.dtype)


def recurrent(kind: str) -> dict[str, Callable[[Any], Any]]:
    # Layers are made when a network is: their precision is that of the moment.
    layer = getattr(kl, kind)
    return {
        kind: lambda x: layer(3)(x),
        f"{kind} backwards": lambda x: layer(3, return_sequences=True, go_backwards=True)(x),
        f"{kind} states": lambda x: layer(3, return_sequences=True, return_state=True)(x),
        f"{kind} zeros": lambda x: layer(3, return_sequences=True, zero_output_for_mask=True)(x),
        f"{kind} zero at the end": lambda x: layer(3, zero_output_for_mask=True)(x),
        f"{kind} pooled": lambda x: kl.GlobalAveragePooling1D()(layer(3, return_sequences=True)(x)),
        f"{kind} both ways": lambda x: layer(2)(
            kl.Bidirectional(layer(3, return_sequences=True), merge_mode="sum")(x)
        ),
        f"{kind} noisy": lambda x: layer(3, dropout=0.2, recurrent_dropout=0.3)(x),
    }


def average(x: Any) -> Any:
    return kl.GlobalAveragePooling1D()(x)


def of_rows() -> keras.Model:
    rows = keras.Input((6, 3), name="rows")
    return keras.Model(rows, kl.GRU(4)(kl.Masking(0.0)(Quieter()(rows))))


def given_to_attention() -> keras.Model:
    rows, seen = keras.Input((6, 3), name="rows"), keras.Input((6, 6), dtype="int32", name="seen")
    return keras.Model([rows, seen], kl.MultiHeadAttention(2, 3)(rows, rows, attention_mask=seen))


AFTER: dict[str, Callable[[Any], Any]] = {
    **recurrent("SimpleRNN"),
    **recurrent("LSTM"),
    **recurrent("GRU"),
    "GRU reset before": lambda x: kl.GRU(3, reset_after=False)(x),
    "cells": lambda x: kl.RNN([kl.LSTMCell(3), kl.GRUCell(2)], return_sequences=True)(x),
    "time distributed": lambda x: kl.GRU(2)(kl.TimeDistributed(kl.Dense(3))(x)),
    "attention": lambda x: average(kl.Attention()([x, x])),
    "concatenated": lambda x: kl.LSTM(2)(kl.Concatenate(axis=1)([x, x])),
    "added": lambda x: kl.LSTM(2)(kl.Add()([x, kl.Dense(4)(x)])),
    "own": lambda x: kl.LSTM(2)(Later()(x)),
    "batch norm": lambda x: kl.LSTM(2)(kl.BatchNormalization()(x)),
    "nested": lambda x: kl.LSTM(2)(keras.Sequential([kl.Dense(3), kl.Dropout(0.0)])(x)),
}
# TensorFlow rounds the scale of attention to float32.
ATTENTION: dict[str, Callable[[Any], Any]] = {
    "multi-head": lambda x: average(kl.LayerNormalization()(x + kl.MultiHeadAttention(2, 3)(x, x))),
    "multi-head causal": lambda x: average(kl.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)),
}
CASES: dict[str, Case] = {
    **{f"masked {name}": Case(embedded(after)) for name, after in AFTER.items()},
    **{f"masked {name}": Case(embedded(after), tolerance=1e-7) for name, after in ATTENTION.items()},
    "masked rows": Case(of_rows),
    "masked attention scores": Case(given_to_attention, tolerance=1e-7, classes=2),
}

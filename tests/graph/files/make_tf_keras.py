"""Writes the files of Keras 2 beside this one, with what they compute: ``python make_tf_keras.py``.

Needs TensorFlow and tf_keras 2.21, the line in which Keras 2 lives on.
"""

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tf_keras as keras

L = keras.layers
FOLDER = Path(__file__).parent
rng = np.random.default_rng(0)


def two() -> keras.Model:
    """Two inputs and outputs; a layer that is shared, with a slash in its name; an old initializer."""
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    shared = L.Dense(5, activation="tanh", name="shared/dense")
    x = L.Concatenate()([shared(a), shared(b)])
    normal = keras.initializers.RandomNormal(stddev=1.0)
    x = L.Add()([L.Dense(4)(x), L.Dense(4, kernel_initializer=normal)(a)])
    return keras.Model([a, b], [L.Dense(3, activation="softmax")(x), L.LeakyReLU(alpha=0.2)(x)])


def nested() -> keras.Model:
    """A sequential and a functional model within a model, each called twice."""
    image, hidden = keras.Input((8, 8, 3)), keras.Input((8, 8, 4))
    first = [L.Conv2D(4, 3, padding="same", input_shape=(8, 8, 3)), L.BatchNormalization(), L.ReLU(6.0)]
    inner = keras.Sequential([*first, L.Dropout(0.3)], name="inner")
    separable = L.SeparableConv2D(5, 3, padding="same")(L.DepthwiseConv2D(3)(hidden))
    outer = keras.Model(hidden, separable, name="fm")
    x, y = outer(inner(image)), outer(inner(image))
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(L.Add()([x, y]))))


def outs() -> keras.Model:
    """A model within a model whose outputs are a list of one."""
    i, j = keras.Input((6,)), keras.Input((6,))
    return keras.Model(j, keras.Model(i, [L.Dense(3)(i)])(j))


def seq2seq() -> keras.Model:
    """Recurrent layers with initial states, both directions, attention with keywords that are tensors."""
    a, b = keras.Input((5, 3)), keras.Input((5, 3))
    _, h, c = L.LSTM(4, return_state=True)(a)
    y = L.LSTM(4, return_sequences=True)(b, initial_state=[h, c])
    y = L.Bidirectional(L.GRU(3, return_sequences=True))(y)
    y = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(y, a, key=a))
    return keras.Model([a, b], L.TimeDistributed(L.Dense(2))(y))


def text() -> keras.Model:
    """Words, a regularizer."""
    head = L.Dense(1, activation="sigmoid", kernel_regularizer="l2")
    conv = L.Conv1D(5, 3, padding="same", activation="relu")
    return keras.Sequential([L.Embedding(20, 4, input_length=7), conv, L.SimpleRNN(4), head])


for build in (two, nested, outs, seq2seq, text):
    keras.backend.clear_session()
    model = build()
    for w in model.weights:
        drawn = rng.normal(size=w.shape) * 0.5
        w.assign(np.abs(drawn) if "variance" in w.name else drawn)
    model.compile("adam", "mse")
    drawn = [rng.normal(size=(2, *spec.shape[1:])).astype("float32") for spec in model.inputs]
    xs = [rng.integers(0, 20, (2, 7)).astype("float32")] if build is text else drawn
    ys = model(xs if len(xs) > 1 else xs[0], training=False)
    ys = ys if isinstance(ys, (list, tuple)) else [ys]
    values = {f"x{i}": x for i, x in enumerate(xs)} | {f"y{i}": y.numpy() for i, y in enumerate(ys)}
    np.savez(FOLDER / f"{build.__name__}.npz", **values)
    for ending in ("h5", "keras"):
        model.save(FOLDER / f"{build.__name__}.{ending}")

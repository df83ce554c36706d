"""TensorFlow by hand: tf.while_loop with fused gates and the input product of all steps before it, the
step of ``expert_tensorflow``."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from native_loops import Run
from native_loops.expert_tensorflow import loop
from native_loops.recurrent import RecurrentTask
from native_loops.recurrent_networks import UNITS, VOCABULARY

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


def lstm(p: Any, carry: Any, projected: Any) -> Any:
    h, c = carry
    i, f, g, o = tf.split(projected + tf.linalg.matmul(h, p["recurrent"]), 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru(p: Any, carry: Any, projected: Any) -> Any:
    (h,) = carry
    z, r, n = tf.split(projected, 3, axis=-1)
    hz, hr, hn = tf.split(tf.linalg.matmul(h, p["recurrent"]) + p["recurrent_bias"], 3, axis=-1)
    z, r = tf.sigmoid(z + hz), tf.sigmoid(r + hr)
    return (z * h + (1 - z) * tf.tanh(n + r * hn),)


def simple_rnn(p: Any, carry: Any, projected: Any) -> Any:
    return (tf.tanh(projected + tf.linalg.matmul(carry[0], p["recurrent"])),)


CELLS = {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}


def layer(cell: str, p: Any, x: Any, *, all_steps: bool) -> tuple[Any, Any]:
    """x (steps, batch, features): all outputs where they are wanted, and the last."""
    steps, batch = x.shape[0], tf.shape(x)[1]
    projected = tf.reshape(x, (-1, x.shape[-1])) @ p["kernel"] + p["bias"]
    projected = tf.reshape(projected, (steps, batch, projected.shape[-1]))
    inputs = tf.TensorArray(tf.float32, steps).unstack(projected)
    outputs = tf.TensorArray(tf.float32, steps if all_steps else 0)
    carry = (tf.zeros((batch, UNITS)),) * (2 if cell == "lstm" else 1)

    def body(t: Any, carry: Any, outputs: Any) -> Any:
        carry = CELLS[cell](p, carry, inputs.read(t))
        return t + 1, carry, outputs.write(t, carry[0]) if all_steps else outputs

    _, carry, outputs = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(0), carry, outputs), maximum_iterations=steps
    )
    return outputs.stack() if all_steps else None, carry[0]


def contender(task: RecurrentTask, batch_size: int) -> Run:
    generator = np.random.default_rng(0)
    trainable: list[Any] = []

    def variable(value: np.ndarray) -> Any:
        trainable.append(tf.Variable(value.astype("float32")))
        return trainable[-1]

    def uniform(*shape: int) -> Any:
        limit = np.sqrt(6 / sum(shape))
        return variable(generator.uniform(-limit, limit, shape))

    def cell() -> Any:
        width = GATES[task.cell] * UNITS
        p = {
            "kernel": uniform(UNITS, width),
            "recurrent": uniform(UNITS, width),
            "bias": variable(np.zeros(width)),
        }
        return {**p, "recurrent_bias": variable(np.zeros(width))} if task.cell == "gru" else p

    both = task.layers == "both"
    embedding = uniform(VOCABULARY, UNITS)
    layers = [cell() for _ in range(2 if both else int(task.layers))]
    kernel, bias = uniform(2 * UNITS if both else UNITS, task.classes), variable(np.zeros(task.classes))

    def forward(tokens: Any) -> Any:
        x = tf.gather(embedding, tf.transpose(tokens))
        if both:
            ends = [
                layer(task.cell, p, each, all_steps=False)[1]
                for p, each in zip(layers, (x, tf.reverse(x, [0])), strict=True)
            ]
            return tf.concat(ends, axis=-1) @ kernel + bias
        for number, p in enumerate(layers):
            x, last = layer(task.cell, p, x, all_steps=number < len(layers) - 1)
        return last @ kernel + bias

    return loop(task, batch_size, trainable, forward)

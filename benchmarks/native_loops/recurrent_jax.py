"""JAX by hand: lax.scan with fused gates and the input product of all steps before it, the step
of ``expert_jax``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from native_loops import Run
from native_loops.expert_jax import loop
from native_loops.recurrent import RecurrentTask
from native_loops.recurrent_networks import UNITS, VOCABULARY

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


def lstm(p: Any, carry: Any, projected: Any) -> Any:
    h, c = carry
    i, f, g, o = jnp.split(projected + h @ p["recurrent"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(p: Any, carry: Any, projected: Any) -> Any:
    (h,) = carry
    z, r, n = jnp.split(projected, 3, axis=-1)
    hz, hr, hn = jnp.split(h @ p["recurrent"] + p["recurrent_bias"], 3, axis=-1)
    z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
    return (z * h + (1 - z) * jnp.tanh(n + r * hn),)


def simple_rnn(p: Any, carry: Any, projected: Any) -> Any:
    return (jnp.tanh(projected + carry[0] @ p["recurrent"]),)


CELLS = {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}


def layer(cell: str, p: Any, x: Any, *, backwards: bool = False) -> tuple[Any, Any]:
    """x (steps, batch, features): all outputs, and the last."""
    start = (jnp.zeros((x.shape[1], UNITS)),) * (2 if cell == "lstm" else 1)

    def step(carry: Any, projected: Any) -> Any:
        carry = CELLS[cell](p, carry, projected)
        return carry, carry[0]

    last, outputs = lax.scan(step, start, x @ p["kernel"] + p["bias"], reverse=backwards)
    return outputs, last[0]


def initial(task: RecurrentTask) -> Any:
    generator = np.random.default_rng(0)

    def uniform(*shape: int) -> Any:
        limit = np.sqrt(6 / sum(shape))
        return jnp.asarray(generator.uniform(-limit, limit, shape), jnp.float32)

    def cell() -> Any:
        width = GATES[task.cell] * UNITS
        p = {"kernel": uniform(UNITS, width), "recurrent": uniform(UNITS, width), "bias": jnp.zeros(width)}
        return {**p, "recurrent_bias": jnp.zeros(width)} if task.cell == "gru" else p

    both = task.layers == "both"
    return {
        "embedding": uniform(VOCABULARY, UNITS),
        "layers": [cell() for _ in range(2 if both else int(task.layers))],
        "kernel": uniform(2 * UNITS if both else UNITS, task.classes),
        "bias": jnp.zeros(task.classes),
    }


def forward(task: RecurrentTask, p: Any, tokens: Any) -> Any:
    x = p["embedding"][tokens.T]
    if task.layers == "both":
        ends = [
            layer(task.cell, each, x, backwards=backwards)[1]
            for each, backwards in zip(p["layers"], (False, True), strict=True)
        ]
        last = jnp.concatenate(ends, axis=-1)
    else:
        for each in p["layers"]:
            x, last = layer(task.cell, each, x)
    return last @ p["kernel"] + p["bias"]


def contender(task: RecurrentTask, batch_size: int) -> Run:
    return loop(task, batch_size, initial(task), (), lambda p, s, x: (forward(task, p, x), s))

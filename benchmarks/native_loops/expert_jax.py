"""JAX by hand: pure functions on lax, one jitted step with donated buffers."""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches

STRIDES = [2 if stage and index == 0 else 1 for stage in range(3) for index in range(3)]


def conv(x: Any, kernel: Any, stride: int = 1, padding: str = "SAME") -> Any:
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def kernel(generator: np.random.Generator, *shape: int) -> Any:
    return jnp.asarray(generator.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape), jnp.float32)


def norm(x: Any, p: Any, s: Any) -> tuple[Any, Any]:
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = (x - mean) * (lax.rsqrt(variance + 1e-5) * p["gamma"]) + p["beta"]
    return y, {"mean": 0.9 * s["mean"] + 0.1 * mean, "variance": 0.9 * s["variance"] + 0.1 * variance}


def resnet20_init(classes: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    widths = [(3, 16)]
    channels = 16
    for filters in (16, 32, 64):
        for _ in range(3):
            widths += [(channels, filters), (filters, filters)]
            channels = filters
    parameters = [
        {"kernel": kernel(generator, 3, 3, i, o), "gamma": jnp.ones(o), "beta": jnp.zeros(o)}
        for i, o in widths
    ]
    state = [{"mean": jnp.zeros(o), "variance": jnp.ones(o)} for _, o in widths]
    head = {"kernel": kernel(generator, 64, classes), "bias": jnp.zeros(classes)}
    return {"convs": parameters, "head": head}, state


def resnet20(p: Any, s: Any, x: Any) -> tuple[Any, Any]:
    new: list[Any] = []

    def conv_norm(x: Any, stride: int = 1) -> Any:
        index = len(new)
        y, state = norm(conv(x, p["convs"][index]["kernel"], stride), p["convs"][index], s[index])
        new.append(state)
        return y

    x = jax.nn.relu(conv_norm(x))
    for stride in STRIDES:
        y = conv_norm(jax.nn.relu(conv_norm(x, stride)))
        if stride != 1:
            half = x.shape[-1] // 2
            x = jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (half, half)))
        x = jax.nn.relu(y + x)
    return x.mean((1, 2)) @ p["head"]["kernel"] + p["head"]["bias"], new


def idsia_init(classes: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    shapes = ((3, 3, 3, 100), (4, 4, 100, 150), (3, 3, 150, 250), (4000, 300), (300, classes))
    return [(kernel(generator, *shape), jnp.zeros(shape[-1])) for shape in shapes], ()


def idsia(p: Any, s: Any, x: Any) -> tuple[Any, Any]:
    for k, bias in p[:3]:
        x = jax.nn.relu(conv(x, k, padding="VALID") + bias)
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = jax.nn.relu(x.reshape(x.shape[0], -1) @ p[3][0] + p[3][1])
    return x @ p[4][0] + p[4][1], s


def contender(task: Task, batch_size: int) -> Run:
    init, forward = {"resnet20": (resnet20_init, resnet20), "idsia": (idsia_init, idsia)}[task.network]
    return loop(task, batch_size, *init(task.classes), forward)


def loop(task: Task, batch_size: int, parameters: Any, state: Any, forward: Any) -> Run:
    """SGD with momentum; ``forward(parameters, state, x)`` gives logits and the next state."""
    carried = (parameters, state, jax.tree.map(jnp.zeros_like, parameters))

    def loss_of(parameters: Any, state: Any, x: Any, y: Any) -> Any:
        logits, state = forward(parameters, state, x)
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -picked.mean(), state

    @functools.partial(jax.jit, donate_argnums=0)
    def step(carried: Any, x: Any, y: Any) -> Any:
        parameters, state, velocity = carried
        (loss, state), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters, state, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v - LEARNING_RATE * g, velocity, gradient)
        return (jax.tree.map(jnp.add, parameters, velocity), state, velocity), loss

    def run(steps: int) -> float:
        nonlocal carried
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            carried, _ = step(carried, x, y)
        jax.block_until_ready(carried)
        return time.perf_counter() - begin

    return run

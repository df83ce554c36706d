"""Losses per example that frameworks have in one stable piece; the others are traced from Keras."""

from __future__ import annotations

from typing import Any

from crosstrain.graph.ops.row import composite

EPSILON = 1e-7
"""Keras's fuzz factor (keras.config.epsilon)."""


def _without_last(target: Any, output: Any, **_: Any) -> Any:
    return [type(output)(output.shape[:-1], output.dtype)]


@composite(_without_last)
def categorical_crossentropy(xp: Any, target: Any, output: Any, *, from_logits: bool) -> Any:
    """-sum(target · log p) over the last axis; target and output (…, classes) → (…,).

    Probabilities are renormalised and limited to [1e-7, 1 - 1e-7], as Keras does.
    """
    if from_logits:
        log_p = xp.log_softmax(output, axis=-1)
    else:
        p = output / xp.sum(output, axis=-1, keepdims=True)
        log_p = xp.log(xp.clip(p, minimum=EPSILON, maximum=1 - EPSILON))
    return -xp.sum(target * log_p, axis=-1)


@composite(_without_last)
def sparse_categorical_crossentropy(xp: Any, target: Any, output: Any, *, from_logits: bool) -> Any:
    """-log p[target]; target (…,) int, output (…, classes) → (…,)."""
    if from_logits:
        log_p = xp.log_softmax(output, axis=-1)
    else:
        p = output / xp.sum(output, axis=-1, keepdims=True)
        log_p = xp.log(xp.clip(p, minimum=EPSILON, maximum=1 - EPSILON))
    picked = xp.take_along_axis(log_p, xp.expand_dims(target, axis=-1), axis=-1)
    return -xp.squeeze(picked, axis=-1)


@composite(lambda target, output, **_: [output])
def binary_crossentropy(xp: Any, target: Any, output: Any, *, from_logits: bool) -> Any:
    """-(t log p + (1 - t) log(1 - p)), elementwise."""
    if from_logits:
        return xp.softplus(output) - target * output
    p = xp.clip(output, minimum=EPSILON, maximum=1 - EPSILON)
    return -(target * xp.log(p) + (1 - target) * xp.log(1 - p))

"""Losses per example that frameworks have in one stable piece; the others are traced from Keras."""

from __future__ import annotations

from typing import Any

from crosstrain.graph.ops.randomness import dtype_of
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


_NEVER = -1e5
"""The logarithm of "impossible" in CTC's recursion, as in Keras."""


@composite(lambda target, output, *_, **__: [type(output)(output.shape[:1], output.dtype)])
def ctc_loss(xp: Any, target: Any, output: Any, target_length: Any, output_length: Any, *, blank: int) -> Any:
    """-log of the summed probability of all paths that spell the target (Graves et al. 2006).

    target (N, L) int, output (N, T, classes) scores, lengths (N,) int32 → (N,). Two states for each
    place in the target: its label was just emitted, or blanks have followed.
    """
    kind = dtype_of(output)
    steps, labels = output.shape[1], target.shape[1]
    log_p = xp.log_softmax(output, axis=-1)
    index = xp.broadcast_to(xp.expand_dims(target, axis=1), shape=(-1, steps, -1))
    emitting = xp.take_along_axis(log_p, index, axis=-1)
    positions = xp.constant(value=tuple(range(steps)), dtype="int32")
    valid = xp.cast(xp.less(positions, xp.expand_dims(output_length, axis=-1)), dtype=kind)
    each = xp.concatenate(emitting, log_p[:, :, blank : blank + 1], xp.expand_dims(valid, axis=-1), axis=-1)

    same_next = xp.cast(xp.equal(target[:, :-1], target[:, 1:]), dtype=kind)
    twice = xp.pad(same_next, padding=((0, 0), (0, 1))) * _NEVER
    once = _NEVER - twice

    def joined(blanks: Any, more: Any) -> Any:
        first, rest = xp.split(blanks, sizes=(1, labels), axis=-1)
        return xp.concatenate(first, xp.logaddexp(rest, more), axis=-1)

    def step(state: Any, now: Any) -> Any:
        blanks, emitted = state
        label, empty, on = xp.split(now, sizes=(labels, 1, 1), axis=-1)
        before = joined(blanks, emitted + twice)
        next_emitted = xp.logaddexp(before[:, :-1] + label, emitted + label)
        next_blanks = joined(before + empty, emitted + empty + once)
        blanks = on * next_blanks + (1 - on) * blanks
        emitted = on * next_emitted + (1 - on) * emitted
        return (blanks, emitted), on

    never = xp.full_like(emitting[:, 0], value=_NEVER)
    start = xp.concatenate(xp.full_like(never[:, :1], value=0.0), never, axis=-1)
    (blanks, emitted), _ = xp.scan(step, (start, never), xp.transpose(each, axes=(1, 0, 2)))
    log_likelihood = xp.take_along_axis(
        joined(blanks, emitted), xp.expand_dims(target_length, axis=-1), axis=-1
    )
    return -xp.squeeze(log_likelihood, axis=-1)

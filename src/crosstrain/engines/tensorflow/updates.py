"""Optimizers' steps that a kernel of TensorFlow takes in one pass over memory, where it means the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from crosstrain.training.optimizers import Optimizer

Tensor = Any


def sgd(o: Optimizer, variable: Any, slots: Mapping[str, Any], gradient: Tensor, rate: Tensor) -> None:
    """With momentum the rate stands inside of the velocity, as in Keras (``training.rules.sgd``)."""
    if not o.momentum:
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
        return
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle, accum=slots["momentum"].handle, lr=rate, grad=gradient,
        momentum=tf.constant(o.momentum, gradient.dtype), use_nesterov=bool(o.nesterov),
    )  # fmt: skip


IN_PLACE: Mapping[str, Callable[[Optimizer, Any, Mapping[str, Any], Tensor, Tensor], None]] = {"sgd": sgd}
"""By the optimizer's name: overwrites a variable and its slots, given its gradient and the learning rate."""

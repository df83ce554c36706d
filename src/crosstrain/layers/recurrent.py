"""Cells for ``keras.layers.RNN`` that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("crosstrain")
class JordanCell(layers.Layer):
    """Jordan's network as a cell: the hidden units also hear what the network answered before (Jordan 1986).

    At each step ``hidden = tanh(x·kernel + context·context_kernel + bias)`` and ``output =
    hidden·output_kernel + output_bias``; then ``context ← memory·context + sigmoid(output)``. Jordan's output
    units are logistic; here the cell returns what goes into them, logits, for a loss that takes logits. The
    context is 0 at first. (Elman's network, whose hidden units hear themselves, is Keras's ``SimpleRNN``.)

    Input (batch, features) at each step, output (batch, outputs). Raises ``ValueError`` for settings out of
    range.

    Parameters
    ----------
    units : int
        Hidden units.
    outputs : int
    memory : float
        Share of the context that stays for the next step, from 0 to 1.
    """

    def __init__(self, units: int, outputs: int, memory: float = 0.5, **settings: Any) -> None:
        super().__init__(**settings)
        for name, value in (("units", units), ("outputs", outputs)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"JordanCell: {name} must be a positive whole number, not {value!r}")
        if not 0 <= memory <= 1:
            raise ValueError(f"JordanCell: memory must be from 0 to 1, not {memory!r}")
        self.units, self.outputs, self.memory = units, outputs, memory
        self.state_size = self.output_size = outputs

    def build(self, input_shape: Any) -> None:
        shapes = {
            "kernel": (input_shape[-1], self.units),
            "context_kernel": (self.outputs, self.units),
            "bias": (self.units,),
            "output_kernel": (self.units, self.outputs),
            "output_bias": (self.outputs,),
        }
        for name, shape in shapes.items():
            initializer = "zeros" if len(shape) == 1 else "glorot_uniform"
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        (context,) = states
        net = ops.matmul(inputs, self.kernel) + ops.matmul(context, self.context_kernel) + self.bias
        output = ops.matmul(ops.tanh(net), self.output_kernel) + self.output_bias
        return output, [self.memory * context + ops.sigmoid(output)]

    def get_initial_state(self, batch_size: Any = None) -> Any:
        return [ops.zeros((batch_size, self.outputs), dtype=self.compute_dtype)]

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "outputs": self.outputs, "memory": self.memory}
        return {**super().get_config(), **own}

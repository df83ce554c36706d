"""Tensors that a module makes of itself: zeros, ones, filled ones."""

from __future__ import annotations

import numpy as np

from crosstrain.exchange.reading.shaping import filled
from crosstrain.exchange.reading.values import BATCH, Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

NUMBER = {"zeros": 0, "ones": 1, "empty": 0}


@reads("zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty", "zeros_like",
       "ones_like", "full_like", "empty_like")  # fmt: skip
def full(r: TorchReader, n: AtenNode) -> Value:
    kind = n.op.removeprefix("new_").removesuffix("_like")
    number = n["fill_value"] if kind == "full" else NUMBER[kind]
    array = np.asarray(number, "float64" if n.dtype == "float32" else n.dtype)
    if any(d and d % BATCH == 0 for d in n.lengths):
        return filled(r, n.lengths, array)
    return r.as_constant(np.full(n.lengths, array))


@reads("fill")
def fill(r: TorchReader, n: AtenNode) -> Value:
    x, value = operand(n), n["value"]
    if isinstance(value, Value):
        raise r.refusal("fills with a computed value")
    array = np.asarray(value, "float64" if n.dtype == "float32" else n.dtype)
    if None in x.shape:
        return filled(r, n.lengths, array)
    return r.as_constant(np.full(n.lengths, array))


@reads("rand", "randn", "rand_like", "randn_like", "randint", "bernoulli", "normal", "uniform", "multinomial",
       "rrelu", "rrelu_with_noise", "randperm")  # fmt: skip
def drawn(r: TorchReader, n: AtenNode) -> Value:
    raise r.refusal("draws random numbers; put the noise into nn.Dropout")


@reads("arange", "linspace")
def counted(r: TorchReader, n: AtenNode) -> Value:
    raise r.refusal("counts along the batch, whose length a graph does not know")

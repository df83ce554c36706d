"""All trainable weights as views of one vector, and the optimizer's step on it.

A step is then a handful of operations, whatever the number of layers. A convolution's kernel lies in
that vector as PyTorch's convolutions read it, and is seen through a view in Keras's order of axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import Graph
from crosstrain.training.optimizers import Optimizer, Slots, apply, clipped

CONVOLUTIONS = ("conv", "conv_transpose", "depthwise_conv")


@dataclass(frozen=True)
class Piece:
    """A weight's part of the vector. ``order`` are its axes in the order in which they lie in memory."""

    shape: tuple[int, ...]
    order: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def view(self, joint: Tensor) -> Tensor:
        """The weight, shaped as Keras has it, as a view of the vector."""
        lying = joint[self.start : self.start + self.size].view([self.shape[a] for a in self.order])
        return lying.permute(tuple(np.argsort(self.order).tolist()))

    def flat(self, value: Tensor) -> Tensor:
        """A value shaped as the weight, as a vector in the order of the memory."""
        return value.permute(self.order).reshape(-1)


def pieces(graph: Graph, channels_last: bool) -> dict[str, Piece]:
    """Where each trainable weight of the graph lies."""
    readers = {node.inputs[1]: node.op for node in graph.nodes if node.op in CONVOLUTIONS}
    made: dict[str, Piece] = {}
    start = 0
    for name in graph.trainable:
        shape = tuple(graph.weights[name].shape)
        order = tuple(range(len(shape)))
        op = readers.get(f"@{name}")
        if op == "depthwise_conv":  # (…, channels, multiplier), read as (channels · multiplier, 1, …)
            order = (*order[-2:], *order[:-2])
        elif op:
            *spatial, inner, outer = order
            order = (outer, *spatial, inner) if channels_last else (outer, inner, *spatial)
        made[name] = Piece(shape, order, start)
        start += made[name].size
    return made


class JointWeights:
    """The vector, its views for autograd (``leaves``) and the optimizer's slots."""

    def __init__(
        self,
        graph: Graph,
        optimizer: Optimizer,
        ops: Ops,
        dtype: torch.dtype,
        device: torch.device,
        channels_last: bool,
    ) -> None:
        self._optimizer, self._ops = optimizer, ops
        self._pieces = pieces(graph, channels_last)
        size = sum(piece.size for piece in self._pieces.values())
        self._joint = torch.zeros(size, dtype=dtype, device=device)
        self.leaves = {
            name: p.view(self._joint).detach().requires_grad_() for name, p in self._pieces.items()
        }
        self._slots: Slots = {}
        self.restart()

    def restart(self) -> None:
        """Slots as before the first step."""
        self._slots = {
            name: self._joint.new_full(() if slot.scalar else self._joint.shape, slot.initial)
            for name, slot in self._optimizer.slots().items()
        }

    def slots(self) -> dict[str, Slots]:
        """By weight and slot name, as views in Keras's layouts."""
        return {
            name: {slot: piece.view(value) if value.ndim else value for slot, value in self._slots.items()}
            for name, piece in self._pieces.items()
        }

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...], learning_rate: float, number: int) -> None:
        """The optimizer's step ``number`` (from 1), in place, with gradients in the order of ``leaves``."""
        if not self._optimizer.elementwise:
            self._step_apart(gradients, learning_rate, number)
            return
        flat = torch.cat([p.flat(g) for p, g in zip(self._pieces.values(), gradients, strict=True)])
        in_place = IN_PLACE.get(self._optimizer.name)
        if in_place is not None:
            (flat,) = clipped(self._ops, self._optimizer, {"": flat}).values()
            if self._optimizer.weight_decay:
                self._joint.mul_(1 - self._optimizer.weight_decay * learning_rate)
            in_place(self._optimizer, self._joint, flat, self._slots, learning_rate, number)
            return
        weights, slots = apply(
            self._ops,
            self._optimizer,
            {"": self._joint},
            {"": flat},
            {"": self._slots},
            learning_rate,
            number,
        )
        self._joint.copy_(weights[""])
        for slot, value in slots[""].items():
            self._slots[slot].copy_(value)

    def _step_apart(self, gradients: tuple[Tensor, ...], learning_rate: float, number: int) -> None:
        """Weight by weight, for clipping by the norm of each."""
        views = self.slots()
        named = dict(zip(self.leaves, gradients, strict=True))
        weights, slots = apply(self._ops, self._optimizer, self.leaves, named, views, learning_rate, number)
        for name, leaf in self.leaves.items():
            leaf.copy_(weights[name])
            for slot, value in slots[name].items():
                views[name][slot].copy_(value)


# -- rules that overwrite ----------------------------------------------------------------------------
# The two families that most networks are trained with, as training.optimizers has them, in fewer passes
# over memory. The contract tests hold them against those.
def _sgd(o: Optimizer, w: Tensor, g: Tensor, s: Mapping[str, Tensor], lr: float, t: int) -> None:
    if not o.momentum:
        w.add_(g, alpha=-lr)
        return
    v = s["momentum"].mul_(o.momentum).add_(g, alpha=-lr)
    if o.nesterov:
        w.add_(v, alpha=o.momentum).add_(g, alpha=-lr)
    else:
        w.add_(v)


def _adam(o: Optimizer, w: Tensor, g: Tensor, s: Mapping[str, Tensor], lr: float, t: int) -> None:
    assert o.beta_1 is not None
    assert o.beta_2 is not None
    assert o.epsilon is not None
    m = s["momentum"].lerp_(g, 1 - o.beta_1)
    v = s["velocity"].mul_(o.beta_2).addcmul_(g, g, value=1 - o.beta_2)
    if o.amsgrad:
        v = torch.maximum(s["largest_velocity"], v, out=s["largest_velocity"])
    alpha = lr * math.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
    w.addcdiv_(m, v.sqrt().add_(o.epsilon), value=-alpha)


IN_PLACE: dict[str, Callable[[Optimizer, Tensor, Tensor, Mapping[str, Tensor], float, int], None]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adam,
}

"""All trainable weights as views of one vector, and the optimizer's step on it.

A step is then a handful of operations, whatever the number of small layers. The kernel of a convolution or
of a recurrent layer lies in that vector as PyTorch reads it, and is seen through a view in Keras's order of
axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crosstrain.engines.torch.rates import Rates, Scalar
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import Graph
from crosstrain.training.optimizers import Optimizer, apply, clipped, penalized
from crosstrain.training.rules import Slots
from crosstrain.training.scaling import apply_scaled, first_scaling

InPlace = Callable[[Optimizer, Tensor, Tensor, Mapping[str, Tensor], Scalar], None]
"""A rule that overwrites a weight and its slots, given its gradient and the negative learning rate."""

CONVOLUTIONS = ("conv", "conv_transpose", "depthwise_conv")
RECURRENT = ("lstm", "gru", "simple_rnn")
LARGE = 2**16
"""On a CPU a gradient of so many numbers takes its step where it lies: copying it costs more than calls."""


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
        stored = joint[self.start : self.start + self.size].view([self.shape[a] for a in self.order])
        return stored.permute(tuple(np.argsort(self.order).tolist()))

    def flat(self, value: Tensor) -> Tensor:
        """A value shaped as the weight, as a vector in the order of the memory."""
        return value.permute(self.order).reshape(-1)


def pieces(graph: Graph, channels_last: bool) -> dict[str, Piece]:
    """Where each trainable weight of the graph lies."""
    readers = {node.inputs[1]: node.op for node in graph.nodes if node.op in CONVOLUTIONS}
    readers |= {
        ref: node.op for node in graph.nodes if node.op in RECURRENT for ref in node.inputs[1:3] if ref
    }
    result: dict[str, Piece] = {}
    start = 0
    for name in graph.trainable:
        shape = tuple(graph.weights[name].shape)
        order = tuple(range(len(shape)))
        op = readers.get(f"@{name}")
        if op == "depthwise_conv":  # (…, channels, multiplier), read as (channels · multiplier, 1, …)
            order = (*order[-2:], *order[:-2])
        elif op in RECURRENT:  # (inputs, gates · units), read the other way round
            order = (1, 0)
        elif op:
            *spatial, inner, outer = order
            order = (outer, *spatial, inner) if channels_last else (outer, inner, *spatial)
        result[name] = Piece(shape, order, start)
        start += result[name].size
    return result


def runs(pieces: Iterable[Piece], large: float) -> list[list[Piece]]:
    """Neighbours that take a step together; a ``large`` piece is alone."""
    result: list[list[Piece]] = []
    alone = True
    for piece in pieces:
        if alone or piece.size >= large:
            result.append([])
        result[-1].append(piece)
        alone = piece.size >= large
    return result


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
        scaled: bool = False,
    ) -> None:
        """``scaled``: the gradients will be those of a loss times ``scaling["scale"]``."""
        self._optimizer, self._ops = optimizer, ops
        self._pieces = pieces(graph, channels_last)
        size = sum(piece.size for piece in self._pieces.values())
        self._joint = torch.zeros(size, dtype=dtype, device=device)
        self.leaves = {
            name: p.view(self._joint).detach().requires_grad_() for name, p in self._pieces.items()
        }
        self._slots: Slots = {}
        # float64 for the steps left out: with them Adam's correction is found, which float32 spoils.
        exact = dtype if device.type == "mps" else torch.float64
        self.scaling = {
            name: torch.zeros((), dtype=exact, device=device) for name in (first_scaling() if scaled else ())
        }
        self.restart()
        self._runs = runs(self._pieces.values(), LARGE if device.type == "cpu" else math.inf)
        places = [slice(run[0].start, run[-1].start + run[-1].size) for run in self._runs]
        self._parts = [self._joint[place] for place in places]
        self._parts_slots = [
            {name: value[place] for name, value in self._slots.items() if value.ndim} for place in places
        ]

    def restart(self) -> None:
        """Slots as before the first step, where they lie: a captured step knows their place."""
        for name, slot in self._optimizer.slots().items():
            if name in self._slots:
                self._slots[name].fill_(slot.initial)
            else:
                shape = () if slot.scalar else self._joint.shape
                self._slots[name] = self._joint.new_full(shape, slot.initial)
        self.rescale(first_scaling())

    def rescale(self, values: Mapping[str, float]) -> None:
        """Set the state of the loss's scaling, where there is one."""
        for name, scalar in self.scaling.items():
            scalar.fill_(values[name])

    @property
    def size(self) -> int:
        """How many numbers the vector has."""
        return sum(piece.size for piece in self._pieces.values())

    def flat(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Gradients in the order of ``leaves``, as a vector in that of the weights' own."""
        return torch.cat([p.flat(g) for p, g in zip(self._pieces.values(), gradients, strict=True)])

    def parts(self, flat: Tensor) -> tuple[Tensor, ...]:
        """The gradients again, as views of what ``flat`` gave."""
        return tuple(piece.view(flat) for piece in self._pieces.values())

    def slots(self) -> dict[str, Slots]:
        """By weight and slot name, as views in Keras's layouts."""
        return {
            name: {slot: piece.view(value) if value.ndim else value for slot, value in self._slots.items()}
            for name, piece in self._pieces.items()
        }

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...], rates: Rates) -> None:
        """One step of the optimizer, in place, with gradients in the order of ``leaves``."""
        if not self._optimizer.elementwise:
            self._step_apart(gradients, rates)
            return
        in_place = IN_PLACE.get(self._optimizer.name)
        if in_place is not None and self._optimizer.plain and not self.scaling:
            self._step_in_place(in_place, gradients, rates)
            return
        flat = self.flat(gradients)
        weights, slots = self._applied({"": self._joint}, {"": flat}, {"": self._slots}, rates)
        self._joint.copy_(weights[""])
        for slot, value in slots[""].items():
            self._slots[slot].copy_(value)

    def _step_in_place(self, in_place: InPlace, gradients: tuple[Tensor, ...], rates: Rates) -> None:
        o, given = self._optimizer, iter(gradients)
        flat = {str(i): _joined([p.flat(next(given)) for p in run]) for i, run in enumerate(self._runs)}
        weights = dict(zip(flat, self._parts, strict=True))
        ready = clipped(self._ops, o, penalized(o, weights, flat))
        for part, slots, gradient in zip(self._parts, self._parts_slots, ready.values(), strict=True):
            if o.weight_decay:
                part.mul_(rates.decay)
            in_place(o, part, gradient, slots, rates.descent)

    def _step_apart(self, gradients: tuple[Tensor, ...], rates: Rates) -> None:
        """Weight by weight, for clipping by the norm of each."""
        views = self.slots()
        named = dict(zip(self.leaves, gradients, strict=True))
        weights, slots = self._applied(self.leaves, named, views, rates)
        for name, leaf in self.leaves.items():
            leaf.copy_(weights[name])
            for slot, value in slots[name].items():
                views[name][slot].copy_(value)

    def _applied(
        self, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], slots: Mapping[str, Slots],
        rates: Rates,
    ) -> tuple[dict[str, Tensor], dict[str, Slots]]:  # fmt: skip
        """The rule's new weights and slots; the scaling is overwritten."""
        rule = self._ops, self._optimizer, weights, gradients, slots, rates.rate, rates.number
        if not self.scaling:
            return apply(*rule)
        new, new_slots, scaling = apply_scaled(*rule, self.scaling)
        for name, value in scaling.items():
            self.scaling[name].copy_(value)
        return new, new_slots


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


# -- rules that overwrite ----------------------------------------------------------------------------
# The two families that most networks are trained with, as training.optimizers has them, in fewer passes
# over memory. The contract tests hold them against those.
def _add(w: Tensor, g: Tensor, factor: Scalar) -> None:
    """w += factor · g, in one pass."""
    if isinstance(factor, Tensor):
        w.addcmul_(g, factor)
    else:
        w.add_(g, alpha=factor)


def _sgd(o: Optimizer, w: Tensor, g: Tensor, s: Mapping[str, Tensor], descent: Scalar) -> None:
    if not o.momentum:
        _add(w, g, descent)
        return
    v = s["momentum"].mul_(o.momentum)
    _add(v, g, descent)
    if o.nesterov:
        w.add_(v, alpha=o.momentum)
        _add(w, g, descent)
    else:
        w.add_(v)


def _adam(o: Optimizer, w: Tensor, g: Tensor, s: Mapping[str, Tensor], descent: Scalar) -> None:
    assert o.beta_1 is not None
    assert o.beta_2 is not None
    assert o.epsilon is not None
    if isinstance(descent, Tensor) and w.dtype == torch.float32:
        _fused_adam(o, w, g, s, descent)
        return
    m = s["momentum"].lerp_(g, 1 - o.beta_1)
    v = s["velocity"].mul_(o.beta_2).addcmul_(g, g, value=1 - o.beta_2)
    if o.amsgrad:
        v = torch.maximum(s["largest_velocity"], v, out=s["largest_velocity"])
    root = v.sqrt().add_(o.epsilon)
    if isinstance(descent, Tensor):
        w.addcmul_(torch.div(m, root, out=root), descent)
    else:
        w.addcdiv_(m, root, value=descent)


def _fused_adam(o: Optimizer, w: Tensor, g: Tensor, s: Mapping[str, Tensor], descent: Tensor) -> None:
    """All of Adam in one pass over memory, by PyTorch's own kernel. That corrects the bias in another place,
    with another ε; so it is told a step at which nothing is left to correct, and the corrected rate."""
    late = w.new_full((), 1e30)
    largest = [s["largest_velocity"]] if o.amsgrad else []
    torch._fused_adam_(
        [w], [g], [s["momentum"]], [s["velocity"]], largest, [late], lr=-descent, beta1=o.beta_1,
        beta2=o.beta_2, weight_decay=0.0, eps=o.epsilon, amsgrad=o.amsgrad, maximize=False,
    )  # fmt: skip


IN_PLACE: dict[str, InPlace] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adam,
}

"""What training minimises: the error of a network on its data as a function of one weight vector."""

from __future__ import annotations

from typing import Protocol

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.errors import BoundError
from crosstrain.classic.multilayer.network import LayerTransfer, Network, Pass
from crosstrain.classic.multilayer.transfer import TRANSFERS, BoundTransfer


class Objective(Protocol):
    """A function to minimise; a rule asks it for nothing more."""

    def loss(self, weights: Array) -> float: ...

    def __call__(self, weights: Array) -> tuple[float, Array]:
        """The loss, and its gradient (weights,)."""
        ...


class LeastSquares(Objective, Protocol):
    """An objective that is a sum of squares: ``loss = scale/2 × |residuals|²``."""

    scale: float

    def residuals(self, weights: Array) -> tuple[Array, Array]:
        """The residuals (m,) and their Jacobian (m, weights)."""
        ...


class NetworkObjective:
    """The error of a feed-forward network on ``inputs`` (samples, ·) and ``targets`` (samples, outputs)."""

    def __init__(self, network: Network, error: BoundError, inputs: Array, targets: Array) -> None:
        self.network, self.error, self.inputs, self.targets = network, error, inputs, targets
        self.fused = is_fused(error, network.transfers[-1])
        self.n_evaluations = 0
        factor = error.error.least_squares
        self.scale = factor(targets) if factor else 0.0

    def loss(self, weights: Array) -> float:
        self.n_evaluations += 1
        return self.error(self.targets, self.network.forward(weights, self.inputs)[-1].outputs)

    def __call__(self, weights: Array) -> tuple[float, Array]:
        self.n_evaluations += 1
        passes = self.network.forward(weights, self.inputs)
        loss = self.error(self.targets, passes[-1].outputs)
        deltas = self.network.backward(weights, passes, self.last_delta(passes[-1]))
        return loss, self.network.gradient(passes, deltas)

    def last_delta(self, last: Pass) -> Array:
        """The error's derivative by the net inputs of the last layer."""
        if self.fused:
            return (last.outputs - self.targets) / self.targets.shape[0]
        upstream = self.error.derivative(self.targets, last.outputs)
        return self.network.transfers[-1].backward(last.net, last.outputs, upstream)

    def residuals(self, weights: Array) -> tuple[Array, Array]:
        self.n_evaluations += 1
        passes = self.network.forward(weights, self.inputs)
        residuals = self.network.xp.reshape(passes[-1].outputs - self.targets, (-1,))
        return residuals, self.network.jacobian(weights, passes)


def is_fused(error: BoundError, transfer: LayerTransfer) -> bool:
    """Whether error and output function are the pair whose derivatives cancel."""
    name = error.error.fused
    return name is not None and isinstance(transfer, BoundTransfer) and transfer.transfer is TRANSFERS[name]

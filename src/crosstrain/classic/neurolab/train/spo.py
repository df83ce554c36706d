"""SciPy's minimisers: BFGS, conjugate gradients, Newton-CG.

Each takes ``epochs=500, goal=0.01, show=100, rr=0`` and SciPy's own parameters (``gtol``, ``disp`` …).

The line searches of BFGS and conjugate gradients want a point where the slope is small. Along a line the
lowest MAE or SAE often lies where the slope jumps from below 0 to above; then there is no such point, and
training ends before its goal, as it does with NeuroLab (``disp=1`` prints SciPy's reason).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.gradient import Backpropagation
from crosstrain.classic.neurolab.penalty import Penalty


class _Minimiser(Train):
    def __init__(self, net: Any, input: np.ndarray, target: np.ndarray, rr: float = 0, **kwargs: Any) -> None:
        self.net, self.input, self.target = net, input, target
        self.kwargs = kwargs
        self.backpropagation = Backpropagation(net)
        self.evaluate = self.backpropagation.on(input, target)
        self.penalty = Penalty(self.backpropagation.is_bias, rr)
        # NeuroLab's gradient is summed over the samples; an error that is a mean has one that is too.
        self.share = 1.0 / len(input) if getattr(net.errorf, "is_mean", False) else 1.0
        self.last_error = np.inf
        self._known: tuple[np.ndarray, np.ndarray] | None = None

    def loss(self, x: np.ndarray) -> float:
        """The error at these weights; the gradient there is kept for whoever asks next."""
        self.backpropagation.x[:] = x
        gradient, self.last_error = self.evaluate()
        if self.share != 1.0:
            gradient *= self.share
        if self.penalty.rr:
            gradient += self.penalty.rr * x
            self.last_error += self.penalty.energy(x)
        self._known = x.copy(), gradient
        return self.last_error

    def gradient(self, x: np.ndarray) -> np.ndarray:
        if self._known is None or not (self._known[0] == x).all():
            last_error = self.last_error
            self.loss(x)
            self.last_error = last_error
        assert self._known is not None
        return self._known[1]

    def step(self, x: np.ndarray) -> None:
        self.epochf(self.last_error, self.net, self.input, self.target)

    def _run(self, minimise: Any, **defaults: Any) -> None:
        x = self.backpropagation.x
        options = {**defaults, **self.kwargs}
        try:
            x[:] = minimise(self.loss, x.copy(), fprime=self.gradient, callback=self.step, **options)
        finally:
            self.evaluate.leave()


class TrainBFGS(_Minimiser):
    """The rule of Broyden, Fletcher, Goldfarb and Shanno (``scipy.optimize.fmin_bfgs``)."""

    def __call__(self, net: Any, *args: Any) -> None:
        self._run(optimize.fmin_bfgs, disp=0, maxiter=self.epochs)


class TrainCG(_Minimiser):
    """Conjugate gradients (``scipy.optimize.fmin_cg``)."""

    def __call__(self, net: Any, *args: Any) -> None:
        self._run(optimize.fmin_cg, disp=0)


class TrainNCG(_Minimiser):
    """Newton's method with conjugate gradients (``scipy.optimize.fmin_ncg``)."""

    def __call__(self, net: Any, *args: Any) -> None:
        self._run(optimize.fmin_ncg)

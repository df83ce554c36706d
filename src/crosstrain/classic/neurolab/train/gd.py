"""Gradient descent and resilient backpropagation.

All take ``epochs=500, goal=0.01, show=100``, and ``adapt=True`` for a step after every sample in place of one
after all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.classic.multilayer.rules import Descent, Resilient
from crosstrain.classic.multilayer.rules.descent import Stepper
from crosstrain.classic.multilayer.rules.resilient import ResilientStepper
from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.gradient import Backpropagation
from crosstrain.classic.neurolab.penalty import Penalty


class _Gradient(Train):
    """Steps along the gradient: ``_step`` says how far."""

    def __init__(self, net: Any, adapt: bool, rr: float) -> None:
        self.adapt = adapt
        self.backpropagation = Backpropagation(net)
        self.penalty = Penalty(self.backpropagation.is_bias, rr) if rr else None
        self.errors: list[float] = []

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:
        learn = self._online if self.adapt else self._batch
        learn(net, input, target)

    def _batch(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:
        x, penalty, step = self.backpropagation.x, self.penalty, self._step
        evaluate = self.backpropagation.on(input, target)
        try:
            while True:
                gradient, err = evaluate()
                self.errors.append(err)
                if penalty:
                    gradient += penalty.rr * x
                    err += penalty.norms(x)
                self.epochf(err, net, input, target)
                np.subtract(x, step(gradient), x)
        finally:
            evaluate.leave()

    def _online(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:
        x, penalty, step = self.backpropagation.x, self.penalty, self._step
        samples = [
            self.backpropagation.on(input[number : number + 1], target[number : number + 1])
            for number in range(len(input))
        ]
        while True:
            for evaluate in samples:
                gradient, _ = evaluate()
                if penalty:
                    gradient += penalty.rr * x
                np.subtract(x, step(gradient), x)
            err = self.error(net, input, target)
            self.errors.append(err)
            self.epochf(err + penalty.norms(x) if penalty else err, net, input, target)

    def _step(self, gradient: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class _Descent(_Gradient):
    def __init__(self, net: Any, adapt: bool, rr: float, options: Descent) -> None:
        super().__init__(net, adapt, rr)
        self.stepper = Stepper(options)

    def _step(self, gradient: np.ndarray) -> np.ndarray:
        step: np.ndarray = self.stepper.step(gradient, self.errors)
        return step


class TrainGD(_Descent):
    """Gradient descent: ``lr=0.01, adapt=False, rr=0.0`` (regularisation)."""

    def __init__(
        self, net: Any, input: Any, target: Any, lr: float = 0.01, adapt: bool = False, rr: float = 0.0
    ) -> None:
        super().__init__(net, adapt, rr, Descent(lr))


class TrainGDM(_Descent):
    """Gradient descent with momentum: ``lr=0.01, adapt=False, mc=0.9, rr=0.0``."""

    def __init__(
        self,
        net: Any,
        input: Any,
        target: Any,
        lr: float = 0.01,
        adapt: bool = False,
        mc: float = 0.9,
        rr: float = 0.0,
    ) -> None:
        super().__init__(net, adapt, rr, Descent(lr, momentum=mc))


class TrainGDA(_Descent):
    """Gradient descent with an adaptive rate: ``lr=0.01, adapt=False, lr_inc=1.05, lr_dec=0.7,
    max_perf_inc=1.04, rr=0.0``."""

    def __init__(
        self,
        net: Any,
        input: Any,
        target: Any,
        lr: float = 0.01,
        adapt: bool = False,
        lr_inc: float = 1.05,
        lr_dec: float = 0.7,
        max_perf_inc: float = 1.04,
        rr: float = 0.0,
    ) -> None:
        options = Descent(lr, adaptive=True, increase=lr_inc, decrease=lr_dec, tolerance=max_perf_inc)
        super().__init__(net, adapt, rr, options)


class TrainGDX(_Descent):
    """Gradient descent with momentum and an adaptive rate: the parameters of both, ``mc=0.9``."""

    def __init__(
        self,
        net: Any,
        input: Any,
        target: Any,
        lr: float = 0.01,
        adapt: bool = False,
        lr_inc: float = 1.05,
        lr_dec: float = 0.7,
        max_perf_inc: float = 1.04,
        mc: float = 0.9,
        rr: float = 0.0,
    ) -> None:
        options = Descent(lr, mc, adaptive=True, increase=lr_inc, decrease=lr_dec, tolerance=max_perf_inc)
        super().__init__(net, adapt, rr, options)


class TrainRprop(_Gradient):
    """Resilient backpropagation: ``lr=0.07, adapt=False, rate_dec=0.5, rate_inc=1.2, rate_min=1e-9,
    rate_max=50``."""

    def __init__(
        self,
        net: Any,
        input: Any,
        target: Any,
        lr: float = 0.07,
        adapt: bool = False,
        rate_dec: float = 0.5,
        rate_inc: float = 1.2,
        rate_min: float = 1e-9,
        rate_max: float = 50,
    ) -> None:
        super().__init__(net, adapt, 0.0)
        options = Resilient(lr, rate_inc, rate_dec, rate_min, rate_max)
        self.stepper = ResilientStepper(options, self.backpropagation.x)

    def _step(self, gradient: np.ndarray) -> np.ndarray:
        step: np.ndarray = self.stepper.step(gradient)
        return step

"""Control: a network learns what a plant needs to follow a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from crosstrain.classic.multilayer.perceptron import MultilayerPerceptronRegressor


@dataclass(frozen=True)
class Controlled:
    """``reference``, the plant's ``response`` under the network, and ``control``, its inputs; (steps,) each.

    ``error`` is the root mean square of response minus reference, ``proportional`` that of the best
    proportional controller of a hundred, ``deviation`` that of the reference alone (a plant that rests).
    """

    reference: np.ndarray
    response: np.ndarray
    control: np.ndarray
    error: float
    proportional: float
    deviation: float


def plant(y: Any, u: Any) -> Any:
    """The next output of a plant with the output y and the input u: y / (1 + y²) + u³.

    K. Narendra, K. Parthasarathy (1990): Identification and control of dynamical systems using neural
    networks, example 3.
    """
    return y / (1 + y**2) + u**3


def control(network: Any = None, *, trials: int = 2000, steps: int = 200, seed: int = 0) -> Controlled:
    """Let a network learn the plant's inverse from random inputs, then drive the plant along a reference.

    It learns which input took the plant from one output to the next, and is later asked which takes it from
    the present output to the reference. The default network is a multilayer perceptron of 20 and 10 hidden
    units, as in the paper of :func:`plant`.
    """
    random = np.random.default_rng(seed)
    inputs = random.uniform(-1.3, 1.3, trials)
    outputs = np.zeros(trials + 1)
    for k in range(trials):
        outputs[k + 1] = plant(outputs[k], inputs[k])
    learnt = network or MultilayerPerceptronRegressor((20, 10), max_iter=500, random_state=seed)
    model = clone(learnt).fit(np.column_stack([outputs[:-1], outputs[1:]]), inputs)

    time = np.arange(1, steps + 1)
    reference = np.sin(2 * np.pi * time / 25) + 0.5 * np.sin(2 * np.pi * time / 10)
    response, control = np.zeros(steps), np.zeros(steps)
    y = 0.0
    for k in range(steps):
        control[k] = np.clip(model.predict([[y, reference[k]]])[0], -1.3, 1.3)
        response[k] = y = float(plant(y, control[k]))
    gains = np.linspace(0.05, 5, 100)
    return Controlled(
        reference,
        response,
        control,
        error=_rms(response - reference),
        proportional=min(_rms(_proportional(gain, reference) - reference) for gain in gains),
        deviation=_rms(reference),
    )


def _proportional(gain: float, reference: np.ndarray) -> np.ndarray:
    """The plant's response to u = gain · (reference - y)."""
    response, y = np.empty(len(reference)), 0.0
    for k, wanted in enumerate(reference):
        response[k] = y = float(plant(y, np.clip(gain * (wanted - y), -1.3, 1.3)))
    return response


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))

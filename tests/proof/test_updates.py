"""Optimizers: each known difference is recognised from the steps alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosstrain.proof.updates import (
    Track,
    Variant,
    adam_uncorrected,
    explain,
    fits,
    predicted,
)
from crosstrain.training.optimizers import FAMILIES, Optimizer

RATES = [0.1] * 3 + [0.02] * 3
SGD = Optimizer("sgd", learning_rate=0.1, momentum=0.9)
ADAM = Optimizer("adam", learning_rate=0.1)


def walked(
    variant: Variant, rates: list[float] = RATES, assumed: list[float] = RATES, seed: int = 0
) -> Track:
    """The steps of an engine that updates by ``variant`` at ``rates`` and was told others."""
    generator = np.random.default_rng(seed)
    gradients = [generator.normal(size=30) for _ in rates]
    norms = [float(np.linalg.norm(g)) for g in gradients]
    weights = [generator.normal(size=30)]
    for t in range(len(rates)):
        known = Track("w", weights, gradients[: t + 1], norms, norms, assumed, 2.3e-16)
        weights.append(predicted(known, variant, rates[: t + 1])[t])
    return Track("w", weights, gradients, norms, norms, assumed, 2.3e-16)


@pytest.mark.parametrize(
    "optimizer", [SGD, ADAM, Optimizer("rmsprop", momentum=0.9), Optimizer("nadam", clipnorm=1.0)]
)
def test_the_right_steps_fit(optimizer: Optimizer) -> None:
    assert fits(walked(Variant(optimizer)), Variant(optimizer))


@pytest.mark.parametrize(
    ("optimizer", "wrong", "words"),
    [
        (SGD, lambda o: Variant(o, FAMILIES["torch.sgd"].rule), "learning rate outside"),
        (SGD, lambda o: Variant(replace(o, momentum=0.0)), "momentum is missing"),
        (SGD, lambda o: Variant(replace(o, nesterov=True)), "Nesterov's form is used"),
        (SGD, lambda o: Variant(o, times=1 - o.momentum), "damped"),
        (SGD, lambda o: Variant(replace(o, weight_decay=0.0123)), "weight decay of 0.0123"),
        (SGD, lambda o: Variant(o, coupled=0.0321), "weight decay of 0.0321 (as an L2 term"),
        (SGD, lambda o: Variant(o, times=2.0), "counted twice"),
        (ADAM, lambda o: Variant(replace(o, epsilon=1e-3)), "epsilon is 0.001"),
        (ADAM, lambda o: Variant(o, adam_uncorrected), "not corrected"),
        (
            replace(ADAM, epsilon=1e-2),
            lambda o: Variant(o, FAMILIES["torch.adam"].rule),
            "added after the bias is corrected",
        ),
        (
            replace(ADAM, name="torch.adam", epsilon=1e-2),
            lambda o: Variant(o, FAMILIES["adam"].rule),
            "added before the bias is corrected",
        ),
        (
            replace(ADAM, name="torch.adam", weight_decay=0.1),
            lambda o: Variant(replace(o, name="torch.adamw")),
            "in the weight, as AdamW has it",
        ),
        (
            replace(SGD, name="torch.sgd"),
            lambda o: Variant(o, FAMILIES["sgd"].rule),
            "learning rate inside",
        ),
        (replace(SGD, clipnorm=0.5), lambda o: Variant(replace(o, clipnorm=None)), "not clipped"),
        (
            replace(SGD, weight_decay=0.1),
            lambda o: Variant(replace(o, weight_decay=None)),
            "weight decay is missing",
        ),
        (
            replace(SGD, weight_decay=0.1),
            lambda o: Variant(replace(o, weight_decay=None), coupled=0.1),
            "weight decay is an L2 term",
        ),
    ],
)
def test_known_differences(optimizer: Optimizer, wrong: Callable[[Any], Variant], words: str) -> None:
    tracks = [walked(wrong(optimizer), seed=s) for s in range(2)]
    sentence, explained = explain(tracks[0], tracks[1:], optimizer, biases=False)
    assert explained, sentence
    assert words in sentence


def test_a_rate_of_its_own_is_solved_for() -> None:
    wrong = [r * 0.9**t for t, r in enumerate(RATES)]
    sentence, explained = explain(
        walked(Variant(SGD), wrong), [walked(Variant(SGD), wrong, seed=1)], SGD, biases=False
    )
    assert explained
    assert "decays: 0.1, 0.09, 0.081" in sentence


def test_two_biases_are_told_from_a_doubled_gradient() -> None:
    sentence, explained = explain(walked(Variant(SGD, times=2.0)), [], SGD, biases=True)
    assert explained
    assert "stored as two" in sentence


def test_a_weight_that_is_not_trained() -> None:
    track = walked(Variant(SGD))
    still = replace(track, weights=[track.weights[0]] * len(track.weights))
    assert explain(still, [], SGD, biases=False) == ("the engine does not train this weight", True)


def test_what_nothing_explains() -> None:
    track = walked(Variant(SGD))
    noisy = [w + 0.01 * np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(track.weights)]
    sentence, explained = explain(replace(track, weights=noisy), [], SGD, biases=False)
    assert not explained
    assert "sgd" in sentence

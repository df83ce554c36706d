"""Truncated back-propagation through time: values are those of all steps, gradients those of the windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosstrain import prove, zoo
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.graph.graph import Weights
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.program import Program
from crosstrain.graph.reference import run_numpy
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss

STEPS, VARIABLES, UNITS, BATCH = 7, 2, 4, 3
WINDOW = 3
"""Steps of a window: two whole ones, and one of a single step."""


def drawn(name: str) -> tuple[Program, Weights, dict[str, np.ndarray]]:
    """A network that forecasts one number, with random weights and a batch."""
    graph, weights = import_model(zoo.build(f"{name}:units={UNITS}", (STEPS, VARIABLES), 1), None)
    loss, *_ = import_loss({"": Loss("mean_squared_error")}, graph, None)
    random = np.random.default_rng(7)
    values = {key: random.normal(0, 0.6, value.shape) for key, value in weights.items()}
    x, y = random.normal(size=(BATCH, STEPS, VARIABLES)), random.normal(size=(BATCH, 1))
    target = next(key for key in loss.inputs if key.startswith("target/"))
    return Program(graph, loss, Optimizer()), values, {next(iter(graph.inputs)): x, target: y}


def by_hand(weights: Weights, batch: dict[str, np.ndarray], window: int) -> dict[str, np.ndarray]:
    """The gradients of a layer of tanh and a dense one, back-propagated to the first step of the last
    window: the states that it begins with are numbers."""
    kernel, recurrent, bias, dense, last = (np.asarray(value) for value in weights.values())
    (x, y), states = batch.values(), [np.zeros((BATCH, UNITS))]
    for step in range(STEPS):
        states.append(np.tanh(x[:, step] @ kernel + states[-1] @ recurrent + bias))
    error = 2 * (states[-1] @ dense + last - y) / BATCH
    found = {"dense": states[-1].T @ error, "last": error.sum(axis=0)}
    flowing = error @ dense.T
    sums: dict[str, Any] = {"kernel": 0.0, "recurrent": 0.0, "bias": 0.0}
    for step in reversed(range((STEPS - 1) // window * window, STEPS)):
        before = flowing * (1 - states[step + 1] ** 2)
        sums["kernel"] += x[:, step].T @ before
        sums["recurrent"] += states[step].T @ before
        sums["bias"] += before.sum(axis=0)
        flowing = before @ recurrent.T
    return dict(zip(weights, [*sums.values(), *found.values()], strict=True))


@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax"])
@pytest.mark.parametrize("window", [WINDOW, 1, STEPS])
def test_gradients_end_at_the_border_of_a_window(engine: str, window: int) -> None:
    pytest.importorskip(engine)
    program, weights, batch = drawn(f"rnn:truncate={window}")
    network = engines()[engine].load().build(program, weights, Setting(precision="float64"))
    _, gradients = network.gradients(batch)
    for name, wanted in by_hand(weights, batch, window).items():
        assert np.allclose(gradients[name], wanted, rtol=1e-10, atol=1e-13), name


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "stacked-lstm"])
def test_the_state_is_carried_from_window_to_window(cell: str) -> None:
    """Outputs, and so the loss, are those of the network that is not truncated."""
    whole, weights, batch = drawn(cell)
    parted = drawn(f"{cell}:truncate={WINDOW}")[0]
    x = next(iter(batch.values()))
    outputs = [
        next(iter(run_numpy(each.network, weights, {next(iter(each.network.inputs)): x})[0].values()))
        for each in (whole, parted)
    ]
    assert np.allclose(*outputs, rtol=1e-12, atol=1e-15)


def test_a_language_model_in_windows_is_proved() -> None:
    """Kernels and states of two layers, on an engine, against the definition in Keras and NumPy."""
    pytest.importorskip("torch")
    proof = prove("rnn-lm:tiny:depth=2:truncate=4", engines=["torch"], precisions=["float64"], progress=False)
    assert proof.proved, [c.reason for c in proof if c.status != "proved"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("lstm:truncate=-1", ((6, 2), 3), "truncate must not be -1"),
        ("bilstm:truncate=2", ((6, 2), 3), "which is not done for layers that read backwards"),
        ("lstm:truncate=2", ((6,), 3, 50), "which is not done for texts with labels"),
        ("rnn-lm:cell=tcn", (), "cell is rnn, lstm, gru, not 'tcn'"),
    ],
)
def test_what_has_no_windows(name: str, arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        zoo.build(name, *arguments)

"""Dynamic loss scaling: the rule, held against PyTorch's and Keras's own, and what a step does with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops import NUMPY
from crosstrain.training.optimizers import Optimizer, apply
from crosstrain.training.scaling import FIRST, INTERVAL, apply_scaled, first_scaling

XP = Ops(NUMPY, "NumPy")
RULES = [
    Optimizer("sgd", momentum=0.9),
    Optimizer("adam"),
    Optimizer("nadam"),
    Optimizer("adam", accumulate=2),
    Optimizer("sgd", ema=0.9),
]


def state(optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    weights = {"w": np.array([1.0, -2.0, 3.0]), "v": np.array([[0.5]])}
    return weights, {name: optimizer.slot_values(w.shape, None) for name, w in weights.items()}


def gradients(step: int, scale: float, finite: bool) -> dict[str, np.ndarray]:
    random = np.random.default_rng(step)
    drawn = {"w": random.standard_normal(3), "v": random.standard_normal((1, 1))}
    scaled = {name: g * scale for name, g in drawn.items()}
    if not finite:
        scaled["w"][step % 3] = (np.inf, -np.inf, np.nan)[step % 3]
    return scaled


@pytest.mark.parametrize("optimizer", RULES, ids=lambda o: str(o.to_json()))
@settings(max_examples=30, deadline=None)
@given(finite=st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_step_that_overflows_never_was(optimizer: Optimizer, finite: list[bool]) -> None:
    """Weights and slots are those of the good steps alone, as the rule has them without any scaling."""
    weights, slots = state(optimizer)
    plain, plain_slots = state(optimizer)
    scaling: dict[str, Any] = {name: np.float64(v) for name, v in first_scaling().items()}
    taken = 0
    for number, good in enumerate(finite, 1):
        scaled = gradients(number, float(scaling["scale"]), good)
        with np.errstate(invalid="ignore"):
            weights, slots, scaling = apply_scaled(
                XP, optimizer, weights, scaled, slots, 0.1, float(number), scaling
            )
        if good:
            taken += 1
            plain, plain_slots = apply(
                XP, optimizer, plain, gradients(number, 1.0, True), plain_slots, 0.1, float(taken)
            )
    for name in plain:
        np.testing.assert_allclose(weights[name], plain[name], rtol=1e-12)
        for slot, value in plain_slots[name].items():
            np.testing.assert_allclose(slots[name][slot], value, rtol=1e-12)
    assert scaling["skipped"] == finite.count(False)


def scales(finite: list[bool], interval: int) -> list[float]:
    """The scale after each step."""
    optimizer = Optimizer("sgd")
    weights, slots = state(optimizer)
    scaling: dict[str, Any] = {name: np.float64(v) for name, v in first_scaling().items()}
    seen = []
    for number, good in enumerate(finite, 1):
        scaled = gradients(number, float(scaling["scale"]), good)
        with np.errstate(invalid="ignore"):
            weights, slots, scaling = apply_scaled(
                XP, optimizer, weights, scaled, slots, 0.1, float(number), scaling, interval
            )
        seen.append(float(scaling["scale"]))
    return seen


@settings(max_examples=40, deadline=None)
@given(finite=st.lists(st.booleans(), max_size=25), interval=st.integers(1, 4))
def test_the_scale_is_that_of_pytorchs_grad_scaler(finite: list[bool], interval: int) -> None:
    torch = pytest.importorskip("torch")
    scaler = torch.amp.GradScaler("cpu", init_scale=FIRST, growth_interval=interval)
    weight = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([weight], 0.1)
    theirs = []
    for number, good in enumerate(finite, 1):
        scaler.scale(torch.zeros(()))  # it makes its state with the first loss
        weight.grad = torch.tensor(gradients(number, 1.0, good)["w"], dtype=torch.float32)
        scaler.step(optimizer)
        scaler.update()
        theirs.append(scaler.get_scale())
    assert scales(finite, interval) == theirs


def test_the_scale_is_that_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    finite = [bool(n % 5) for n in range(17)]
    weight = keras.Variable(np.zeros(3, "float32"))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), dynamic_growth_steps=3)
    optimizer.build([weight])
    assert (optimizer.initial_scale, INTERVAL) == (
        FIRST, keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()).dynamic_growth_steps,
    )  # fmt: skip
    theirs = []
    for number, good in enumerate(finite, 1):
        optimizer.apply([keras.ops.convert_to_tensor(gradients(number, 1.0, good)["w"].astype("float32"))])
        theirs.append(float(keras.ops.convert_to_numpy(optimizer.dynamic_scale)))
    assert scales(finite, 3) == theirs

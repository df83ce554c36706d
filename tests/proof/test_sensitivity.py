"""Steps of optimizers that divide a gradient by its size: what rounding does to them is no fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Bounds
from crosstrain.proof.compare import Errors, relative
from crosstrain.proof.prover import Prover
from crosstrain.proof.sensitivity import GRADIENTS, steps_off
from crosstrain.proof.states import writing
from crosstrain.proof.truths.by_numpy import OPS
from crosstrain.proof.verdict import LIKELY, STRETCH, within
from crosstrain.training.optimizers import FAMILIES, Optimizer
from crosstrain.training.recipe import Recipe
from tests.proof.conftest import INSTALLED
from tests.proof.faults import Fault

ADAM = Recipe(optimizer=Optimizer("adam", learning_rate=0.3))
"""Steps several times as large as the weights, so that the few entries that rounding decides show."""


class Standing:
    """Of a case what the steps need: one weight, its optimizer, and its learning rates."""

    seed = 0

    def __init__(self, optimizer: Optimizer, weight: np.ndarray, steps: int = 3) -> None:
        self.weights, self.steps = {"w": weight}, steps
        self.program = type("Program", (), {"optimizer": optimizer})()

    def rates(self) -> list[float]:
        return [0.1] * self.steps


def stepped(optimizer: Optimizer, path: Path, gradients: list[np.ndarray]) -> list[dict[str, Any]]:
    """Write the states of a weight that takes steps along ``gradients``; each with its weight and slots."""
    weight = np.ones_like(gradients[0])
    states: list[dict[str, Any]] = [{"w": weight, **optimizer.slot_values(weight.shape, None)}]
    with writing(path) as file:
        for number, gradient in enumerate(gradients, 1):
            slots = {name: value for name, value in states[-1].items() if name != "w"}
            w, slots = FAMILIES[optimizer.name].rule(
                OPS, optimizer, states[-1]["w"], gradient, slots, 0.1, number
            )
            file.add(number, {"w": w}, {"w": slots})
            states.append({"w": w, **slots})
    return states


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_follows_from_the_slots(name: str, tmp_path: Path) -> None:
    optimizer = Optimizer(name)
    gradients = [np.random.default_rng(step).standard_normal((4, 5)) for step in range(3)]
    states = stepped(optimizer, tmp_path / "states.npz", gradients)
    if name not in GRADIENTS:
        case = Standing(optimizer, states[0]["w"])
        assert steps_off(case, tmp_path / "states.npz", {"w": 1e-6}) == {}  # type: ignore[arg-type]
        return
    for gradient, before, after in zip(gradients, states, states[1:], strict=False):
        assert np.abs(GRADIENTS[name](optimizer, before, after)) == pytest.approx(np.abs(gradient))


SETTINGS: dict[str, dict[str, float]] = {"torch.rmsprop": {"rho": 0.9}}
"""With the default of 0.99 the first step is 1, from a weight of 1 to 0, of which all is an error."""


@pytest.mark.parametrize("name", GRADIENTS)
def test_what_is_expected_is_what_noise_does(name: str, tmp_path: Path) -> None:
    """Of 40,000 normal entries some forty lie within a thousandth of 0."""
    optimizer = Optimizer(name, **SETTINGS.get(name, {}))  # type: ignore[arg-type]
    gradients = [np.random.default_rng(step).standard_normal((200, 200)) for step in range(3)]
    states = stepped(optimizer, tmp_path / "states.npz", gradients)
    case: Case = Standing(optimizer, states[0]["w"])  # type: ignore[assignment]
    expected = steps_off(case, tmp_path / "states.npz", {"w": 1e-3})["w"]
    noise = np.random.default_rng(9)
    seen = 0.0
    for number, gradient in enumerate(gradients, 1):
        own = {key: value for key, value in states[number - 1].items() if key != "w"}
        off = gradient + 1e-3 * noise.standard_normal(gradient.shape)
        w, _ = FAMILIES[name].rule(OPS, optimizer, states[number - 1]["w"], off, own, 0.1, number)
        seen = max(seen, relative(w, states[number]["w"]))
    assert expected == pytest.approx(seen, rel=0.5)
    assert 0 < steps_off(case, tmp_path / "states.npz", {"w": 1e-6})["w"] < expected


def test_only_what_is_expected_stretches_a_bound() -> None:
    compared = {"gradients": Errors({"w": 1e-6}), "weights_after_steps": Errors({"w": 4e-3, "v": 1e-6})}
    assert not within(compared, "float32")
    assert not within(compared, "float32", stepping={"v": 1.0})
    assert not within(compared, "float32", stepping={"w": 4e-3 / LIKELY / 1.01})
    assert within(compared, "float32", stepping={"w": 4e-3 / LIKELY * 1.01})
    far = STRETCH * BOUNDS["float32"].weights * 1.01
    assert not within({**compared, "weights_after_steps": Errors({"w": far})}, "float32", stepping={"w": 1.0})


def test_steps_that_rounding_decides_are_proved(
    prover: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a bound so tight that what rounding does to 70,000 weights is beyond it."""
    monkeypatch.setitem(BOUNDS, "float32", Bounds(1e-4, 1e-5))
    double, single = prover("wide", Fault(), ADAM).certificates(INSTALLED[0], ["float64", "float32"])
    assert (double.status, single.status) == ("proved", "proved")
    assert single.weights_after_steps is not None
    assert single.weights_after_steps > 1e-5
    assert any("within rounding of 0" in note for note in single.notes)
    assert not any("within rounding of 0" in note for note in double.notes)
    # What float64 does not vouch for has no such excuse.
    (alone,) = prover("wide", Fault(), ADAM).certificates(INSTALLED[0], ["float32"])
    assert alone.status == "departs"


def test_a_wrong_update_is_no_rounding(prover: Callable[..., Prover]) -> None:
    """The same network and optimizer, with another epsilon on the engine's side."""
    fault = Fault(optimizer=lambda optimizer: replace(optimizer, epsilon=1e-3))
    (certificate,) = prover("wide", fault, ADAM).certificates(INSTALLED[0], ["float32"])
    assert certificate.status == "departs"

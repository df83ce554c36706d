"""Several training steps in one call: the same steps, whatever comes between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Setting, State
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import CASES, Case, distance, noisy, perceptron

jax = pytest.importorskip("jax")

from crosstrain.engines.jax.engine import ENGINE, JaxNetwork  # noqa: E402

STEPS = 10
OPTIMIZERS = {
    "momentum": Optimizer("sgd", momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": Optimizer("adam", amsgrad=True, global_clipnorm=0.1),
    "nadam": Optimizer("nadam", accumulate=3),
}


def built(case: Case, steps: int = 4, precision: str = "float64", **options: Any) -> JaxNetwork:
    setting = Setting(precision=precision, options={"steps_at_once": steps, **options})
    return ENGINE.build(case.program, case.weights, setting)


def assert_same(one: State, other: State, limit: float = 1e-12) -> None:
    assert one.step == other.step
    assert one.scaling == other.scaling
    for name, value in one.weights.items():
        assert distance(other.weights[name], value) < limit, name
    for name, slots in (one.slots or {}).items():
        for slot, value in slots.items():
            assert distance((other.slots or {})[name][slot], value) < limit, (name, slot)


def trained(network: JaxNetwork, case: Case, steps: int = STEPS) -> list[Any]:
    """Each step on other rows, at another rate."""
    batches = [
        {
            name: np.roll(value, step, 0) if np.ndim(value) else value + step
            for name, value in case.batch.items()
        }
        for step in range(steps)
    ]
    return [network.train(batch, 0.1 / (step + 1)) for step, batch in enumerate(batches)]


SOON = {"perceptron", "convolutional"}


@pytest.mark.parametrize(
    "name",
    [
        name if name in SOON else pytest.param(name, marks=pytest.mark.slow("compiles two steps more"))
        for name in CASES
    ],
)
def test_they_are_the_steps(name: str) -> None:
    case = CASES[name]()
    plain, together = built(case, 1), built(case)
    expected = [float(loss) for loss in trained(plain, case)]
    losses = trained(together, case)
    together.wait()
    np.testing.assert_allclose([float(loss) for loss in losses], expected, rtol=1e-12)
    assert_same(plain.read(), together.read())
    assert (together._train_together._cache_size(), together._train._cache_size()) == (1, 1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_and_numbers_of_steps_reach_the_rule(name: str) -> None:
    case = perceptron().with_optimizer(OPTIMIZERS[name])
    plain, together = built(case, 1), built(case)
    trained(plain, case)
    trained(together, case)
    assert_same(plain.read(), together.read())


def test_noise_is_each_steps_own() -> None:
    case = noisy()
    plain, together = built(case, 1), built(case)
    expected = [float(loss) for loss in trained(plain, case)]
    np.testing.assert_allclose([float(loss) for loss in trained(together, case)], expected, rtol=1e-12)
    assert len(set(expected)) == STEPS


def test_a_loss_that_is_asked_for_early_is_there() -> None:
    case = perceptron()
    plain, together = built(case, 1), built(case)
    for step in range(6):
        expected = float(plain.train(case.batch, 0.1))
        loss = together.train(case.batch, 0.1)
        if step % 3 == 1:
            assert float(loss) == pytest.approx(expected, rel=1e-12)
    assert_same(plain.read(), together.read())


def test_what_shows_or_changes_the_state_comes_after_the_steps_before_it() -> None:
    case = perceptron()
    plain, together = built(case, 1), built(case)
    for network in (plain, together):
        network.train(case.batch, 0.1)
    np.testing.assert_allclose(together.predict(case.batch)["y"], plain.predict(case.batch)["y"], rtol=1e-12)
    for network in (plain, together):
        network.train(case.batch, 0.1)
    assert together.gradients(case.batch)[0] == pytest.approx(plain.gradients(case.batch)[0], rel=1e-12)
    late = together.train(case.batch, 0.1)
    expected = float(plain.train(case.batch, 0.1))
    for network in (plain, together):
        network.load(State(case.weights))
        network.train(case.batch, 0.1)
    assert float(late) == pytest.approx(expected, rel=1e-12)
    assert_same(plain.read(), together.read())


def test_a_ragged_batch_ends_a_call() -> None:
    case = perceptron()
    plain, together = built(case, 1), built(case)
    for network in (plain, together):
        for rows in (6, 6, 4, 6, 6, 6, 6, 6):
            network.train(case.rows(0, rows), 0.1)
    assert_same(plain.read(), together.read())
    assert together._train_together._cache_size() == 1


@pytest.mark.parametrize("options", [{"data": "device"}, {"arithmetic": "float16"}], ids=str)
def test_with_rows_on_the_device_and_with_a_scaled_loss(options: dict[str, Any]) -> None:
    case = perceptron()
    plain, together = (built(case, steps, "float32", **options) for steps in (1, 4))
    for network in (plain, together):
        batch: Any = case.batch
        if kept := network.keep({"train": case.batch}):
            order = np.array([3, 1, 5, 5, 0, 2])
            batch = {name: rows[order] for name, rows in kept["train"].items()}
        for _ in range(STEPS):
            network.train(batch, 0.1)
    assert_same(plain.read(), together.read(), 1e-5)

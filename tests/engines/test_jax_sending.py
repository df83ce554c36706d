"""JAX: a batch from host memory is on its way to the device while the steps before it compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Setting
from tests.engines.networks import Case, noisy, perceptron

jax = pytest.importorskip("jax")

from crosstrain.engines.jax import engine as module  # noqa: E402
from crosstrain.engines.jax.engine import ENGINE, JaxNetwork, sends  # noqa: E402


def built(case: Case, sending: bool) -> JaxNetwork:
    """On a CPU, which has no way to go, a network is told to send."""
    network = ENGINE.build(case.program, case.weights, Setting())
    assert not network._sends
    network._sends = sending
    return network


@pytest.mark.parametrize("case", [perceptron(), noisy()], ids=lambda case: case.program.network.name)
def test_what_is_sent_is_what_was_given(case: Case) -> None:
    """Bit for bit, though the caller writes the next batch into the same memory."""
    states, losses = [], []
    for sending in (False, True):
        network, memory = (
            built(case, sending),
            {name: np.array(value) for name, value in case.batch.items()},
        )
        handles = []
        for step in range(4):
            for name, value in case.batch.items():
                memory[name][...] = np.roll(value, step, 0) if np.ndim(value) else value + step
            handles.append(network.train(memory, 0.1))
        states.append(network.read())
        losses.append([float(handle) for handle in handles])
    assert losses[0] == losses[1]
    for name, value in states[0].weights.items():
        np.testing.assert_array_equal(states[1].weights[name], value)


def test_the_next_batch_leaves_before_a_step_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    case, done = perceptron(), []
    network = built(case, sending=True)
    real_put, real_step = jax.device_put, network._train

    class Handle:
        """A loss that the device has not found yet."""

        def __init__(self, loss: Any) -> None:
            self.loss = loss

        def __float__(self) -> float:
            done.append("waited")
            return float(self.loss)

    def put(batch: Any, device: Any) -> Any:
        done.append("sent")
        return real_put(batch, device)

    def step(*state_and_batch: Any) -> Any:
        done.append("begun")
        batch = state_and_batch[5]
        assert all(isinstance(value, jax.Array) for value in batch.values())
        *state, loss = real_step(*state_and_batch)
        return *state, Handle(loss)

    monkeypatch.setattr(module.jax, "device_put", put)
    monkeypatch.setattr(module.jax, "block_until_ready", lambda arrays: done.append("waited"))
    monkeypatch.setattr(network, "_train", step)
    handles = [network.train(case.batch, 0.1) for _ in range(3)]
    network.wait()
    assert done == ["sent", "begun"] * 3 + ["waited"]
    assert float(handles[0]) != float(handles[2])


@pytest.mark.parametrize(
    ("platform", "steps", "sent"), [("gpu", 1, True), ("gpu", 8, False), ("cpu", 1, False)]
)
def test_only_single_steps_on_a_device_of_its_own_are_sent_for(platform: str, steps: int, sent: bool) -> None:
    assert sends(platform, steps) == sent

"""A training step recorded once and replayed on the memory that it was recorded on, as a CUDA graph is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import State
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import CASES, Case, distance

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from crosstrain.engines.torch.capture import WARM_UP  # noqa: E402
from crosstrain.engines.torch.engine import OPTIONS, TorchNetwork  # noqa: E402

STEPS = WARM_UP + 4
OPTIMIZERS = {
    "sgd": Optimizer("sgd"),
    "momentum": Optimizer("sgd", momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": Optimizer("adam", amsgrad=True),
    "adamw": Optimizer("adamw", clipvalue=0.01),
    "clipped": Optimizer("rmsprop", clipnorm=0.1, momentum=0.5),
    "nadam": Optimizer("nadam", global_clipnorm=0.1),
}


class Tape(TorchDispatchMode):
    """The calls that reach PyTorch's kernels, with the very tensors that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # As views of their own: a later call may turn the axes of what is made here.
        places = [x.detach() if isinstance(x, torch.Tensor) else x for x in tree_leaves(result)]
        self.calls.append((func, args, kwargs or {}, places))
        return result


class Player:
    """Stands in for CUDA's capture. What it replays knows nothing of Python: a number that was taken for a
    constant stays what it was, and a tensor that was put in another's place is not seen."""

    def __init__(self, fault: str = "") -> None:
        self.recorded = 0
        self.replayed = 0
        self._fault = fault

    def side(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def record(self, work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        if self._fault:
            raise RuntimeError(self._fault)
        self.recorded += 1
        tape, fresh = Tape(), [True]
        with tape:
            loss = work()

        @torch.no_grad()
        def replay() -> None:
            self.replayed += 1
            if fresh.pop() if fresh else False:
                return  # here recording has run the step already
            for function, args, kwargs, places in tape.calls:
                if torch.Tag.inplace_view in function.tags:
                    continue  # turns a tensor's axes, as it has been turned already; moves no number
                again = function(*args, **kwargs)
                for place, new in zip(places, tree_leaves(again), strict=True):
                    if isinstance(place, torch.Tensor) and place.data_ptr() != new.data_ptr():
                        place.copy_(new)

        return replay, loss


def network(case: Case, player: Player | None = None, precision: str = "float64") -> TorchNetwork:
    options = {name: option.default for name, option in OPTIONS.items()}
    return TorchNetwork(case.program, case.weights, torch.device("cpu"), precision, options, player)


def rate(step: int) -> float:
    return 0.1 / (step + 1)


def assert_same(one: State, other: State, limit: float = 1e-12) -> None:
    assert one.step == other.step
    for name, value in one.weights.items():
        assert distance(other.weights[name], value) < limit, name
    assert one.slots is not None
    assert other.slots is not None
    for name, slots in one.slots.items():
        for slot, value in slots.items():
            assert distance(other.slots[name][slot], value) < limit, (name, slot)


@pytest.mark.parametrize("name", CASES)
def test_replayed_steps_are_the_steps(name: str) -> None:
    case, player = CASES[name](), Player()
    plain, captured = network(case), network(case, player)
    for step in range(STEPS):
        loss = captured.train(case.batch, rate(step))
        assert float(loss) == pytest.approx(float(plain.train(case.batch, rate(step))), rel=1e-12)
    assert (player.recorded, player.replayed) == (1, STEPS - WARM_UP)
    assert_same(plain.read(), captured.read())


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_s_rate_and_step_reach_the_graph(name: str, precision: str) -> None:
    case, player = CASES["convolutional"]().with_optimizer(OPTIMIZERS[name]), Player()
    plain, captured = network(case, precision=precision), network(case, player, precision)
    for step in range(STEPS):
        plain.train(case.batch, rate(step))
        captured.train(case.batch, rate(step))
    assert player.replayed
    assert_same(plain.read(), captured.read(), 1e-12 if precision == "float64" else 1e-4)


def test_a_ragged_last_batch_runs_op_by_op_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    case, player = CASES["perceptron"](), Player()
    plain, captured = network(case), network(case, player)
    ragged = case.rows(0, 2)
    with caplog.at_level(logging.WARNING):
        for step in range(STEPS):
            for batch in (case.batch, ragged) if step in (STEPS - 3, STEPS - 2) else (case.batch,):
                plain.train(batch, 0.1)
                captured.train(batch, 0.1)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("a batch of another shape, ")
    assert f"(2, {case.batch[next(iter(case.batch))].shape[1]})" in said
    assert said.endswith("runs op by op until it has come 3 times")
    assert (player.recorded, player.replayed) == (1, STEPS - WARM_UP)
    assert_same(plain.read(), captured.read())


def test_losses_are_those_of_their_steps() -> None:
    """Each replay writes the same memory; a loss that is read late is still its own step's."""
    case = CASES["perceptron"]()
    plain, captured = network(case), network(case, Player())
    expected = [float(plain.train(case.batch, 0.1)) for _ in range(STEPS)]
    losses = [captured.train(case.batch, 0.1) for _ in range(STEPS)]
    np.testing.assert_allclose([float(loss) for loss in losses], expected, rtol=1e-12)


def test_a_state_is_loaded_into_the_graph_s_memory() -> None:
    case = CASES["convolutional"]().with_optimizer(OPTIMIZERS["adam"])
    plain, captured = network(case), network(case, player := Player())
    for _ in range(STEPS):
        plain.train(case.batch, 0.1)
        captured.train(case.batch, 0.1)
    for state in (State(case.weights), plain.read()):
        plain.load(state)
        captured.load(state)
        for _ in range(2):
            plain.train(case.batch, 0.05)
            captured.train(case.batch, 0.05)
        assert_same(plain.read(), captured.read())
    assert player.recorded == 1


def test_looking_at_gradients_and_outputs_changes_nothing() -> None:
    case = CASES["convolutional"]()
    captured = network(case, Player())
    for _ in range(STEPS):
        captured.train(case.batch, 0.1)
    before = captured.read()
    captured.gradients(case.batch)
    captured.predict(case.batch, training=True)
    assert_same(before, captured.read(), 1e-300)


def test_what_cannot_be_captured_runs_op_by_op_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    case = CASES["convolutional"]()
    plain, failing = network(case), network(case, player := Player("operation not permitted\nmore"))
    with caplog.at_level(logging.WARNING):
        for step in range(STEPS):
            plain.train(case.batch, rate(step))
            failing.train(case.batch, rate(step))
    assert [r.getMessage() for r in caplog.records] == [
        "the training step cannot be captured in a CUDA graph and runs op by op: operation not permitted"
    ]
    assert not player.replayed
    assert_same(plain.read(), failing.read())

"""The proof can fail: each fault that has made published comparisons worthless is caught, and placed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from crosstrain.proof.prover import Prover
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from tests.proof import faults
from tests.proof.conftest import INSTALLED, RECIPE
from tests.proof.faults import Fault


@dataclass(frozen=True)
class Planted:
    """A fault, the network it is planted in, and where and why the proof has to say it is."""

    network: str
    fault: Fault
    stage: str
    node: str
    words: str
    recipe: Recipe = RECIPE
    explained: bool = True


def transposed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v.swapaxes(1, 2) if v.ndim == 4 else v for k, v in inputs.items()}


def scrambled(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def as_channels_first(x: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        return x.reshape(n, c, h, w).transpose(0, 2, 3, 1)

    return {k: as_channels_first(v) if v.ndim == 4 else v for k, v in inputs.items()}


def other_kernel(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    name = next(n for n in weights if n.endswith("conv2/kernel"))
    return {
        **weights,
        name: np.random.default_rng(9).normal(size=weights[name].shape).astype(weights[name].dtype),
    }


def other_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, 77)).permutation(examples)


def doubled_kernel(gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        k: 2 * v if k.endswith("conv2/kernel") or k.startswith("probe/conv2/conv/") else v
        for k, v in gradients.items()
    }


def uncorrected(rate: float, step: int) -> float:
    """Adam's rate by which the correction of its moments' bias is undone."""
    first, second = 1 - float(np.float32(0.9)) ** (step + 1), 1 - float(np.float32(0.999)) ** (step + 1)
    return float(rate * first / np.sqrt(second))


CLIPPED = replace(RECIPE, optimizer=replace(RECIPE.optimizer, clipnorm=0.03125))
SMOOTHED = replace(
    RECIPE,
    losses={"output": Loss("categorical_crossentropy", {"from_logits": True, "label_smoothing": 0.125})},
)
ADAM = replace(RECIPE, optimizer=Optimizer("adam", learning_rate=0.01))
BATCH_NORM = "norm1/batch_norm"

FAULTS: dict[str, Planted] = {
    "missing relu": Planted(
        "pictures", Fault(graph=faults.another_op("dense1/relu", "linear")),
        "inference", "dense1/relu", "missing",
    ),
    "transposed pictures": Planted(
        "pictures", Fault(inputs=transposed), "inputs", "", "height and width swapped"
    ),
    "scrambled channels": Planted("pictures", Fault(inputs=scrambled), "inputs", "", "channels scrambled"),
    "flatten of channels first": Planted(
        "pictures", Fault(graph=faults.channels_first_flatten("flatten/reshape")),
        "inference", "flatten/reshape", "channels, height, width",
    ),
    "decaying learning rate": Planted(
        "pictures", Fault(rate=lambda rate, step: rate * 0.8**step), "update", "", "learning rate decays"
    ),
    "other epsilon": Planted(
        "pictures", Fault(graph=faults.attributes(BATCH_NORM, epsilon=2e-5)),
        "inference", BATCH_NORM, "epsilon is 2e-05",
    ),
    "conv bias missing": Planted(
        "pictures", Fault(graph=faults.without_input("conv1/conv", 2)),
        "inference", "conv1/conv", "bias is missing",
    ),
    "conv bias of its own": Planted(
        "pictures",
        Fault(graph=faults.with_weight("conv2/conv", "hidden/bias", (4,), 2), hidden={"hidden/bias": None}),
        "after training", "conv2/conv", "bias of its own",
    ),
    "conv bias of its own, shown": Planted(
        "pictures", Fault(graph=faults.with_weight("conv2/conv", "pictures/conv2/bias", (4,), 2)),
        "initial weights", "conv2/conv", "a weight of its own",
    ),
    "weight decay": Planted(
        "pictures", Fault(optimizer=lambda o: replace(o, weight_decay=5e-4)),
        "update", "", "weight decay of 0.0005",
    ),
    "other initial weights": Planted(
        "pictures", Fault(weights=other_kernel), "initial weights", "conv2/conv", "other initial weights"
    ),
    "other batch order": Planted("pictures", Fault(order=other_order), "inputs", "", "batch order"),
    "stale batches": Planted("pictures", Fault(stale=True), "inputs", "", "step 1 trains on batch 0"),
    "unbiased moving variance": Planted(
        "pictures", Fault(graph=faults.unbiased_statistic(BATCH_NORM, 0.99, 8 * 4 * 4)),
        "update", BATCH_NORM, "unbiased",
    ),
    "symmetric padding": Planted(
        "pictures", Fault(graph=faults.attributes("conv1/conv", padding=((1, 1), (1, 1)))),
        "inference", "conv1/conv", "padding is symmetric",
    ),
    "counted padding": Planted(
        "pictures", Fault(graph=faults.counted_padding("pool1/average_pool")),
        "inference", "pool1/average_pool", "counted in the average",
    ),
    "momentum with the rate outside": Planted(
        "pictures", Fault(rate_outside=True), "update", "", "learning rate outside"
    ),
    "two biases": Planted(
        "lstm",
        Fault(
            graph=faults.second_bias("lstm1/lstm", 3, "hidden/bias", (24,)),
            hidden={"hidden/bias": "lstm/lstm1/lstm_cell/bias"},
        ),
        "update", "lstm1/lstm", "stored as two",
    ),
    "reset gate before": Planted(
        "gru", Fault(graph=faults.reset_before("gru1/gru")),
        "inference", "gru1/gru", "reset gate is applied before",
    ),
    "other epsilon of the optimizer": Planted(
        "pictures", Fault(optimizer=lambda o: replace(o, epsilon=1e-4)), "update", "", "epsilon is 0.0001",
        recipe=ADAM,
    ),
    "gradient counted twice": Planted(
        "pictures", Fault(gradients=doubled_kernel), "gradients", "conv2/conv", "2 times the true one"
    ),
    "wrong gate order": Planted(
        "lstm", Fault(graph=faults.regated("lstm1/lstm", (0, 1, 3, 2))),
        "inference", "lstm1/lstm", "the gates are in the order i, f, o, c",
    ),
    "transposed kernel": Planted(
        "pictures", Fault(graph=faults.transposed_kernel("conv1/conv", (3, 3, 3, 6))),
        "inference", "conv1/conv", "the kernel has height and width swapped",
    ),
    "missing bias correction": Planted(
        "pictures", Fault(rate=uncorrected), "update", "", "bias of the moments is not corrected", recipe=ADAM
    ),
    "decay on BatchNorm": Planted(
        "pictures", Fault(decay=(("norm1/gamma", "norm1/beta"), 2**-10)),
        "update", BATCH_NORM, "weight decay of 0.000977 (decoupled)",
    ),
    "aligned corners": Planted(
        "enlarged", Fault(graph=faults.aligned_corners("larger/einsum", (16, 4))),
        "inference", "larger/einsum", "corners are aligned",
    ),
    "sum in place of a mean": Planted(
        "attention", Fault(graph=faults.another_op("average/mean", "sum")),
        "inference", "average/mean", "a sum in place of a mean",
    ),
    "ignored mask": Planted(
        "attention", Fault(graph=faults.passed_on("look/where", 1)),
        "inference", "look/where", "the mask is ignored",
    ),
    "softmax along another axis": Planted(
        "attention", Fault(graph=faults.attributes("look/softmax", axis=1)),
        "inference", "look/softmax", "it runs along axis 1",
    ),
    "label smoothing left out": Planted(
        "pictures",
        Fault(
            loss=faults.both(faults.passed_on("multiply"), faults.passed_on("add")),
            graph=faults.both(faults.passed_on("loss/multiply"), faults.passed_on("loss/add")),
        ),
        "loss", "loss/multiply", "labels are not smoothed", recipe=SMOOTHED,
    ),
    "clipping by value": Planted(
        "pictures", Fault(optimizer=lambda o: replace(o, clipnorm=None, clipvalue=o.clipnorm)),
        "update", "", "gradients are clipped by value", recipe=CLIPPED,
    ),
}  # fmt: skip

EVERYWHERE = ("missing relu", "weight decay", "unbiased moving variance")
"""Faults that are tried on every engine; the others on the first that is installed."""


def tries() -> list[Any]:
    return [
        pytest.param(name, engine, id=f"{name}-{engine}")
        for name in FAULTS
        for engine in (INSTALLED if name in EVERYWHERE else INSTALLED[:1])
    ]


@pytest.mark.parametrize(("name", "engine"), tries())
def test_fault_is_caught(name: str, engine: str, prover: Callable[..., Prover]) -> None:
    planted = FAULTS[name]
    (certificate,) = prover(planted.network, planted.fault, planted.recipe).certificates(engine, ["float64"])
    assert certificate.status == "departs", certificate.reason
    departure = certificate.first_departure
    assert departure is not None
    assert (departure.stage, departure.node) == (planted.stage, planted.node), str(departure)
    assert planted.words in departure.cause, str(departure)
    assert departure.explained or not planted.explained, str(departure)

"""The proof can fail: each fault that has made published comparisons worthless is caught, and placed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crosstrain.proof.prover import Prover
from tests.proof import faults
from tests.proof.conftest import INSTALLED
from tests.proof.faults import Fault
from tests.proof.planted import (
    ADAM,
    CLIPPED,
    SMOOTHED,
    Planted,
    doubled,
    other_order,
    redrawn,
    scrambled,
    transposed,
    uncorrected,
)

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
        "pictures", Fault(weights=redrawn("pictures/conv2/kernel")),
        "initial weights", "conv2/conv", "other initial weights",
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
        "pictures", Fault(gradients=doubled("pictures/conv2/kernel", "conv2/conv")),
        "gradients", "conv2/conv", "2 times the true one",
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

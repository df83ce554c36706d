"""Faults planted in deep networks: what forgives rounding in two hundred layers forgives none of them.

Every fault of ``test_faults`` is here again. It lies half way through the body where the body has the op,
else in the tail. The truth is asked for once for each recipe; a fault runs the engine and the search.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosstrain.graph.graph import Graph, Node
from crosstrain.proof.certificate import Certificate
from crosstrain.proof.prover import Prover
from crosstrain.runs.definition import Definition
from crosstrain.training.recipe import Recipe
from tests.proof import faults
from tests.proof.conftest import INSTALLED, in_process
from tests.proof.faults import Fault
from tests.proof.planted import (
    ADAM,
    CLIPPED,
    SMOOTH,
    Planted,
    doubled,
    redrawn,
)
from tests.proof.test_faults import FAULTS

pytestmark = pytest.mark.slow("minutes for a deep network; the same faults in small ones are in every run")

NETWORKS = ("resnet50_v2", "inception_v3")
STEPS = 2
"""The second step has momentum and another rate; each leaves a state of two numbers for each of 24 million
parameters."""
BATCH = 8


def middle(graph: Graph, op: str, fits: Callable[[Node], bool] = lambda node: True) -> Node:
    """The node of a kind half way through the network."""
    nodes = [node for node in graph.nodes if node.op == op and fits(node)]
    return nodes[len(nodes) // 2]


def weight(node: Node, index: int) -> str:
    return str(node.inputs[index])[1:]


def in_body(graph: Graph) -> dict[str, Planted]:
    """The faults of ops that the bodies have."""
    name = graph.name
    square = lambda node: graph.weights[weight(node, 1)].shape[:2] == (3, 3)
    relu, norm, conv = middle(graph, "relu"), middle(graph, "batch_norm"), middle(graph, "conv", square)
    biased = middle(graph, "conv", lambda node: len(node.inputs) > 2 and node.inputs[2] is not None)
    padded = middle(graph, "average_pool", lambda node: any(map(sum, node.attributes["padding"])))
    kernel = weight(conv, 1)
    shape = graph.weights[kernel].shape
    averaged = BATCH * int(np.prod(graph.spec(norm.inputs[0]).shape[1:-1]))
    at = faults.attributes
    return {
        "missing relu": Planted(
            name, Fault(graph=faults.another_op(relu.name, "linear")), "inference", relu.name, "missing"
        ),
        "other epsilon": Planted(
            name, Fault(graph=at(norm.name, epsilon=2e-5)), "inference", norm.name, "epsilon is 2e-05"
        ),
        "conv bias missing": Planted(
            name, Fault(graph=faults.without_input(biased.name, 2)), "inference", biased.name,
            "bias is missing",
        ),
        "conv bias of its own, shown": Planted(
            name,
            Fault(
                graph=faults.with_weight(conv.name, f"{kernel.rpartition('/')[0]}/bias", shape[-1:], 2)
            ),
            "initial weights", conv.name, "a weight of its own",
        ),
        "other initial weights": Planted(
            name, Fault(weights=redrawn(kernel)), "initial weights", conv.name, "other initial weights"
        ),
        "unbiased moving variance": Planted(
            name, Fault(graph=faults.unbiased_statistic(norm.name, norm.attributes["momentum"], averaged)),
            "update", norm.name, "unbiased",
        ),
        "counted padding": Planted(
            name, Fault(graph=faults.counted_padding(padded.name)), "inference", padded.name,
            "counted in the average",
        ),
        "gradient counted twice": Planted(
            name, Fault(gradients=doubled(kernel, conv.name)), "gradients", conv.name, "2 times the true one"
        ),
        "transposed kernel": Planted(
            name, Fault(graph=faults.transposed_kernel(conv.name, shape)), "inference", conv.name,
            "the kernel has height and width swapped",
        ),
        "decay on BatchNorm": Planted(
            name, Fault(decay=(tuple(str(ref)[1:] for ref in norm.inputs[1:3] if ref), 2**-10)),
            "update", norm.name, "weight decay of 0.000977 (decoupled)",
        ),
    }  # fmt: skip


def in_tail(name: str) -> dict[str, Planted]:
    """The faults of ops that stand in the tail alone."""
    at = faults.attributes
    return {
        "flatten of channels first": Planted(
            name, Fault(graph=faults.channels_first_flatten("series/reshape")), "inference",
            "series/reshape", "channels, height, width",
        ),
        "conv bias of its own": Planted(
            name,
            Fault(
                graph=faults.with_weight("plain/conv", "hidden/bias", (6,), 2), hidden={"hidden/bias": None}
            ),
            "after training", "plain/conv", "bias of its own",
        ),
        "symmetric padding": Planted(
            name, Fault(graph=at("halved/conv", padding=((1, 1), (1, 1)))), "inference", "halved/conv",
            "padding is symmetric",
        ),
        "two biases": Planted(
            name,
            Fault(
                graph=faults.second_bias("lstm1/lstm", 3, "hidden/bias", (24,)),
                hidden={"hidden/bias": "lstm1/lstm_cell/bias"},
            ),
            "update", "lstm1/lstm", "stored as two",
        ),
        "reset gate before": Planted(
            name, Fault(graph=faults.reset_before("gru1/gru")), "inference", "gru1/gru",
            "reset gate is applied before",
        ),
        "wrong gate order": Planted(
            name, Fault(graph=faults.regated("lstm1/lstm", (0, 1, 3, 2))), "inference", "lstm1/lstm",
            "the gates are in the order i, f, o, c",
        ),
        "aligned corners": Planted(
            name, Fault(graph=faults.aligned_corners("larger/einsum", (8, 4))), "inference",
            "larger/einsum", "corners are aligned",
        ),
        "sum in place of a mean": Planted(
            name, Fault(graph=faults.another_op("average/mean", "sum")), "inference", "average/mean",
            "a sum in place of a mean",
        ),
        "ignored mask": Planted(
            name, Fault(graph=faults.passed_on("look/where", 1)), "inference", "look/where",
            "the mask is ignored",
        ),
        "softmax along another axis": Planted(
            name, Fault(graph=at("look/softmax", axis=1)), "inference", "look/softmax",
            "it runs along axis 1",
        ),
    }  # fmt: skip


MOMENTUM = replace(CLIPPED, losses={"logits": SMOOTH})
"""Momentum, clipping by norm and label smoothing in one: one truth for every fault that needs no Adam."""

ADAPTIVE = replace(ADAM, losses=MOMENTUM.losses)

OUTSIDE = (
    "transposed pictures", "scrambled channels", "decaying learning rate", "weight decay",
    "other batch order", "stale batches", "momentum with the rate outside", "other epsilon of the optimizer",
    "missing bias correction", "label smoothing left out", "clipping by value",
)  # fmt: skip
"""Faults that lie in no node of the network: the very ones of the small networks."""


def planted(fault: str, graph: Graph) -> Planted:
    where = FAULTS[fault] if fault in OUTSIDE else {**in_body(graph), **in_tail(graph.name)}[fault]
    return replace(where, recipe=ADAPTIVE if where.recipe is ADAM else MOMENTUM)


class Proofs:
    """Certificates of engines with a fault. One prover serves all faults of a network and a recipe."""

    def __init__(self, defined: Callable[..., Definition], work: Path) -> None:
        self._defined, self._work = defined, work
        self._provers: dict[tuple[str, str], Prover] = {}

    def graph(self, network: str) -> Graph:
        return self._defined(network, MOMENTUM).graph

    def certificate(self, network: str, recipe: Recipe, fault: Fault) -> Certificate:
        key = (network, str(recipe.to_json()))
        if key not in self._provers:
            definition, work = self._defined(network, recipe), self._work / network
            self._provers[key] = Prover(definition, recipe, work, steps=STEPS, batch_size=BATCH, seed=0)
        self._provers[key].launch = in_process(fault)
        (certificate,) = self._provers[key].certificates(INSTALLED[0], ["float64"])
        return certificate


@pytest.fixture(scope="module")
def proofs(defined: Callable[..., Definition], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    work = tmp_path_factory.mktemp("deep")
    yield Proofs(defined, work)
    shutil.rmtree(work)  # gigabytes


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("recipe", [MOMENTUM, ADAPTIVE], ids=["momentum", "adam"])
def test_a_right_engine_is_proved(network: str, recipe: Recipe, proofs: Proofs) -> None:
    certificate = proofs.certificate(network, recipe, Fault())
    assert certificate.status == "proved", str(certificate.first_departure or certificate.reason)
    assert certificate.gradients is not None
    assert 0 < certificate.gradients < 1e-9


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_deep_network_is_caught(fault: str, network: str, proofs: Proofs) -> None:
    where = planted(fault, proofs.graph(network))
    certificate = proofs.certificate(network, where.recipe, where.fault)
    assert certificate.status == "departs", certificate.reason
    departure = certificate.first_departure
    assert departure is not None
    assert (departure.stage, departure.node) == (where.stage, where.node), str(departure)
    assert where.words in departure.cause, str(departure)
    assert departure.explained or not where.explained, str(departure)

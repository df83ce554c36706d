"""Faults planted in a deep network: what forgives rounding in two hundred layers forgives none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosstrain.graph.graph import Graph, Node
from crosstrain.proof.prover import Prover
from crosstrain.runs.definition import Definition, define
from tests.proof import faults
from tests.proof.applications import __file__ as applications
from tests.proof.conftest import INSTALLED, RECIPE, in_process
from tests.proof.faults import Fault

pytestmark = pytest.mark.slow("minutes for each fault; the same faults in small networks are in every run")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    return define(f"{applications}:resnet50_v2", folder=tmp_path_factory.mktemp("deep"))


def middle(graph: Graph, op: str, fits: Callable[[Node], bool] = lambda node: True) -> Node:
    """The node of a kind half way through the network."""
    nodes = [node for node in graph.nodes if node.op == op and fits(node)]
    return nodes[len(nodes) // 2]


def padded(node: Node) -> bool:
    return any(sum(pair) for pair in node.attributes["padding"])


def moved(node: Node) -> tuple[tuple[int, int], ...]:
    """The same padding, one cell further to the front."""
    return tuple(
        (before + 1, after - 1) if after else (before, after) for before, after in node.attributes["padding"]
    )


DEEP: dict[str, tuple[str, str, Callable[[Graph, Node], Fault], str]] = {
    "missing relu": (
        "relu", "inference", lambda g, n: Fault(graph=faults.another_op(n.name, "linear")), "is missing",
    ),
    "other epsilon": (
        "batch_norm", "inference", lambda g, n: Fault(graph=faults.attributes(n.name, epsilon=2e-5)),
        "epsilon is 2e-05",
    ),
    "other padding": (
        "conv", "inference", lambda g, n: Fault(graph=faults.attributes(n.name, padding=moved(n))), "padding",
    ),
    "no momentum of the statistics": (
        "batch_norm", "update", lambda g, n: Fault(graph=faults.attributes(n.name, momentum=0.9)),
        "momentum is 0.9",
    ),
    "gradient counted twice": (
        "conv", "gradients", lambda g, n: Fault(gradients=doubled(str(n.inputs[1])[1:], n.name)),
        "2 times the true one",
    ),
    "weight decay": (
        "", "update", lambda g, n: Fault(optimizer=lambda o: replace(o, weight_decay=5e-4)),
        "weight decay of 0.0005",
    ),
    "momentum with the rate outside": (
        "", "update", lambda g, n: Fault(rate_outside=True), "learning rate outside",
    ),
    "stale batches": ("", "inputs", lambda g, n: Fault(stale=True), "step 1 trains on batch 0"),
}  # fmt: skip


def doubled(weight: str, node: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    return lambda gradients: {
        k: 2 * v if k == weight or k.startswith(f"probe/{node}/") else v for k, v in gradients.items()
    }


@pytest.fixture(scope="module")
def work_of_deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deep-proofs")


def certified(deep: Definition, work: Path, fault: Fault, steps: int = 4) -> object:
    prover = Prover(deep, RECIPE, work, steps=steps, batch_size=8, seed=0, launch=in_process(fault))
    (certificate,) = prover.certificates(INSTALLED[0], ["float64"])
    return certificate


def test_a_right_engine_is_proved(deep: Definition, work_of_deep: Path) -> None:
    certificate = certified(deep, work_of_deep, Fault())
    assert certificate.status == "proved", certificate
    assert certificate.gradients < 1e-9


@pytest.mark.parametrize("name", DEEP)
def test_a_fault_in_a_deep_network_is_caught(name: str, deep: Definition, work_of_deep: Path) -> None:
    op, stage, plant, words = DEEP[name]
    node = middle(deep.graph, op, padded if name == "other padding" else lambda node: True) if op else None
    certificate = certified(deep, work_of_deep, plant(deep.graph, node))
    assert certificate.status == "departs", certificate.reason
    departure = certificate.first_departure
    assert departure.stage == stage, str(departure)
    assert departure.node == (node.name if node else ""), str(departure)
    assert words in departure.cause, str(departure)

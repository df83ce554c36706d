"""A certificate knows what it has tested: where no gradient flows another case is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from crosstrain.graph.graph import Graph, Node, TensorSpec, WeightSpec
from crosstrain.proof.batch import sample
from crosstrain.proof.flow import Coverage, activity, connected, coverage_of, drawn_weights, listed
from crosstrain.proof.prover import Prover
from crosstrain.runs.definition import Definition
from tests.proof.conftest import INSTALLED
from tests.proof.faults import Fault
from tests.proof.test_case import case_of


@pytest.mark.parametrize("network", ["saturated", "dead"])
def test_another_case_is_taken_where_no_gradient_flows(network: str, prover: Callable[..., Prover]) -> None:
    own = prover(network, Fault())
    before = own.case.hash
    (certificate,) = own.certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "proved", certificate
    assert own.case.hash != before
    tested = certificate.basis["tested"]
    assert tested["with_gradient"] == tested["weights"] > 0
    assert not tested["untested"]
    assert certificate.gradients
    assert any("this proof drew others" in note for note in certificate.notes)


def test_a_network_that_lets_nothing_through_is_not_proved(prover: Callable[..., Prover]) -> None:
    (certificate,) = prover("shut", Fault()).certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "cannot"
    assert not certificate.proved
    assert "nothing was tested" in certificate.reason
    assert any(
        "gradient of dense1/kernel, dense1/bias was never other than 0" in n for n in certificate.notes
    )
    assert any("no unit was active in closed/relu" in n for n in certificate.notes)


def test_what_is_tested_is_told_by_name(defined: Callable[..., Definition]) -> None:
    case = case_of(defined("pictures"))
    gradients = {name: np.ones(case.weights[name].shape) for name in case.network.trainable}
    whole = coverage_of(case, gradients)
    assert whole.whole
    assert whole.gradients == len(gradients)
    assert 0 < whole.active["relu1/relu"] < 1
    gradients["pictures/conv2/kernel"] *= 0
    gradients["pictures/conv1/bias"] *= 1e-17
    part = coverage_of(case, gradients)
    assert part.untested == ("pictures/conv2/kernel",)
    assert part.rounding == ("pictures/conv1/bias",)
    assert not part.nothing
    assert "the gradient of pictures/conv2/kernel was never other than 0" in list(part.notes())


def test_a_clipped_loss_is_seen(defined: Callable[..., Definition]) -> None:
    case = case_of(defined("saturated"))
    assert activity(case)[1] > 0.5
    easy = replace(case, weights=drawn_weights(case.network, case.weights, 0))
    assert activity(easy)[1] == 0


def test_a_weight_that_the_loss_does_not_depend_on_is_not_connected() -> None:
    nodes = (
        Node("used", "multiply", ("%x", "@used"), {}, (TensorSpec((None, 3)),)),
        Node("idle", "multiply", ("%x", "@idle"), {}, (TensorSpec((None, 3)),)),
        Node("cut", "stop_gradient", ("%idle",), {}, (TensorSpec((None, 3)),)),
        Node("loss", "add", ("%used", "%cut"), {}, (TensorSpec((None, 3)),)),
    )
    weights = {"used": WeightSpec((3,)), "idle": WeightSpec((3,))}
    graph = Graph("g", {"x": TensorSpec((None, 3))}, {"loss": "%loss"}, nodes, weights)
    assert connected(graph, "loss") == {"used"}


def test_nothing_tested_and_nothing_to_test_differ() -> None:
    assert Coverage(2, untested=("a", "b")).nothing
    assert not Coverage(0).nothing


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcde")) == "a, b, c and 2 more"


def test_examples_of_a_data_set_are_spread_over_it_and_do_not_tie() -> None:
    arrays = {"x": np.repeat(np.arange(10.0, dtype="float32"), 10)[:, None], "target/y": np.arange(100)}
    chosen = sample(arrays, 10)
    assert chosen["target/y"].tolist() == list(range(0, 100, 10))
    assert np.allclose(chosen["x"][:, 0], np.arange(10.0), atol=0.05)
    assert len(np.unique(sample({"x": np.zeros((20, 4))}, 20)["x"])) == 80
    assert sample({"x": np.zeros((3, 2))}, 7)["x"].shape == (7, 2)

"""Constants are no weights, and a definition that differs each time is said to, once, by its layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crosstrain.proof.prover import Prover
from tests.proof.conftest import INSTALLED
from tests.proof.faults import Fault


@pytest.mark.parametrize("engine", INSTALLED)
def test_large_constants_are_not_taken_for_weights(engine: str, prover: Callable[..., Prover]) -> None:
    enlarged = prover("enlarged", Fault())
    assert any(name.startswith("constant/") for name in enlarged.case.network.weights)
    (certificate,) = enlarged.certificates(engine, ["float64"])
    assert certificate.status == "proved", certificate


def test_an_engine_that_changes_a_constant_is_caught(prover: Callable[..., Prover]) -> None:
    name = next(n for n in prover("enlarged", Fault()).case.network.weights if n.startswith("constant/"))
    (certificate,) = prover("enlarged", Fault(decay=((name,), 0.5))).certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "departs"
    assert certificate.worst["weights_after_steps"] == name


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("embedded_constant", ("'position' (Embedding) was called on an array", "never trains")),
        ("random_constant", ("'multiply' reads a constant that differs each time", "goes on with the one")),
    ],
)
def test_the_proof_goes_on_with_the_constant_of_the_definition(
    network: str, words: tuple[str, ...], prover: Callable[..., Prover]
) -> None:
    (certificate,) = prover(network, Fault()).certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "proved", certificate
    (note,) = [n for n in certificate.notes if words[0] in n]
    assert words[1] in note


def test_a_layer_that_reads_the_clock_is_named_once(prover: Callable[..., Prover]) -> None:
    (certificate,) = prover("clock", Fault()).certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "cannot"
    assert certificate.reason.count("the layer 'late' computes with numbers that differ each time") == 1

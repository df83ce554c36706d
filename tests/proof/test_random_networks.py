"""No healthy engine departs, whatever the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crosstrain.proof.prove import prove
from crosstrain.proof.truths import gather
from crosstrain.runs import definition
from tests.proof.conftest import INSTALLED, RECIPE
from tests.proof.random_networks import PLACE
from tests.proof.workshop import Workshop

TRUTHS = ("torch", "tensorflow", "jax")
"""Keras on JAX compiles every network anew, half of a proof's time, and is asked last."""
QUICK = 10
MANY = 200


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as workers:
        yield workers


def departures(seed: int, work: Path, workshop: Workshop) -> list[str]:
    """What is not proved of a drawn network, on all engines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definition, "run_job", workshop.launch)
        patch.setattr(gather, "BACKENDS", TRUTHS)
        proof = prove(
            f"{PLACE}:drawn{seed}", INSTALLED, ["float64"], recipe=RECIPE, work=work, steps=3, threads=1,
            launch=workshop.launch,
        )  # fmt: skip
    assert len(proof) == len(INSTALLED)
    return [
        f"network {seed} on {c.engine}: {c.status}, {c.first_departure or c.reason}"
        for c in proof
        if not c.proved
    ]


@pytest.mark.parametrize("seed", range(QUICK))
def test_no_healthy_engine_departs(seed: int, tmp_path: Path, workshop: Workshop) -> None:
    assert departures(seed, tmp_path, workshop) == []


@pytest.mark.slow("190 more networks on three engines; ten are in every run")
@pytest.mark.parametrize("seed", range(QUICK, MANY))
def test_no_healthy_engine_departs_in_many_networks(seed: int, tmp_path: Path, workshop: Workshop) -> None:
    assert departures(seed, tmp_path, workshop) == []

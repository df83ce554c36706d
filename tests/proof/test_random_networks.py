"""No healthy engine departs, whatever the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosstrain.proof.prove import prove
from tests.proof.conftest import INSTALLED, RECIPE
from tests.proof.random_networks import PLACE

QUICK = 10
MANY = 200


def departures(seed: int, work: Path) -> list[str]:
    """What is not proved of a drawn network, on all engines."""
    proof = prove(
        f"{PLACE}:drawn{seed}", INSTALLED, ["float64"], recipe=RECIPE, work=work, steps=3, threads=1
    )
    assert len(proof) == len(INSTALLED)
    return [
        f"network {seed} on {c.engine}: {c.status}, {c.first_departure or c.reason}"
        for c in proof
        if not c.proved
    ]


@pytest.mark.parametrize("seed", range(QUICK))
def test_no_healthy_engine_departs(seed: int, tmp_path: Path) -> None:
    assert departures(seed, tmp_path) == []


@pytest.mark.slow("190 more networks on three engines; ten are in every run")
@pytest.mark.parametrize("seed", range(QUICK, MANY))
def test_no_healthy_engine_departs_in_many_networks(seed: int, tmp_path: Path) -> None:
    assert departures(seed, tmp_path) == []

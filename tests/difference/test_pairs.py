"""Planted mistakes of porting are found, located and named; repaired pairs are the same."""

from __future__ import annotations

import pytest

from tests.difference.conftest import Compare
from tests.difference.pairs import PAIRS, keras_gru, keras_several, port_with_several


@pytest.mark.parametrize("name", PAIRS)
def test_a_planted_mistake_is_found_located_and_named(compare: Compare, name: str) -> None:
    pair = PAIRS[name]
    found = compare(
        keras_gru(False) if name == "gru biases" else pair.keras, lambda: pair.torch(True), pair.loss,
        pair.optimizer, allow=pair.allow, **pair.options,
    )  # fmt: skip
    assert not found.same
    assert [f.cause for f in found.findings] == [pair.cause] * len(found.findings), found.findings
    first = found.findings[0]
    places = " ".join(f"{p.node} {p.layer} {p.op}" for p in (first.a, first.b) if p)
    assert pair.where in places
    assert first.what
    assert first.change
    if first.stage in ("inference", "training", "weights"):
        assert first.effect is not None
        assert first.effect > 1e-7


def test_several_mistakes_in_one_port_are_all_found(compare: Compare) -> None:
    found = compare(keras_several, port_with_several)
    assert [f.cause for f in found.findings] == [
        "padding", "epsilon", "flatten order", "momentum", "running variance",
    ]  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_the_repaired_pair_is_the_same(compare: Compare, name: str) -> None:
    pair = PAIRS[name]
    found = compare(
        pair.keras, lambda: pair.torch(False), (pair.loss[0],) * 2, (pair.optimizer[0],) * 2,
        allow=(*pair.allow, "running-variance"), **pair.options,
    )  # fmt: skip
    assert found.same, found.findings
    assert found.errors["steps"] <= 1e-5

"""Planted mistakes of porting are found, located and named; repaired pairs are the same."""

from __future__ import annotations

import pytest
from keras import layers as L
from torch import nn

from crosstrain.errors import CrosstrainError
from tests.difference.conftest import Compare
from tests.difference.pairs import (
    PAIRS,
    dense,
    functional,
    keras_ending,
    keras_gru,
    keras_mlp,
    keras_pooled_at,
    keras_several,
    mlp,
    pooled,
    port_with_several,
)


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
        assert first.effect > 1e-6


def test_several_mistakes_in_one_port_are_all_found(compare: Compare) -> None:
    found = compare(keras_several, port_with_several)
    assert [f.cause for f in found.findings] == [
        "padding", "epsilon", "flatten order", "momentum", "running variance",
    ]  # fmt: skip


def test_networks_that_share_nothing_are_refused(compare: Compare) -> None:
    other = functional((6,), L.ReLU)
    with pytest.raises(CrosstrainError, match=r"A and B share no layer \(A does relu; B does dense"):
        compare(other, lambda: dense(nn.Tanh, nn.Tanh)(False))


def test_other_inputs_are_refused_with_both_shapes(compare: Compare) -> None:
    with pytest.raises(CrosstrainError, match=r"A's input .* is 8×8×3 and B's 'input' 7×7×3, which is no"):
        compare(keras_pooled_at(8), lambda: pooled(False))


def test_a_map_says_which_weight_is_which(compare: Compare) -> None:
    said = {"0.weight": "sequential/dense/kernel"}
    found = compare(keras_mlp, lambda: mlp(False), said=said)
    assert found.same
    assert found.weights["weights"] == {
        "0.weight": "sequential/dense/kernel", "0.bias": "sequential/dense/bias",
        "2.weight": "sequential/dense_1/kernel", "2.bias": "sequential/dense_1/bias",
    }  # fmt: skip
    with pytest.raises(CrosstrainError, match="--map names the weight 'nothing', which A lacks"):
        compare(keras_mlp, lambda: mlp(False), said={"0.weight": "nothing"})


def test_a_softmax_that_the_loss_has_inside_is_no_difference(compare: Compare) -> None:
    found = compare(keras_ending, lambda: mlp(False))
    assert found.same, found.findings
    assert any("A ends in softmax" in note for note in found.notes)


@pytest.mark.parametrize("name", PAIRS)
def test_the_repaired_pair_is_the_same(compare: Compare, name: str) -> None:
    pair = PAIRS[name]
    found = compare(
        pair.keras, lambda: pair.torch(False), (pair.loss[0],) * 2, (pair.optimizer[0],) * 2,
        allow=(*pair.allow, "running-variance"), **pair.options,
    )  # fmt: skip
    assert found.same, found.findings
    assert found.errors["steps"] <= 1e-5

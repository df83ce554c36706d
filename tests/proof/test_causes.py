"""Known differences: each, put in on purpose, is recognised by its numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosstrain.graph.graph import Node, TensorSpec
from crosstrain.proof.locating.causes import Situation, meaning
from crosstrain.proof.locating.explaining import explain
from crosstrain.proof.locating.training import statistic_cause

RANDOM = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def node(op: str, inputs: int, **attributes: Any) -> Node:
    return Node("n", op, tuple(f"%i{i}" for i in range(inputs)), attributes, (TensorSpec(()),))


def cause_of(n: Node, arguments: list[Any], got: np.ndarray, index: int = 0) -> str:
    """The sentence that explains ``got``; the test fails where none does."""
    sentence, explained = explain(Situation(n, arguments, meaning(n, arguments)[index], got, index), 1e-8)
    assert explained, sentence
    return sentence


CONV = {"strides": (2, 2), "padding": ((0, 1), (0, 1)), "dilation": (1, 1), "groups": 1}
IMAGE, KERNEL, BIAS = normal(2, 8, 8, 3), normal(3, 3, 3, 4), normal(4)


@pytest.mark.parametrize(
    ("changed", "arguments", "words"),
    [
        ({"padding": ((1, 1), (1, 1))}, None, "symmetric"),
        ({}, [IMAGE, KERNEL, None], "bias is missing"),
        ({}, [IMAGE, KERNEL[::-1, ::-1], BIAS], "flipped"),
        ({}, [IMAGE, KERNEL.swapaxes(0, 1), BIAS], "height and width swapped"),
        ({}, [IMAGE.swapaxes(1, 2), KERNEL, BIAS], "height and width swapped"),
        ({}, [IMAGE[..., ::-1], KERNEL, BIAS], "reverse order"),
        ({}, [IMAGE, KERNEL, BIAS + 1], "bias of its own"),
        (
            {},
            [IMAGE, KERNEL[..., [2, 0, 3, 1]], BIAS[[2, 0, 3, 1]]],
            "channels of the output are in another order",
        ),
    ],
    ids=["symmetric", "bias", "flip", "kernel", "picture", "bgr", "offset", "permuted"],
)
def test_convolution(changed: dict[str, Any], arguments: list[Any] | None, words: str) -> None:
    right = [IMAGE, KERNEL, BIAS]
    got = meaning(node("conv", 3, **{**CONV, **changed}), arguments or right)[0]
    assert words in cause_of(node("conv", 3, **CONV), right, got)


def test_convolution_with_the_odd_cell_at_the_other_end() -> None:
    right = {**CONV, "strides": (1, 1)}
    got = meaning(node("conv", 3, **{**right, "padding": ((1, 0), (1, 0))}), [IMAGE, KERNEL, BIAS])[0]
    assert "other end" in cause_of(node("conv", 3, **right), [IMAGE, KERNEL, BIAS], got)


POOL = {"window": (3, 3), "strides": (2, 2), "padding": ((0, 1), (0, 1))}


def test_average_that_counts_its_padding() -> None:
    grown = np.pad(IMAGE, ((0, 0), (0, 1), (0, 1), (0, 0)))
    got = meaning(node("average_pool", 1, **{**POOL, "padding": ((0, 0), (0, 0))}), [grown])[0]
    assert "counted" in cause_of(node("average_pool", 1, **POOL), [IMAGE], got)


def test_maximum_that_lets_padding_win() -> None:
    x = IMAGE - 5
    grown = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    got = meaning(node("max_pool", 1, **{**POOL, "padding": ((0, 0), (0, 0))}), [grown])[0]
    assert "zeros" in cause_of(node("max_pool", 1, **POOL), [x], got)


@pytest.mark.parametrize("op", ["batch_norm", "normalize"])
@pytest.mark.parametrize("epsilon", [2e-5, 0.0123])
def test_epsilon_of_batch_norm_from_the_list_or_solved_for(op: str, epsilon: float) -> None:
    arguments = [IMAGE, normal(3), normal(3), normal(3), np.abs(normal(3)) + 0.1]
    attributes = {"axis": 3, "epsilon": 1e-3, **({"momentum": 0.9} if op == "batch_norm" else {})}
    got = meaning(node(op, 5, **{**attributes, "epsilon": epsilon}), arguments)[0]
    assert f"epsilon is {epsilon:.3g}" in cause_of(node(op, 5, **attributes), arguments, got)


def test_batch_norm_by_the_unbiased_variance_or_moving_statistics() -> None:
    arguments = [IMAGE, normal(3), normal(3), normal(3), np.abs(normal(3)) + 0.1]
    right = node("batch_norm", 5, axis=3, epsilon=1e-3, momentum=0.9)
    plain = node("normalize", 5, axis=3, epsilon=1e-3)
    mean, variance = IMAGE.mean((0, 1, 2)), IMAGE.var((0, 1, 2), ddof=1)
    got = meaning(plain, [*arguments[:3], mean, variance])[0]
    assert "unbiased variance" in cause_of(right, arguments, got)
    assert "moving statistics in training" in cause_of(right, arguments, meaning(plain, arguments)[0])


@pytest.mark.parametrize(
    ("op", "attributes", "wrong", "words"),
    [
        ("gelu", {"approximate": False}, {"approximate": True}, "tanh approximation"),
        ("leaky_relu", {"negative_slope": 0.3}, {"negative_slope": 0.01}, "slope is 0.01"),
        ("softmax", {"axis": -1}, {"axis": 1}, "axis 1"),
    ],
)
def test_activations(op: str, attributes: dict[str, Any], wrong: dict[str, Any], words: str) -> None:
    x = normal(2, 5, 4)
    assert words in cause_of(node(op, 1, **attributes), [x], meaning(node(op, 1, **wrong), [x])[0])


def test_missing_activation() -> None:
    x = normal(3, 4)
    assert "missing" in cause_of(node("relu", 1), [x], x)


LSTM = {"activation": "tanh", "recurrent_activation": "sigmoid"}


def test_gates_in_the_order_of_another_framework() -> None:
    arguments = [normal(2, 5, 3), normal(3, 16), normal(4, 16), normal(16), None, None]
    move = lambda w: np.concatenate([np.split(w, 4, -1)[i] for i in (0, 3, 1, 2)], -1)
    wrong = [arguments[0], *map(move, arguments[1:4]), None, None]
    sentence = cause_of(node("lstm", 6, **LSTM), arguments, meaning(node("lstm", 6, **LSTM), wrong)[0])
    assert "order i, o, f, c" in sentence


def test_time_backwards() -> None:
    arguments = [normal(2, 5, 3), normal(3, 16), normal(4, 16), normal(16), None, None]
    got = meaning(node("lstm", 6, **LSTM, backwards=True), arguments)[0]
    assert "other direction" in cause_of(node("lstm", 6, **LSTM), arguments, got)


@pytest.mark.parametrize("after", [True, False])
def test_reset_gate(after: bool) -> None:
    bias = normal(2, 12) if after else normal(12)
    arguments = [normal(2, 5, 3), normal(3, 12), normal(4, 12), bias, None]
    other = [*arguments[:3], bias.sum(0) if after else np.stack([bias, 0 * bias]), None]
    got = meaning(node("gru", 5, **LSTM, reset_after=not after), other)[0]
    assert "reset gate" in cause_of(node("gru", 5, **LSTM, reset_after=after), arguments, got)


def test_a_sum_in_place_of_a_mean_over_the_batch() -> None:
    x = normal(8)
    assert "sum in place of a mean" in cause_of(node("mean", 1), [x], x.sum())


def test_numbers_that_nothing_explains_are_not_explained() -> None:
    right = node("conv", 3, **CONV)
    true = meaning(right, [IMAGE, KERNEL, BIAS])[0]
    sentence, explained = explain(
        Situation(right, [IMAGE, KERNEL, BIAS], true, true + 0.1 * normal(*true.shape)), 1e-8
    )
    assert not explained
    assert sentence


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda old, batch: 0.9 * old + 0.1 * batch * 16 / 15, "unbiased"),
        (lambda old, batch: 0.1 * old + 0.9 * batch, "part that is taken"),
        (lambda old, batch: old, "not updated"),
        (lambda old, batch: 0.99 * old + 0.01 * batch, "momentum is 0.99"),
        (lambda old, batch: 0.81 * old + 0.19 * batch, "twice"),
    ],
)
def test_moving_statistics(wrong: Any, words: str) -> None:
    old, batch = np.abs(normal(6)), np.abs(normal(6))
    n = node("batch_norm", 5, momentum=0.9, axis=1, epsilon=1e-3)
    sentence, explained = statistic_cause(n, old, 0.9 * old + 0.1 * batch, wrong(old, batch), count=16)
    assert explained
    assert words in sentence

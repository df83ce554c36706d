"""Recurrent layers: backwards, with a first state, with other activations, masked."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal


def columns(kernel: np.ndarray | None) -> int:
    assert kernel is not None  # every recurrent layer has one
    return int(kernel.shape[1])


def cases() -> list[OpCase]:
    def layer(
        op: str,
        gates: int,
        states: int,
        label: str,
        *,
        bias: Any = True,
        start: bool = False,
        **attributes: Any,
    ) -> OpCase:
        units = 3
        shape = (2, gates * units) if attributes.get("reset_after") else (gates * units,)
        inputs = (
            normal(2, 4, 5),
            normal(5, gates * units),
            normal(units, gates * units),
            normal(*shape) if bias else None,
            *(normal(2, units) if start else None for _ in range(states)),
        )
        return OpCase(op, inputs, attributes, label)

    def masked(case: OpCase) -> OpCase:
        """The same with a mask, and with what recurrent dropout multiplies the state by."""
        x, *weights = case.inputs
        there = np.array([[True, False, True, True], [False, True, True, False]])
        noise = np.abs(normal(2, columns(weights[1])))
        return OpCase(f"stepwise_{case.op}", (x, there, noise, *weights), case.attributes, case.label)

    usual: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    other: dict[str, Any] = {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}
    return [
        masked(layer("simple_rnn", 1, 1, "", activation="tanh", zero_output=True)),
        masked(layer("lstm", 4, 2, "", **usual)),
        masked(layer("gru", 3, 1, "", **usual, reset_after=True)),
        layer("simple_rnn", 1, 1, "", activation="tanh"),
        layer("simple_rnn", 1, 1, "backwards", activation="tanh", backwards=True, start=True, bias=False),
        layer("simple_rnn", 1, 1, "sigmoid", activation="sigmoid"),
        layer("lstm", 4, 2, "", **usual),
        layer("lstm", 4, 2, "backwards", **usual, backwards=True, start=True, bias=False),
        layer("lstm", 4, 2, "other", **other, start=True),
        layer("gru", 3, 1, "", **usual, reset_after=True),
        layer("gru", 3, 1, "backwards", **usual, reset_after=True, backwards=True, start=True, bias=False),
        layer("gru", 3, 1, "reset_before", **usual, reset_after=False),
        layer("gru", 3, 1, "other", **other, reset_after=True, start=True),
    ]

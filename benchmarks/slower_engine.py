"""PyTorch, slowed down by a given share: what ``aa.py`` plants. An engine of a third party, by entry point.

``CROSSTRAIN_PLANTED`` is the factor (1.05: every step of training takes 5 % longer, computing nothing).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from crosstrain.engines.contract import Description, Network, Setting
from crosstrain.engines.registry import EngineRow, engine_row
from crosstrain.graph.program import Program

NAME = "slower"
VARIABLE = "CROSSTRAIN_PLANTED"

ROW = EngineRow(NAME, __name__, ("torch",), "torch")


class SlowNetwork:
    """Another network, each of whose steps is followed by waiting in a loop."""

    def __init__(self, network: Network, factor: float) -> None:
        self._network, self._factor = network, factor
        self._ended: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def train(self, inputs: Mapping[str, Any], learning_rate: float) -> Any:
        # A step is what passes from the end of the one before to its own, the batch's gathering included.
        began = time.perf_counter() if self._ended is None else self._ended
        handle = self._network.train(inputs, learning_rate)
        now = time.perf_counter()
        until = now + (self._factor - 1) * (now - began)
        while time.perf_counter() < until:
            pass
        self._ended = time.perf_counter()
        return handle

    def wait(self) -> None:
        self._network.wait()
        self._ended = None  # an epoch is over; what comes until the next is no part of a step


class Slower:
    """The engine."""

    name = NAME

    def __init__(self) -> None:
        self._torch = engine_row("torch").load()

    def describe(self) -> Description:
        return self._torch.describe()

    def build(self, program: Program, weights: Mapping[str, Any], setting: Setting) -> Any:
        return SlowNetwork(self._torch.build(program, weights, setting), float(os.environ[VARIABLE]))


def __getattr__(name: str) -> Any:
    """``ENGINE`` only where it is asked for: the supervising process reads ``ROW`` and loads no framework."""
    if name == "ENGINE":
        return Slower()
    raise AttributeError(name)

"""Sides that are defined in this very process, so that many pairs are quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from crosstrain.difference.comparing import Comparison, Settings
from crosstrain.difference.findings import Difference
from crosstrain.difference.gradients import of_side
from crosstrain.difference.recipes import training
from crosstrain.difference.sides import Side
from crosstrain.engines.registry import engine_row
from crosstrain.graph import define as keras_define
from crosstrain.runs.defined import Definition
from tests.difference import defining

Compare = Callable[..., Difference]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """``compare(a, b, …)``: functions that return a Keras model or a module with its example."""

    def side(letter: str, build: Callable[[], Any], loss: str | None, optimizer: str | None) -> Side:
        how = training(loss, optimizer)
        losses = {name: each.to_json() for name, each in (how.losses or {}).items()} or None
        job = defining.job(build, tmp_path / letter, losses)
        monkeypatch.setattr(keras_define, "load_object", lambda place: build)
        data: Mapping[str, Any] = defining.run(job)
        return Side(letter, str(job["source"]), Definition(tmp_path / letter, data), how)

    def both(
        a: Callable[[], Any], b: Callable[[], Any], loss: tuple[str | None, str | None] = (None, None),
        optimizer: tuple[str | None, str | None] = (None, None), **settings: Any,
    ) -> Difference:  # fmt: skip
        sides = [side(k, x, o, p) for k, x, o, p in zip("AB", (a, b), loss, optimizer, strict=True)]
        return Comparison(sides[0], sides[1], Settings(**settings)).run(by_an_engine)

    return both


def by_an_engine(c: Comparison) -> tuple[dict[str, Any], dict[str, str]]:
    engine = engine_row("torch").load()
    arrays = {}
    for side, case in zip(c.sides, c.cases, strict=True):
        found = of_side(engine, case, side.training)
        arrays |= {f"{side.letter}/{key}": value for key, value in found.items()}
    return arrays, {}

"""Each built-in engine is pinned in three places, for three readers; they must say the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import crosstrain.engines
from crosstrain.engines.registry import BUILT_IN, EngineRow

ROOT = Path(__file__).parents[2]
PINS = Path(crosstrain.engines.__file__).parent / "requirements"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("row", BUILT_IN, ids=lambda row: row.name)
def test_pins_agree(row: EngineRow) -> None:
    pinned = (PINS / row.requirements).read_text().split()
    assert pinned == EXTRAS[row.name]
    assert set(pinned) <= set((ROOT / "constraints.txt").read_text().split())

"""Each built-in engine is pinned in up to three places, for three readers; they must say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from crosstrain.engines.registry import BUILT_IN, EngineRow
from crosstrain.environments.environments import pins_of

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONSTRAINTS = set((ROOT / "constraints.txt").read_text().split())
NOT_FROZEN = {"setuptools", "wheel"}
"""What ``pip freeze`` leaves out, so that constraints.txt has no pin of it."""


def names(pins: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}


@pytest.mark.parametrize("row", [row for row in BUILT_IN if row.requirements], ids=lambda row: row.name)
def test_everything_is_pinned_exactly(row: EngineRow) -> None:
    pins = pins_of(row)
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+( ?; .+)?", pin)] == []
    in_order = [pin.partition("==")[0].lower() for pin in pins]
    assert in_order == sorted(in_order)
    assert names([row.distribution, "numpy"]) <= names(pins)


@pytest.mark.parametrize("row", [row for row in BUILT_IN if row.name in EXTRAS], ids=lambda row: row.name)
def test_extras_are_the_same_versions(row: EngineRow) -> None:
    assert set(EXTRAS[row.name]) <= set(pins_of(row))


BESIDE = [row for row in BUILT_IN if row.name.removeprefix("keras-") in EXTRAS]


@pytest.mark.parametrize("row", BESIDE, ids=lambda row: row.name)
def test_what_the_project_itself_is_tried_with_is_pinned_alike(row: EngineRow) -> None:
    pins = {pin for pin in pins_of(row) if not names([pin]) & NOT_FROZEN}
    assert pins <= CONSTRAINTS
    backend = row.name.removeprefix("keras-")
    assert set(EXTRAS[backend]) <= pins

"""The examples in the docstrings of the classical networks do what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

from crosstrain import classic


@pytest.mark.parametrize("module", sorted(set(classic.MODULES.values())))
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"crosstrain.classic.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_names_are_there_before_their_modules() -> None:
    assert set(classic.__all__) <= set(dir(classic))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = classic.Nothing

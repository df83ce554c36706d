"""A cache of its own for every test, and a short way to prepare."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from crosstrain.data import Prepared, prepare


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "the-cache"


@pytest.fixture
def prepared(cache: Path) -> Callable[..., Prepared]:
    """``prepare`` with a cache that no other test sees."""
    return partial(prepare, cache=cache)

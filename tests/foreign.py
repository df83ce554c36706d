"""Environments of other frameworks, for the tests: in the user's real cache, so that each is made once.

``CROSSTRAIN_TEST_ENVIRONMENTS`` names another folder for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import Environment, find
from crosstrain.environments.installing import install
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.system.places import VARIABLE

CACHE = os.environ.get("CROSSTRAIN_TEST_ENVIRONMENTS") or os.environ.get(VARIABLE)
"""Read before the tests get a temporary one."""


@contextmanager
def users_cache() -> Iterator[None]:
    """Within, environments are looked for and made where users have theirs."""
    with pytest.MonkeyPatch.context() as patch:
        if CACHE:
            patch.setenv(VARIABLE, CACHE)
        else:
            patch.delenv(VARIABLE, raising=False)
        yield


@cache
def environment(name: str) -> Environment | str:
    """Where the engine ``name`` runs, made if need be; why not, where that fails."""
    row = engine_row(name)
    with users_cache():
        try:
            return find(row) or install(row).environment
        except (CrosstrainError, StorageError) as error:
            return str(error)


def needed(name: str) -> Environment:
    """The same, or the test is skipped with that reason."""
    found = environment(name)
    if isinstance(found, str):
        pytest.skip(f"no environment for {name}: {found}")
    return found

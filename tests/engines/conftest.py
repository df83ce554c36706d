"""The engines that the contract is tried on: those of the Python that runs the tests.

``test_foreign.py`` runs the same tests once more in the environment of every other engine; there,
``CROSSTRAIN_TEST_ENGINE`` names the one to try.
"""

from __future__ import annotations

import os

import pytest

from crosstrain.engines.contract import Engine
from crosstrain.engines.registry import engines

ONLY = os.environ.get("CROSSTRAIN_TEST_ENGINE")
HERE = [ONLY] if ONLY else [n for n, row in engines().items() if row.trains and row.native and row.importable]


@pytest.fixture(scope="session", params=HERE)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return engines()[request.param].load()

"""The engines that the contract is tried on: all that are installed, built-in or from an entry point."""

from __future__ import annotations

import pytest

from crosstrain.engines.contract import Engine
from crosstrain.engines.registry import engines


@pytest.fixture(scope="session", params=list(engines()))
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each installed engine in turn."""
    row = engines()[request.param]
    if not row.installed:
        pytest.skip(f"{row.name} is not installed; {row.how_to_install} installs it")
    return row.load()

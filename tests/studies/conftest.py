"""The driver's fixtures: pretended workers and provers, one real definition."""

from __future__ import annotations

from tests.comparison.conftest import defined, quick_definitions
from tests.comparison.fakes import prover, workers

__all__ = ["defined", "prover", "quick_definitions", "workers"]

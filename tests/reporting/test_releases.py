"""Releases of one framework beside each other."""

from __future__ import annotations

from crosstrain.reporting.answer.releases import releases
from crosstrain.reporting.answer.text import answer
from crosstrain.results.pairwise import pairwise
from crosstrain.results.schema import CellResult, ComparisonResult, Recommendation
from tests.comparison.fakes import cell


def result(*cells: CellResult) -> ComparisonResult:
    return ComparisonResult(
        crosstrain="1", folder="", cells=list(cells), ratios=pairwise(cells),
        recommendation=Recommendation(reason=""),
    )  # fmt: skip


def of(engine: str, version: str, second: float, **fields: str) -> list[CellResult]:
    return [
        cell(engine, [second, second * 1.01, second * 0.99], repeat=r, engine_version=version, **fields)
        for r in range(3)
    ]


def test_the_newer_stands_over_the_older_in_whatever_order() -> None:
    new, old = of("torch", "2.13.0", 1.2), of("torch@2.9", "2.9.1", 1.0)
    for cells in ((*new, *old), (*old, *new)):
        table = releases(result(*cells))
        assert table is not None
        ((network, size, framework, newer, older, time, verdict, work),) = table.rows
        assert (network, size, framework, newer, older) == ("net", "32", "torch", "2.13.0", "2.9.1")
        assert time.startswith("1.20 [1.1")
        assert (verdict, work) == ("slower", "proved")
        assert table in answer(result(*cells)).figures


def test_ties_and_certificates_that_changed() -> None:
    new = of("jax", "0.10.2", 1.0, certificate="departs")
    table = releases(result(*new, *of("jax@0.9", "0.9.2", 1.0)))
    assert table is not None
    assert table.rows[0][-2:] == ("a tie", "departs, before: proved")


def test_other_names_of_one_release_and_other_frameworks_are_no_releases() -> None:
    assert releases(result(*of("torch", "2.13.0", 1.0), *of("torch@cf", "2.13.0", 1.2))) is None
    assert releases(result(*of("torch", "2.13.0", 1.0), *of("jax", "0.10.2", 1.2))) is None

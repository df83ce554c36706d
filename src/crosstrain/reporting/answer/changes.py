"""What changed between comparisons, in the form of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from crosstrain.advice.changed import Changes, changes
from crosstrain.reporting.answer.text import Answer, Listing
from crosstrain.results.schema import ComparisonResult


def changes_since_the_first(results: Mapping[str, ComparisonResult]) -> dict[str, Changes]:
    """For each comparison but the first, what it has otherwise than that: under ``friday after monday``.

    Raises ``CrosstrainError`` where one is of another question than the first.
    """
    first = next(iter(results))
    return {
        f"{name} after {first}": changes(results[first], result, (first, name))
        for name, result in islice(results.items(), 1, None)
    }


def changes_answer(of: Changes) -> Answer:
    """Headline, then versions and machines that differ, then what changed and what could not be told. What is
    the same is counted in the headline."""
    listings = [
        Listing("What changed", tuple(f.text for f in of.of("changed"))),
        Listing("What could not be told", tuple(f.text for f in of.of("not told"))),
    ]
    return Answer(of.headline, of.facts, tuple(each for each in listings if each.lines), (), ())

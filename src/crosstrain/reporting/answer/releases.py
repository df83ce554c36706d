"""Releases of one framework beside each other: whether the newer is slower, and still does the same work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crosstrain.reporting.answer.figures import Figures
from crosstrain.results.rows import rows, size_text
from crosstrain.results.schema import ComparisonResult
from crosstrain.results.units import quotient

CERTIFICATES = {
    "proved": "proved", "departs": "departs", "cannot": "cannot be proved", "none": "not proved",
}  # fmt: skip


def releases(result: ComparisonResult) -> Figures | None:
    """A line for each pair of releases of a framework, the newer over the older; None without any."""
    table = {(row.network, size_text(row.input_size), row.engine): row for row in rows(result.cells)}
    versions = {row.engine: row.cells[0].engine_version or "" for row in table.values()}
    lines = []
    for pair in result.ratios:
        one, other = str(pair["engine"]), str(pair["other"])
        ratio = pair.get("ratio")
        if not ratio or _framework(one) != _framework(other) or versions[one] == versions[other]:
            continue
        newer, older = sorted((one, other), key=lambda name: _parts(versions[name]), reverse=True)
        value, low, high = _over(ratio, inverse=newer == other)
        place = str(pair["network"]), size_text(pair["input_size"])
        verdict = "a tie" if low <= 1 <= high else "slower" if low > 1 else "faster"
        proofs = dict.fromkeys(CERTIFICATES[table[*place, name].certificate] for name in (newer, older))
        lines.append(
            (*place, _framework(one), versions[newer], versions[older], quotient(value, low, high), verdict,
             ", before: ".join(proofs))
        )  # fmt: skip
    if not lines:
        return None
    return Figures(
        "Releases of one framework",
        ("network", "size", "framework", "newer", "older", "time [95 %]", "verdict", "the same work"),
        tuple(lines),
        frozenset({1, 5}),
        "Time: seconds an epoch of the newer over the older. A tie where the interval includes 1.",
    )


def _framework(entrant: str) -> str:
    return entrant.partition("@")[0]


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _over(ratio: Mapping[str, Any], *, inverse: bool) -> tuple[float, float, float]:
    value, low, high = (float(ratio[key]) for key in ("value", "low", "high"))
    return (1 / value, 1 / high, 1 / low) if inverse else (value, low, high)

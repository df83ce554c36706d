"""What changed between two comparisons of one question: another day, another machine, another version.

Every row of both is tested for its time (``statistics.ratios``) and its accuracy (``works``), and the
probabilities are adjusted together (Holm 1979): of two runs of the same, at most one report in a hundred
says that something changed. What is not told is not called unchanged: that takes an interval inside
``TOLERATED``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from crosstrain.advice.works import Work, Z
from crosstrain.errors import CrosstrainError
from crosstrain.results.pairwise import holm
from crosstrain.results.rows import Row, rows
from crosstrain.results.schema import ComparisonResult
from crosstrain.results.units import at_size, memory, seconds, share, times
from crosstrain.statistics import ratios as statistics

LEVEL = 0.01
"""Of a whole report, after Holm's adjustment: who compares every day hears no false alarm every month."""

BETWEEN_RUNS = 0.02
"""Times of two runs that differ by less are not told as a change: all processes of one run share the
machine's state (temperature, clock, neighbours), so that their spread does not show what runs differ by."""

TOLERATED = 0.10
"""A time is called unchanged where its interval excludes a change of this share."""

TOLERATED_POINTS = 0.02
"""The same for accuracies, as a difference of shares."""

MEMORY = 0.05
"""Peaks of memory that differ by less (relative) mean nothing."""

QUESTION = (
    "networks",
    "pairs",
    "sizes",
    "data",
    "prepare",
    "split",
    "limit",
    "precision",
    "recipe",
    "output",
)
"""Settings that say what is asked; the others say on what, with what and how often."""

Verdict = Literal["changed", "unchanged", "not told"]


@dataclass(frozen=True)
class Finding:
    """One quantity of one row in two comparisons, with its sentence; ``direction`` of a time that changed is
    ``slower`` or ``faster``."""

    quantity: Literal["time", "accuracy", "memory", "certificate", "row"]
    network: str
    input_size: Any
    engine: str
    verdict: Verdict
    text: str
    direction: str = ""


@dataclass(frozen=True)
class Changes:
    """All findings, and facts that may explain them: versions and machines that are not the same."""

    findings: tuple[Finding, ...]
    facts: tuple[str, ...]

    def of(self, verdict: Verdict) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == verdict]

    @property
    def headline(self) -> str:
        """``No change: …`` or how much changed."""
        changed, untold = len(self.of("changed")), len(self.of("not told"))
        rest = f"; {_findings(untold)} could not be told" if untold else ""
        if not changed:
            return f"No change beyond noise in {_findings(len(self.of('unchanged')))}{rest}."
        return f"Beyond noise, {_findings(changed)} changed{rest}."

    def to_json(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "findings": [asdict(f) for f in self.findings],
            "facts": list(self.facts),
        }  # fmt: skip


def changes(first: ComparisonResult, second: ComparisonResult, names: tuple[str, str]) -> Changes:
    """What ``second`` has otherwise than ``first``. Raises ``CrosstrainError`` where they are of different
    questions; ``names`` are what the sentence calls them."""
    same_question(first, second, names)
    return compared(first, second, names)


def compared(first: ComparisonResult, second: ComparisonResult, names: tuple[str, str]) -> Changes:
    """Likewise, of comparisons that are known to ask the same."""
    before, after = ({_key(row): row for row in rows(each.cells)} for each in (first, second))
    both = [(before[key], after[key]) for key in before if key in after]
    findings = [*_tested(both), *_memory(both), *_certificates(first, second, both)]
    findings += [_lost(row, names[1]) for key, row in before.items() if key not in after]
    findings += [_lost(row, names[0]) for key, row in after.items() if key not in before]
    return Changes(tuple(findings), tuple(_facts(first, second, both)))


def same_question(first: ComparisonResult, second: ComparisonResult, names: tuple[str, str]) -> None:
    """Raise ``CrosstrainError``, one sentence, where two comparisons do not ask the same."""
    for key in QUESTION:
        if key == "data" and first.data.get("hash") and second.data.get("hash"):
            # The same examples may lie elsewhere on another machine.
            was, now = str(first.data["hash"])[:12], str(second.data["hash"])[:12]
        elif key in first.settings and key in second.settings:
            was, now = first.settings[key], second.settings[key]
        else:
            continue
        if was != now:
            what, one, other = _difference(key, was, now)
            raise CrosstrainError(
                f"{names[0]} and {names[1]} are comparisons of different questions: {what} is {one} in the "
                f"one and {other} in the other"
            )


def _difference(name: str, was: Any, now: Any) -> tuple[str, str, str]:
    """The innermost setting that differs."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        key = next(k for k in (*was, *now) if was.get(k) != now.get(k))
        return _difference(f"{name}.{key}", was.get(key), now.get(key))
    return name, _short(was), _short(now)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


# -- what is tested ---------------------------------------------------------------------------------
Tested = tuple[float | None, Callable[[float | None], Finding]]
"""How probable so much difference is by chance (None where nothing says so), and what is found with the
adjusted probability."""


def _tested(both: Sequence[tuple[Row, Row]]) -> list[Finding]:
    tests = [test for pair in both for test in (_time(*pair), _accuracy(*pair)) if test]
    adjusted = holm([probability for probability, _ in tests])
    return [find(p) for (_, find), p in zip(tests, adjusted, strict=True)]


def _time(before: Row, after: Row) -> Tested | None:
    ratio = statistics.ratio(after.runs, before.runs)
    if ratio is None or before.seconds is None or after.seconds is None:
        return None
    was, now = seconds(before.seconds.value), seconds(after.seconds.value)

    def find(p: float | None) -> Finding:
        # Without a probability (fewer than three processes) the interval is wide enough to decide alone.
        chance = ratio.includes(1.0) if p is None else p > LEVEL
        if not chance and abs(math.log(ratio.value)) > math.log1p(BETWEEN_RUNS):
            word = "slower" if ratio.value > 1 else "faster"
            text = f"{word}: {times(ratio)} the time, {now} an epoch after {was}"
            return replace(_finding("time", after, "changed", text), direction=word)
        if ratio.low >= 1 - TOLERATED and ratio.high <= 1 + TOLERATED:
            return _finding("time", after, "unchanged", f"the same time: {times(ratio)}")
        return _finding("time", after, "not told", f"a change of time could not be told: {times(ratio)}")

    return statistics.probability(after.runs, before.runs), find


def _accuracy(before: Row, after: Row) -> Tested | None:
    change = Work((after,)).less(Work((before,)))
    if change is None:
        return None
    # The limits are Z standard errors away, on the side of 0.
    half = change.value - change.low if change.value > 0 else change.high - change.value
    p = 2 * NormalDist().cdf(-Z * abs(change.value) / half) if half else float(change.value == 0)

    def find(adjusted: float | None) -> Finding:
        name = after.title
        if adjusted is not None and adjusted <= LEVEL:
            limits = f"{share(after.score)} after {share(before.score)}"
            return _finding("accuracy", after, "changed", f"another {name}: {change.points}, {limits}")
        if change.low >= -TOLERATED_POINTS and change.high <= TOLERATED_POINTS:
            return _finding("accuracy", after, "unchanged", f"the same {name}: {change.points}")
        return _finding(
            "accuracy", after, "not told", f"a change of {name} could not be told: {change.points}"
        )

    return p, find


def _memory(both: Sequence[tuple[Row, Row]]) -> list[Finding]:
    findings = []
    for before, after in both:
        was, now = ([c.peak_memory_bytes for c in row.done if c.peak_memory_bytes] for row in (before, after))
        if not was or not now:
            continue
        apart = max(was) < min(now) or max(now) < min(was)
        text = f"{memory(max(now))} at the peak after {memory(max(was))}"
        if apart and abs(math.log(max(now) / max(was))) > math.log1p(MEMORY):
            word = "more" if max(now) > max(was) else "less"
            findings.append(_finding("memory", after, "changed", f"{word} memory: {text}"))
        else:
            findings.append(_finding("memory", after, "unchanged", f"the same memory: {text}"))
    return findings


# -- what is plain to see ---------------------------------------------------------------------------
def _certificates(
    first: ComparisonResult, second: ComparisonResult, both: Sequence[tuple[Row, Row]]
) -> list[Finding]:
    """The status of each row; where it departs, whether it still departs at the same place."""
    places = [
        {
            (c.network, str(c.input_size), c.engine): (c.first_departure or {}).get("node")
            for c in each.certificates
        }
        for each in (first, second)
    ]
    findings = []
    for before, after in both:
        was, now = before.certificate, after.certificate
        there, here = (place.get(_key(after)) for place in places)
        if was != now:
            text = f"another certificate: {WORDS[now]} after {WORDS[was]}"
            findings.append(_finding("certificate", after, "changed", text))
        elif now == "departs" and there != here:
            text = f"it departs at {here or 'another place'} after {there or 'another place'}"
            findings.append(_finding("certificate", after, "changed", text))
        elif now == "none":
            findings.append(_finding("certificate", after, "not told", "not proved in either"))
        else:
            findings.append(
                _finding("certificate", after, "unchanged", f"the same certificate: {WORDS[now]}")
            )
    return findings


WORDS = {
    "proved": "proved", "departs": "departs", "cannot": "cannot be proved", "none": "not proved",
}  # fmt: skip


def _lost(row: Row, missing: str) -> Finding:
    return _finding("row", row, "not told", f"not part of {missing}")


def _facts(first: ComparisonResult, second: ComparisonResult, both: Sequence[tuple[Row, Row]]) -> list[str]:
    """Versions and machines that are not the same, a sentence each."""
    versions = {
        after.engine: (before.cells[0].engine_version, after.cells[0].engine_version)
        for before, after in both
    }
    versions["crosstrain"] = first.crosstrain, second.crosstrain
    facts = [
        f"{name} {now or '?'} after {was or '?'}." for name, (was, now) in versions.items() if was != now
    ]
    for name in ("processor", "cores", "memory_bytes", "system", "python"):
        was, now = first.machine.get(name), second.machine.get(name)
        if was is not None and now is not None and was != now:
            if name == "memory_bytes":
                name, was, now = "memory", memory(was), memory(now)
            facts.append(f"Another machine: {name} is {now} after {was}.")
    for name in ("device", "threads"):
        was, now = first.settings.get(name), second.settings.get(name)
        if was != now:
            facts.append(f"Another setting: {name} is {now} after {was}.")
    return facts


def _finding(quantity: Any, row: Row, verdict: Verdict, text: str) -> Finding:
    name = f"{at_size(row.network, row.input_size)} on {row.engine}"
    return Finding(quantity, row.network, row.input_size, row.engine, verdict, f"{name}: {text}.")


def _key(row: Row) -> tuple[str, str, str]:
    return row.network, str(row.input_size), row.engine


def _findings(number: int) -> str:
    return f"{number} finding{'' if number == 1 else 's'}"

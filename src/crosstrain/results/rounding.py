"""What rounding alone does to a test result, from rounding twins, and which engines differ by more.

A twin is the same engine, seed and batches from weights moved by one unit in the last place. Within a seed,
the training itself and its twins are alike to a test: their spread, pooled over the seeds and engines of a
network, is the floor below which no difference between engines means anything. Two engines are compared
seed by seed, with that spread as the error of one training, by Student's t; the probabilities of all pairs
are adjusted (Holm 1979). That two are the same takes an interval inside ``SAME`` (Schuirmann 1987 calls this
equivalence); that they could not be told apart does not say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from crosstrain.results.pairwise import holm
from crosstrain.results.rows import Row, counted, rows
from crosstrain.results.schema import CellResult
from crosstrain.results.units import at_size
from crosstrain.statistics.location import CONFIDENCE, student_quantile, student_tail

SAME = 0.01
"""Engines are called the same where the interval of their difference lies within this share."""

Scores = dict[int, list[float]]
"""The test results of one row by seed: of the training itself, then of its twins."""


def rounding(cells: Sequence[CellResult], twins: Sequence[CellResult]) -> dict[str, Any]:
    """``rows`` (each with its ``spread``, the standard deviation of one training by rounding alone, and that
    over seeds), ``pairs`` of engines with their difference, and ``sentences``; {} without twins. Results are
    shares, 0 to 1."""
    groups: dict[tuple[str, str], list[tuple[Row, Scores]]] = {}
    for row in rows(cells):
        if scores := _scores(row, twins):
            groups.setdefault((row.network, str(row.input_size)), []).append((row, scores))
    if not groups:
        return {}
    found: dict[str, list[Any]] = {"rows": [], "pairs": [], "sentences": []}
    for group in groups.values():
        entries, pairs = [_entry(*each) for each in group], _pairs(group)
        found["rows"] += entries
        found["pairs"] += pairs
        found["sentences"] += _sentences(group, entries, pairs)
    return found


def _scores(row: Row, twins: Sequence[CellResult]) -> Scores:
    """Of each seed that has a twin; the first training of the seed stands for itself."""
    scores: Scores = {}
    for seed in dict.fromkeys(cell.seed for cell in row.done):
        first = next(c.score for c in row.done if c.seed == seed)
        moved = [
            c.score
            for c in twins
            if (c.network, c.input_size, c.engine, c.seed, c.status)
            == (row.network, row.input_size, row.engine, seed, "done")
            and c.score is not None
        ]
        if first is not None and moved:
            scores[seed] = [first, *moved]
    return scores


def _squares(scores: Scores) -> float:
    return math.fsum((s - fmean(each)) ** 2 for each in scores.values() for s in each)


def _freedom(scores: Scores) -> int:
    return sum(len(each) - 1 for each in scores.values())


def _entry(row: Row, scores: Scores) -> dict[str, Any]:
    means = [fmean(each) for each in scores.values()]
    return {
        "network": row.network, "input_size": row.input_size, "engine": row.engine, "title": row.title,
        "mean": fmean(means), "spread": math.sqrt(_squares(scores) / _freedom(scores)),
        "largest": max(max(each) - min(each) for each in scores.values()),
        "seed_spread": stdev(means) if len(means) > 1 else None,
        "twins": sum(len(each) - 1 for each in scores.values()),
        "scores": [[seed, each] for seed, each in scores.items()],
    }  # fmt: skip


def _pairs(group: Sequence[tuple[Row, Scores]]) -> list[dict[str, Any]]:
    """Each pair of engines on the seeds that both have."""
    spread, freedom = pooled([scores for _, scores in group])
    tests = []
    for (one, mine), (other, theirs) in combinations(group, 2):
        seeds = [seed for seed in mine if seed in theirs]
        if not seeds:
            continue
        apart = fmean(fmean(mine[seed]) - fmean(theirs[seed]) for seed in seeds)
        parts = math.fsum(1 / len(mine[seed]) + 1 / len(theirs[seed]) for seed in seeds)
        error = spread * math.sqrt(parts) / len(seeds)
        p = student_tail(apart / error, freedom) if error else float(apart == 0)
        half = student_quantile((1 + CONFIDENCE) / 2, freedom) * error
        tests.append((one, other, apart, half, p))
    adjusted = holm([p for *_, p in tests])
    return [
        {
            "network": one.network, "input_size": one.input_size, "engine": one.engine, "other": other.engine,
            "difference": {"value": apart, "low": apart - half, "high": apart + half},
            "p": p, "p_holm": p_holm, "verdict": _verdict(apart, half, p_holm),
        }
        for (one, other, apart, half, p), p_holm in zip(tests, adjusted, strict=True)
    ]  # fmt: skip


def pooled(scores: Sequence[Scores]) -> tuple[float, int]:
    """The standard deviation of one training within its seed, over several rows, and its degrees of
    freedom."""
    freedom = sum(map(_freedom, scores))
    return math.sqrt(math.fsum(map(_squares, scores)) / freedom), freedom


def _verdict(apart: float, half: float, p_holm: float | None) -> str:
    if p_holm is not None and p_holm <= 1 - CONFIDENCE:
        return "different"
    return "the same" if abs(apart) + half <= SAME else "not told"


def told_apart(found: Mapping[str, Any], row: Row, other: Row) -> bool | None:
    """Whether twins show that two rows differ by more than rounding explains; None where there are none of
    both."""
    for pair in found.get("pairs", ()):
        if (pair["network"], str(pair["input_size"])) == (row.network, str(row.input_size)) and {
            pair["engine"], pair["other"],
        } == {row.engine, other.engine}:  # fmt: skip
            return bool(pair["verdict"] == "different")
    return None


# -- in words ---------------------------------------------------------------------------------------
def _sentences(
    group: Sequence[tuple[Row, Scores]],
    entries: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
) -> list[str]:
    row = group[0][0]
    spread, _ = pooled([scores for _, scores in group])
    twins, seeds = sum(entry["twins"] for entry in entries), [e["seed_spread"] for e in entries]
    name = at_size(row.network, row.input_size)
    sentences = [
        f"{name}: rounding alone moves the test {row.title} by {points(spread)} "
        f"(standard deviation, {counted(twins, 'twin')})."
    ]
    known = [each for each in seeds if each is not None]
    if known:
        by_seed = math.sqrt(fmean(each**2 for each in known))
        sentences.append(f"{name}: another seed moves it by {points(by_seed)}.")
    for pair in pairs:
        if pair["verdict"] == "different":
            value = pair["difference"]["value"]
            more, less = (pair["engine"], pair["other"]) if value > 0 else (pair["other"], pair["engine"])
            sentences.append(
                f"{name}: {more} is {points(abs(value))} above {less}, more than rounding explains."
            )
    alike = [pair for pair in pairs if pair["verdict"] == "the same"]
    if alike and len(alike) == len(pairs):
        *others, last = [entry["engine"] for entry in entries]
        engines = f"{', '.join(others)} and {last}"
        sentences.append(f"{name}: {engines} are the same within {points(SAME)}.")
    elif untold := sum(pair["verdict"] == "not told" for pair in pairs):
        sentences.append(
            f"{name}: {untold} of {counted(len(pairs), 'pair')} of engines could not be told apart."
        )
    return sentences


def points(share: float) -> str:
    """A difference of shares: ``0.31 points``."""
    number = f"{100 * share:.2f}"
    return f"{number} point{'' if number == '1.00' else 's'}"

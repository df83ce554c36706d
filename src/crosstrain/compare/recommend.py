"""Which engine, network and input size to take, in a sentence that names its evidence.

Among rows that are proved to do the same work: first all whose accuracy is within noise of the best, of
these all whose time is not told apart from the fastest's; among those the one that needs least memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from crosstrain.compare import statistics
from crosstrain.compare.rows import Row, size_text
from crosstrain.compare.schema import Recommendation
from crosstrain.compare.statistics import Interval

LOSS_TIE = 0.05
"""Where there is no accuracy, test losses that differ by less than this share are called equal: one run
does not show their noise."""


def recommend(rows: Sequence[Row]) -> Recommendation:
    """The recommendation; its engine is None where no row allows one."""
    candidates = [row for row in rows if row.recommendable and row.seconds]
    if not candidates:
        return Recommendation(reason=_why_none(rows))
    good = _as_good_as_the_best(candidates)
    fastest = min(good, key=_seconds)
    level = [r for r in good if r is fastest or statistics.tied(r.runs, fastest.runs)]
    chosen = min(level, key=lambda r: (r.peak_memory_bytes or 0, _seconds(r)))
    parts = [_quality(chosen, candidates, good), _speed(chosen, good, level)]
    return Recommendation(
        engine=chosen.engine,
        network=chosen.network,
        input_size=chosen.input_size,
        reason=f"Take {_name(chosen, candidates, full=True)}: {'; '.join(p for p in parts if p)}.",
    )


def _seconds(row: Row) -> float:
    assert row.seconds is not None
    return row.seconds.value


def _as_good_as_the_best(candidates: Sequence[Row]) -> list[Row]:
    """The candidates whose accuracy (or, lacking that, test loss) cannot be told from the best."""
    measured = [(r, r.test_accuracy) for r in candidates if r.test_accuracy is not None]
    if measured:
        best = max(accuracy for _, accuracy in measured)
        return [r for r, a in measured if statistics.accuracies_tied(a, best, r.test_examples)]
    losses = [(r, r.test_loss) for r in candidates if r.test_loss is not None]
    if losses:
        least = min(loss for _, loss in losses)
        return [r for r, loss in losses if loss - least <= LOSS_TIE * abs(least)]
    return list(candidates)


def _quality(chosen: Row, candidates: Sequence[Row], good: Sequence[Row]) -> str:
    """What is known of how well it predicts, against the others."""
    accuracy = chosen.test_accuracy
    if accuracy is None:
        if chosen.test_loss is None:
            return "there is no test metric to compare"
        return f"its test loss of {chosen.test_loss:.4g} is the least or within {LOSS_TIE:.0%} of it"
    told = f"its test accuracy of {accuracy:.2%}"
    if len(candidates) == 1:
        return f"{told} is the only one that is proved and complete"
    best = max(r.test_accuracy or 0.0 for r in good)
    if len(good) == len(candidates):
        tied = f"all {len(candidates)} rows are within noise on {chosen.test_examples} test examples"
        return f"{told} decides nothing ({tied})" if accuracy != best else f"{told} is best, but {tied}"
    if accuracy == best:
        return f"{told} is the best" + (f", {_others(len(good) - 1)} within noise" if len(good) > 1 else "")
    return f"{told} is within noise of the best ({best:.2%}, {chosen.test_examples} test examples)"


def _speed(chosen: Row, good: Sequence[Row], level: Sequence[Row]) -> str:
    """What is known of how fast it trains, against those that predict as well."""
    told = f"{_seconds(chosen):.3g} s an epoch"
    others = sorted((r for r in good if r is not chosen), key=_seconds)
    if not others:
        return f"it trains at {told}"
    ties = [r for r in others if any(r is t for t in level)]
    slower = next((r for r in others if not any(r is t for t in level)), None)
    parts = [f"it trains at {told}"]
    if ties:
        names = " and ".join(_name(r, good) + _ratio_text(r, chosen) for r in ties)
        parts.append(f"in time a tie with {names}")
        if all(chosen.peak_memory_bytes and r.peak_memory_bytes for r in ties):
            parts.append("needing the least memory of these")
    if slower:
        ratio = statistics.ratio(slower.runs, chosen.runs)
        if ratio:
            parts.append(f"{ratio.value:.2g} times as fast as {_name(slower, good)} {_limits(ratio)}")
    if any(statistics.median(r.runs) and len(r.runs) < statistics.FEWEST for r in (chosen, *others)):
        parts.append(
            f"with fewer than {statistics.FEWEST} processes each, so that intervals allow for "
            f"{statistics.UNSEEN_NOISE:.0%} of noise unseen"
        )
    return ", ".join(parts)


def _ratio_text(row: Row, chosen: Row) -> str:
    ratio = statistics.ratio(row.runs, chosen.runs)
    return f" (ratio {ratio.value:.2f} {_limits(ratio)})" if ratio else ""


def _limits(interval: Interval) -> str:
    return f"[{interval.low:.2f}–{interval.high:.2f}]"


def _others(count: int) -> str:
    return "one other" if count == 1 else f"{count} others"


def _name(row: Row, among: Sequence[Row], full: bool = False) -> str:
    """The engine, with what else tells the row apart."""
    several_networks = len({r.network for r in among}) > 1
    several_sizes = len({str(r.input_size) for r in among}) > 1
    name = row.engine
    if several_networks or full:
        name += f" with {row.network}"
    if row.input_size is not None and (several_sizes or full):
        name += f" at {size_text(row.input_size)}"
    return name


def _why_none(rows: Sequence[Row]) -> str:
    if not any(row.done for row in rows):
        return "Nothing can be recommended: no cell was finished."
    if not any(row.certificate == "proved" for row in rows):
        return "Nothing can be recommended: no row is certified to do the same work as the definition."
    return "Nothing can be recommended: no certified row of the closed division is complete."

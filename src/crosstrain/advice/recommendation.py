"""Which engine, network and input size to take, in a paragraph that names its evidence and what would
change it.

Without stated weights: among what is within noise of the best accuracy, all rows whose time is not told
apart from the fastest's are level; of those the one that needs least memory is taken. With weights
(``--prefer``): see ``prefer``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from crosstrain.advice import front as fronts
from crosstrain.advice import preferences as prefer
from crosstrain.advice import requirements as require
from crosstrain.advice import worth
from crosstrain.advice.changes import examples, other_preferences, repeats, value
from crosstrain.advice.front import Candidate
from crosstrain.advice.works import Work, as_good_as_the_best
from crosstrain.advice.worth import Worth, limits
from crosstrain.engines.registry import engine_of
from crosstrain.results.rows import Row
from crosstrain.results.schema import Recommendation
from crosstrain.statistics import ratios as statistics

MOST_TIES = 3
"""Number of alternatives that are named."""


def recommend(
    rows: Sequence[Row],
    criteria: Sequence[Mapping[str, Any]] = (),
    preference: str = "",
    requirement: str = "",
) -> Recommendation:
    """The recommendation; its engine is None where no row allows one. ``criteria`` are those of the result,
    for the latency; ``preference`` is what ``--prefer`` says, ``requirement`` what ``--require`` does."""
    everything, required = fronts.candidates(rows, criteria), require.requirements(requirement)
    texts = [each.text for each in required]
    if not everything:
        return Recommendation(reason=_why_none(rows), required=texts)
    candidates = require.meeting(everything, required)
    if not candidates:
        return Recommendation(reason=require.why_none(everything, required), required=texts)
    weights = prefer.weights(preference)
    ranking = prefer.rank(candidates, weights) if weights else None
    if ranking is None:
        chosen, evidence, changes = _by_rule(candidates)
        if weights:
            unknown = [n for n in weights if all(fronts.CRITERIA[n].value(c) is None for c in candidates)]
            evidence.append(
                f"{' and '.join(unknown) or 'what was preferred'} was not measured and not weighed"
            )
    else:
        chosen, evidence, changes = _by_weights(ranking)
    evidence.append(require.evidence(chosen, everything, required))
    steps = worth.steps(fronts.works_of(candidates), chosen.row.engine)
    mine = [step.text for step in steps if _concerns(step, chosen.work)]
    take = f"Take {chosen.name(candidates, full=True)}: {'; '.join(p for p in [*evidence, *mine] if p)}."
    would = f" What would change it: {'; '.join(changes)}." if changes else ""
    return Recommendation(
        engine=chosen.row.engine,
        network=chosen.row.network,
        input_size=chosen.row.input_size,
        reason=take + would,
        sentences=[_sentence(_named(step, steps)) for step in steps],
        changes=[_sentence(change) for change in changes],
        weights=weights,
        required=texts,
        steps=[step.to_json() for step in steps],
    )


def pareto(rows: Sequence[Row], criteria: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The rows on the front with their values, as in ``ComparisonResult.front``."""
    return [each.to_json() for each in fronts.front(fronts.candidates(rows, criteria))]


# -- the rule without weights ---------------------------------------------------------------------
def _by_rule(candidates: Sequence[Candidate]) -> tuple[Candidate, list[str], list[str]]:
    """The choice, its evidence, and what would change it."""
    everything = fronts.works_of(candidates)
    good = as_good_as_the_best(everything)
    eligible = [c for c in candidates if any(c.work is work for work in good)]
    fastest = min(eligible, key=_seconds)
    level = [c for c in eligible if c is fastest or statistics.tied(c.row.runs, fastest.row.runs)]
    chosen = min(level, key=lambda c: (c.memory or 0, c.seconds))
    evidence = [_quality(chosen.work, everything), _speed(chosen, eligible, level), _caution(chosen.work)]
    changes = other_preferences(chosen, eligible, candidates)
    changes += [change for c in level if c is not chosen and (change := repeats(c, chosen, eligible))]
    if change := examples(chosen.work, everything):
        changes.append(change)
    return chosen, evidence, changes


def _seconds(candidate: Candidate) -> float:
    return candidate.seconds


def _quality(mine: Work, everything: Sequence[Work]) -> str:
    """The evidence on accuracy, relative to the other networks and sizes."""
    if mine.accuracy is None:
        if mine.loss is None:
            return "there is no test metric to compare"
        return f"its test loss is {mine.loss:.4g}" + (
            ", the least or close to it" if len(everything) > 1 else ""
        )
    text = f"its test {mine.title} is {mine.accuracy:.2%}"
    if (engines := len({engine_of(row.engine) for row in mine.rows})) > 1:
        text += f", the mean of {engines} engines that are proved to do the same work"
    if len(everything) == 1:
        return text
    good = as_good_as_the_best(everything)
    best = max(work.accuracy or 0.0 for work in everything)
    if mine.accuracy == best:
        others = [work.name for work in good if work.rows != mine.rows]
        return text + ", the best" + (f" (within noise of it: {', '.join(others)})" if others else "")
    if any(work.rows == mine.rows for work in good):
        return text + f", within noise of the best ({best:.2%}, {mine.examples} test examples)"
    return text + f", where the best is {best:.2%} ({mine.examples} test examples)"


def _speed(chosen: Candidate, eligible: Sequence[Candidate], level: Sequence[Candidate]) -> str:
    """The evidence on training time, relative to candidates that predict as well."""
    others = sorted((c for c in eligible if c is not chosen), key=_seconds)
    ties = [c for c in others if any(c is t for t in level)]
    slower = next((c for c in others if not any(c is t for t in level)), None)
    parts = [_epoch(chosen)]
    if ties:
        names = " and ".join(c.name(eligible) + _ratio_text(c, chosen) for c in ties)
        parts.append(f"in time a tie with {names}")
        if all(chosen.memory and c.memory for c in ties):
            parts.append("needing the least memory of these")
    ratio = slower and statistics.ratio(slower.row.runs, chosen.row.runs)
    if slower and ratio:
        parts.append(f"{ratio.value:.2g} times as fast as {slower.name(eligible)} {limits(ratio)}")
    if note := _few(chosen, others):
        parts.append(note)
    return ", ".join(parts)


def _epoch(chosen: Candidate) -> str:
    seconds = chosen.row.seconds
    assert seconds is not None
    between = f" [{seconds.low:.3g}–{seconds.high:.3g}]" if seconds.samples >= statistics.FEWEST else ""
    return f"it trains at {seconds.value:.3g} s an epoch{between}"


def _few(chosen: Candidate, others: Sequence[Candidate]) -> str:
    if not others or all(len(c.row.runs) >= statistics.FEWEST for c in (chosen, *others)):
        return ""
    return (
        f"with fewer than {statistics.FEWEST} processes each, so that intervals allow for "
        f"{statistics.UNSEEN_NOISE:.0%} of noise unseen"
    )


def _caution(mine: Work) -> str:
    """What has to be known of the accuracies: that training was not over, or why equal work came to unequal
    ones."""
    if not mine.accuracies:
        return ""
    if mine.unfinished and mine.falling:
        return (
            f"training was not over (its loss fell by {mine.falling:.0%} in the last epoch), so accuracies "
            "tell who learns first, not who ends best: more --epochs would"
        )
    low, high = min(mine.accuracies), max(mine.accuracies)
    if mine.steady:
        return ""
    kind = "accuracies range" if mine.title == "accuracy" else f"{mine.title} ranges"
    return (
        f"its {kind} from {low:.2%} to {high:.2%} although the work is the same, since training "
        "amplifies rounding: more epochs or --seeds make them steadier"
    )


# -- by weights -----------------------------------------------------------------------------------
def _by_weights(ranking: prefer.Ranking) -> tuple[Candidate, list[str], list[str]]:
    chosen, among = ranking.best, ranking.among
    evidence = [f"by the weights {prefer.described(ranking.weights)} it costs least"]
    if len(ranking.weights) == 1:
        evidence = [f"it is the best in {prefer.described(ranking.weights)}"]
    if "accuracy" not in ranking.weights:
        evidence[0] += f" of what is within noise of the best {chosen.work.title}"
    evidence += [_quality(chosen.work, fronts.works_of(among)), _epoch(chosen)]
    evidence += [
        f"it needs {value(name, chosen)}"
        for name in ("latency", "memory")
        if fronts.CRITERIA[name].value(chosen) is not None
    ]
    changes = []
    behind = [(c, ranking.behind(c)) for c in among[1:]]
    ties = [(c, ratio) for c, ratio in behind if ratio.tied]
    if ties:
        evidence.append(
            "no difference that this data can show from "
            + " and ".join(f"{c.name(among)} ({_cost(ratio)})" for c, ratio in ties[:MOST_TIES])
            + (f" and {len(ties) - MOST_TIES} more" if len(ties) > MOST_TIES else "")
        )
        if "time" in ranking.weights:
            changes += [change for c, _ in ties[:MOST_TIES] if (change := repeats(c, chosen, among))]
        unlike = list(dict.fromkeys(c.work.name for c, _ in ties if c.work is not chosen.work))
        if unlike and "accuracy" in ranking.weights:
            changes.append(
                f"more test examples than {chosen.work.examples}, or more seeds, could tell "
                f"{chosen.work.name} from {' and '.join(unlike)} in {chosen.work.title}"
            )
    clear = next(((c, ratio) for c, ratio in behind if not ratio.tied), None)
    if clear:
        evidence.append(f"{clear[0].name(among)} costs {_cost(clear[1])}")
    evidence += [_few(chosen, among[1:]) if "time" in ranking.weights else "", _caution(chosen.work)]
    for name, weight, other in ranking.turning_points():
        old = ranking.weights.get(name)
        how = (
            f"{name} {weight / old:.2g} times as important"
            if old
            else f"{name} counted too, at {weight:.2g} or more"
        )
        changes.append(f"with {how}, {other.name(among)}")
    return chosen, evidence, changes


def _cost(ratio: fronts.LogRatio) -> str:
    value, low, high = (math.exp(x) for x in (ratio.value, ratio.low, ratio.high))
    return f"{value:.2f} times as much [{low:.2f}–{high:.2f}]"


# -- words ----------------------------------------------------------------------------------------
def _concerns(step: Worth, mine: Work) -> bool:
    """Whether a step up is about what was chosen: its network's sizes, or its size's networks."""
    return any(work.rows == mine.rows for work in (step.smaller, step.larger))


def _named(step: Worth, steps: Sequence[Worth]) -> str:
    """The step's sentence, with its network where the steps cover several networks."""
    networks = {each.larger.network for each in steps if each.by == "input size"}
    return (
        f"{step.larger.network}: {step.text}" if step.by == "input size" and len(networks) > 1 else step.text
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _ratio_text(other: Candidate, chosen: Candidate) -> str:
    ratio = statistics.ratio(other.row.runs, chosen.row.runs)
    return f" (ratio {ratio.value:.2f} {limits(ratio)})" if ratio else ""


def _why_none(rows: Sequence[Row]) -> str:
    if not any(row.done for row in rows):
        return "Nothing can be recommended: no cell was finished."
    if not any(row.certificate == "proved" for row in rows):
        return "Nothing can be recommended: no row is certified to do the same work as the definition."
    return "Nothing can be recommended: no certified row of the closed division is complete."

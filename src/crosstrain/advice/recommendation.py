"""Which engine, network and input size to take: a headline, at most three sentences (why this network, why
this engine, how sure), what would change it, and what has to be known of its numbers.

Without stated weights: among what is within noise of the best accuracy, all rows whose time is not told
apart from the fastest's are level; of those the one that needs least memory is taken. With weights
(``--prefer``): see ``prefer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosstrain.advice import front as fronts
from crosstrain.advice import preferences as prefer
from crosstrain.advice import requirements as require
from crosstrain.advice import sentences, worth
from crosstrain.advice.caveats import Caveats, of_load
from crosstrain.advice.changes import all_repeats, examples, other_preferences
from crosstrain.advice.front import Candidate
from crosstrain.advice.works import Work, as_good_as_the_best
from crosstrain.advice.worth import Worth
from crosstrain.results.rows import Row
from crosstrain.results.schema import Recommendation
from crosstrain.results.units import joined
from crosstrain.statistics import ratios as statistics

NOTHING = "No recommendation can be given."


def recommend(
    rows: Sequence[Row],
    criteria: Sequence[Mapping[str, Any]] = (),
    preference: str = "",
    requirement: str = "",
    cores: int | None = None,
) -> Recommendation:
    """The recommendation; its engine is None where no row allows one. ``criteria`` are those of the result,
    for the latency; ``preference`` is what ``--prefer`` says, ``requirement`` what ``--require`` does;
    ``cores`` are those that the machine could use, for what other processes took of them."""
    everything, required = fronts.candidates(rows, criteria), require.requirements(requirement)
    texts = [each.text for each in required]
    if not everything:
        return _none([_why_none(rows)], texts)
    candidates = require.meeting(everything, required)
    if not candidates:
        return _none(sentences.unmet(everything, required), texts)
    weights = prefer.weights(preference)
    ranking = prefer.rank(candidates, weights) if weights else None
    busy = of_load(candidates, cores)
    caveats, able = Caveats(), sentences.ABLE_AS_REQUIRED if required else sentences.ABLE
    if ranking is None:
        unweighed = sentences.not_weighed(weights, candidates) if weights else ""
        chosen, eligible, level = _by_rule(candidates)
        headline = sentences.headline(chosen, eligible, caveats, busy, unweighed)
        works = fronts.works_of(candidates)
        why = [
            sentences.network(chosen.work, works, caveats, able),
            sentences.engine(chosen, eligible, level, caveats, able),
        ]
        changes = _changes(chosen, eligible, level, candidates)
    else:
        chosen = ranking.best
        headline = sentences.headline(chosen, ranking.among, caveats, busy)
        why = [sentences.preferred(ranking, caveats), sentences.rival(ranking, caveats)]
        changes = _changes_by_weights(ranking)
    why.append(sentences.certainty(chosen))
    if required:
        why.append(sentences.met(chosen, everything, required))
    steps = worth.steps(fronts.works_of(candidates), chosen.row.engine)
    # What concerns the choice comes first: that is what is asked first.
    steps.sort(key=lambda step: not _concerns(step, chosen.work))
    return Recommendation(
        engine=chosen.row.engine,
        network=chosen.row.network,
        input_size=chosen.row.input_size,
        headline=headline,
        why=why,
        caveats=caveats.lines(),
        reason=" ".join([headline, *why, *caveats.lines()]),
        sentences=[sentences.sentence(_named(step, steps)) for step in steps],
        changes=[sentences.sentence(change) for change in changes],
        weights=weights,
        required=texts,
        steps=[{**step.to_json(), "concerns": _concerns(step, chosen.work)} for step in steps],
    )


def pareto(rows: Sequence[Row], criteria: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The rows on the front with their values, as in ``ComparisonResult.front``."""
    return [each.to_json() for each in fronts.front(fronts.candidates(rows, criteria))]


# -- the rule without weights ---------------------------------------------------------------------
def _by_rule(candidates: Sequence[Candidate]) -> tuple[Candidate, list[Candidate], list[Candidate]]:
    """The choice, what predicts as well, and what of that no time tells apart."""
    good = as_good_as_the_best(fronts.works_of(candidates))
    eligible = [c for c in candidates if any(c.work is work for work in good)]
    fastest = min(eligible, key=lambda c: c.seconds)
    level = [c for c in eligible if c is fastest or statistics.tied(c.row.runs, fastest.row.runs)]
    chosen = min(level, key=lambda c: (c.memory or 0, c.seconds))
    return chosen, eligible, level


def _changes(
    chosen: Candidate,
    eligible: Sequence[Candidate],
    level: Sequence[Candidate],
    candidates: Sequence[Candidate],
) -> list[str]:
    ties = [c for c in level if c is not chosen]
    changes = other_preferences(chosen, eligible, candidates)
    changes += all_repeats(ties, chosen, eligible)
    more = examples(chosen.work, fronts.works_of(candidates))
    return [*changes, more] if more else changes


# -- by weights -----------------------------------------------------------------------------------
def _changes_by_weights(ranking: prefer.Ranking) -> list[str]:
    chosen, among = ranking.best, ranking.among
    ties = [c for c in among[1:] if ranking.behind(c).tied]
    changes = []
    if "time" in ranking.weights:
        changes += all_repeats(ties, chosen, among)
    unlike = list(dict.fromkeys(c.work.name for c in ties if c.work is not chosen.work))
    if unlike and "accuracy" in ranking.weights:
        changes.append(
            f"more test examples than {chosen.work.examples:,}, or more --seeds, could tell "
            f"{chosen.work.name} from {joined(unlike)} in {chosen.work.title}"
        )
    points = ranking.turning_points()
    for name, weight, other in points:
        old = ranking.weights.get(name)
        how = f"{name} {weight / old:.2g} times as important" if old else f"weight {weight:.2g} for {name}"
        changes.append(f"with {how}: {other.name(among)}")
    turning = {name for name, _, _ in points}
    same = [name for name in ranking.weights if name not in turning]
    # More weight on the only criterion is no other wish.
    if same and len(among) > 1 and len(ranking.weights) > 1:
        names = " or ".join(same)
        changes.append(f"not {names} up to {prefer.MOST:g} times as important: it would be the same choice")
    return changes


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


def _none(why: list[str], required: list[str]) -> Recommendation:
    return Recommendation(headline=NOTHING, why=why, reason=" ".join([NOTHING, *why]), required=required)


def _why_none(rows: Sequence[Row]) -> str:
    if not any(row.done for row in rows):
        return "No cell was finished."
    if not any(row.certificate == "proved" for row in rows):
        return "No row is certified to do the same work as the definition."
    return "No certified row of the closed division is complete."

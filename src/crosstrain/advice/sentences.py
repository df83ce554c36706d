"""The sentences of a recommendation: at most 25 words each, and no number without its unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from crosstrain.advice import front as fronts
from crosstrain.advice.caveats import Caveats, of_accuracy, of_time
from crosstrain.advice.changes import value
from crosstrain.advice.front import Candidate, LogRatio
from crosstrain.advice.preferences import Ranking
from crosstrain.advice.requirements import Requirement
from crosstrain.advice.works import Work, as_good_as_the_best
from crosstrain.engines.registry import engine_of
from crosstrain.results.rows import counted
from crosstrain.results.units import joined, quotient, seconds, share, times
from crosstrain.statistics import ratios as statistics
from crosstrain.training.spelling import listed

ABLE = "proved and complete"
"""What may be taken."""
ABLE_AS_REQUIRED = "proved, complete and as required"
"""What may be taken where something is required."""
MOST_NAMES = 2
"""Rows that are named before they are only counted."""


def headline(chosen: Candidate, among: Sequence[Candidate], caveats: Caveats, *further: str) -> str:
    """What to take, with the row's own numbers: ``Take torch with net at 32 pixels: 1.02 s an epoch, test
    accuracy 95.00 %.`` ``further`` are caveats of the time."""
    time = f"{seconds(chosen.seconds)}{caveats.mark(of_time(among), *further)} an epoch"
    row = chosen.row
    quality = ""
    if row.score is not None:
        quality = f", test {row.title} {share(row.score)}{caveats.mark(of_accuracy(chosen.work))}"
    elif row.test_loss is not None:
        quality = f", test loss {row.test_loss:.4g}"
    return f"Take {chosen.name(full=True)}: {time}{quality}."


# -- why this network -------------------------------------------------------------------------------
def network(mine: Work, everything: Sequence[Work], caveats: Caveats, able: str = ABLE) -> str:
    """How well it predicts beside the other networks and sizes that are ``able`` to be taken: by the accuracy
    pooled over engines."""
    alone = len(everything) == 1
    if mine.accuracy is None:
        if mine.loss is None:
            return "No test metric was measured to compare networks by."
        return sentence(
            f"{_pooled(mine)}its test loss is {mine.loss:.4g}"
            + ("" if alone else ", the least or close to it")
        )
    if alone and not _done_by(mine):
        return f"There is no other network or size, {able}, to compare it with."
    front = f"{_pooled(mine)}its test {mine.title} is {share(mine.accuracy)}{caveats.mark(of_accuracy(mine))}"
    if alone:
        return sentence(front)
    good = as_good_as_the_best(everything)
    best = max(everything, key=lambda work: work.accuracy or 0.0)
    if mine.accuracy == best.accuracy:
        level = [work.name for work in good if work is not mine]
        return sentence(f"{front}, the best" + (f"; within noise of it: {joined(level)}" if level else ""))
    place = "within noise of the best" if any(work is mine for work in good) else "not the best"
    return sentence(f"{front}, {place}: {share(best.accuracy)} with {best.name}")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def _done_by(work: Work) -> str:
    """``3 engines``; ``4 rows`` where an engine took part under several names; "" for a single row."""
    if len(work.rows) == 1:
        return ""
    distinct = len({engine_of(row.engine) for row in work.rows}) == len(work.rows)
    return f"{len(work.rows)} {'engines' if distinct else 'rows'}"


def _pooled(work: Work) -> str:
    """Names a mean over rows as what it is."""
    return f"pooled over {several}, " if (several := _done_by(work)) else ""


# -- why this engine --------------------------------------------------------------------------------
def engine(
    chosen: Candidate,
    eligible: Sequence[Candidate],
    level: Sequence[Candidate],
    caveats: Caveats,
    able: str = ABLE,
) -> str:
    """Its training time beside that of what predicts as well; ``level`` is what no time tells apart."""
    others = sorted((c for c in eligible if c is not chosen), key=lambda c: c.seconds)
    if not others:
        return f"No other engine, {able}, predicts as well."
    mark = caveats.mark(of_time(eligible))
    ties = [c for c in others if any(c is each for each in level)]
    if ties:
        names = [f"{c.name(eligible)}{_beside(c, chosen, mark)}" for c in ties]
        memory = ""
        if all(c.memory for c in (chosen, *ties)):
            least = min(c.memory or 0 for c in ties) > (chosen.memory or 0)
            memory = f", and needs {'the least' if least else 'no more'} memory: {value('memory', chosen)}"
        return f"It ties in time with {joined(names)}{memory}."
    ratio = statistics.ratio(others[0].row.runs, chosen.row.runs)
    who = others[0].name(eligible)
    if ratio is None:
        return f"It takes less time than {who}, the next that predicts as well."
    return f"It is {times(ratio)}{mark} as fast as {who}, the next that predicts as well."


def _beside(other: Candidate, chosen: Candidate, mark: str) -> str:
    ratio = statistics.ratio(other.row.runs, chosen.row.runs)
    return f" ({times(ratio)}{mark})" if ratio else ""


# -- how sure ---------------------------------------------------------------------------------------
def certainty(chosen: Candidate) -> str:
    """What the choice rests on: proofs, processes, test examples."""
    several = _done_by(chosen.work)
    proof = (
        f"{_all(several)} are proved to do the same work"
        if several
        else "It is proved to do the defined work"
    )
    rests = f"its time rests on {_processes(len(chosen.row.runs))}"
    if chosen.work.accuracy is not None and chosen.work.examples:
        rests += f", its {chosen.work.title} on {chosen.work.examples:,} test examples"
    return f"{proof}; {rests}."


def _all(several: str) -> str:
    return f"Both {several[2:]}" if several.startswith("2 ") else f"All {several}"


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


# -- what is required -------------------------------------------------------------------------------
def met(chosen: Candidate, everything: Sequence[Candidate], required: Sequence[Requirement]) -> str:
    """That the choice meets what ``--require`` says, and what is left out for it: by name where that is one
    row or two for one requirement, or else by number."""
    values = [f"{each.text} ({each.measurement(chosen)})" for each in required]
    excluded = [c for c in everything if not all(each.met(c) for each in required)]
    front = f"It meets {listed(values)}"
    if not excluded:
        return f"{front}, as {'all rows do' if len(everything) > 1 else 'the only row'}."
    names = [c.name(everything) for c in excluded]
    who = listed(names) if len(required) == 1 and len(names) <= MOST_NAMES else counted(len(names), "row")
    return f"{front}; {who} {'does' if len(names) == 1 else 'do'} not."


def unmet(candidates: Sequence[Candidate], required: Sequence[Requirement]) -> list[str]:
    """Why no row meets what ``--require`` says: for each requirement that none meets, what comes closest."""
    lacking = [each for each in required if not any(each.met(c) for c in candidates)]
    if not lacking:
        return [f"No row meets {listed([each.text for each in required])} at once."]
    return [_closest(each, candidates) for each in lacking]


def _closest(required: Requirement, candidates: Sequence[Candidate]) -> str:
    measured = [c for c in candidates if required.value(c) is not None]
    if not measured:
        return f"No row meets {required.text}: no {required.name} was measured."
    nearest = sorted(measured, key=required.measured, reverse=required.sign == "<=")[-1]
    return (
        f"No row meets {required.text}: {nearest.name(full=True)} comes closest, "
        f"{required.measurement(nearest)}."
    )


# -- by weights -------------------------------------------------------------------------------------
def preferred(ranking: Ranking, caveats: Caveats) -> str:
    """By what it was chosen, and the accuracy pooled over engines."""
    chosen, work = ranking.best, ranking.best.work
    own = ""
    if work.accuracy is not None:
        number = f"{share(work.accuracy)}{caveats.mark(of_accuracy(work))}"
        own = f"{_pooled(work)}its {work.title} is {number}"
    if len(ranking.weights) > 1:
        front = "By the weights of --prefer it costs least"
        return f"{front}; {own}." if own else f"{front}."
    name = next(iter(ranking.weights))
    if name == "accuracy":
        return f"It is the best in accuracy; {own}." if own else "It is the best in test loss."
    front = f"Best in {name}, {value(name, chosen)}, of what is within noise of the best {work.title}"
    return f"{front}; {own}." if own else f"{front}."


def rival(ranking: Ranking, caveats: Caveats) -> str:
    """What comes next by the weights, and how far behind."""
    mark = caveats.mark(of_time(ranking.among)) if "time" in ranking.weights else ""
    behind = [(c, ranking.behind(c)) for c in ranking.among[1:]]
    ties = [f"{c.name(ranking.among)} ({_cost(ratio)}{mark} the cost)" for c, ratio in behind if ratio.tied]
    if ties:
        return f"No difference that this data can show from {joined(ties)}."
    if not behind:
        return "There is nothing else to choose from."
    other, ratio = behind[0]
    return f"The next, {other.name(ranking.among)}, costs {_cost(ratio)}{mark} as much."


def not_weighed(weights: Mapping[str, float], candidates: Sequence[Candidate]) -> str:
    """Why weights did not decide."""
    unknown = [name for name in weights if all(fronts.CRITERIA[name].value(c) is None for c in candidates)]
    what = " and ".join(unknown) or "what --prefer names"
    return f"{what[0].upper()}{what[1:]} was not measured and not weighed: time decided."


def _cost(ratio: LogRatio) -> str:
    return quotient(math.exp(ratio.value), math.exp(ratio.low), math.exp(ratio.high))

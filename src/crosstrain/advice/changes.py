"""What would change a recommendation: other wishes, more repeats, more test examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crosstrain.advice import front as fronts
from crosstrain.advice.front import Candidate
from crosstrain.advice.works import Work
from crosstrain.results.rows import counted
from crosstrain.results.units import memory, seconds, times
from crosstrain.statistics import ratios as statistics

MOST_REPEATS = 50
"""More processes than this are not worth proposing."""

MOST_TIES = 3
"""Number of ties whose repeats are counted."""

SAME = "not more repeats"

SLIGHT = 0.01
"""A difference in time below this share is not worth finding."""


def other_preferences(
    chosen: Candidate, eligible: Sequence[Candidate], candidates: Sequence[Candidate]
) -> list[str]:
    """For each criterion, what would be taken if it alone counted, where that is better beyond the noise: of
    what predicts as well, or else of all."""
    others, same = [], []
    for name in ("time", "latency", "memory"):
        if fronts.CRITERIA[name].value(chosen) is None:
            continue
        other = _preference(name, chosen, eligible) or _preference(name, chosen, candidates)
        if other:
            others.append(other)
        else:
            same.append(name)
    if same and len(candidates) > 1:
        others.append(f"not a preference for {' or '.join(same)}: it would be the same choice")
    return others


def _preference(name: str, chosen: Candidate, among: Sequence[Candidate]) -> str:
    criterion = fronts.CRITERIA[name]
    measured = [c for c in among if criterion.value(c) is not None]
    least = min(measured, key=lambda c: criterion.value(c) or math.inf)
    ratio = criterion.compare(least, chosen)
    if ratio is None or ratio.tied:
        return ""
    worse = [price for other in fronts.CRITERIA if other != name and (price := _price(other, least, chosen))]
    who = least.name([least, chosen])
    sentence = f"if {name} counted most: {who}, {value(name, least)} instead of {value(name, chosen)}"
    if len(worse) == 1:
        return f"{sentence}, for {worse[0]}"
    return f"{sentence}. The price: {', '.join(worse)}" if worse else sentence


def value(name: str, candidate: Candidate) -> str:
    """A value with its unit."""
    if name == "memory":
        return memory(candidate.memory)
    if name == "latency":
        return f"{seconds(candidate.latency)} an answer"
    return f"{seconds(candidate.seconds)} an epoch"


def _price(name: str, other: Candidate, chosen: Candidate) -> str:
    """The extra cost of another row in a criterion, where it exceeds the noise."""
    if name == "accuracy":
        change = other.work.less(chosen.work)
        return f"{change.points} of {other.work.title}" if change and change.high < 0 else ""
    ratio = fronts.CRITERIA[name].compare(other, chosen)
    return f"{math.exp(ratio.value):.2g} times the {name}" if ratio and ratio.low > 0 else ""


def repeats(other: Candidate, chosen: Candidate, among: Sequence[Candidate]) -> str:
    """How many repeats would tell two rows apart whose times are a tie: an interval narrows with the root of
    the number of processes."""
    ratio = statistics.ratio(other.row.runs, chosen.row.runs)
    if ratio is None or ratio.low <= 0 or not ratio.includes(1.0):
        return ""
    one, another = chosen.name(among), other.name(among)
    gap = abs(math.log(ratio.value))
    if gap < SLIGHT:
        return f"{SAME}: {one} and {another} differ in time by less than {100 * SLIGHT:.0f} %"
    processes = min(len(other.row.runs), len(chosen.row.runs))
    half = (math.log(ratio.high) - math.log(ratio.low)) / 2
    if ratio.method == "widened":
        # What is added for too few processes goes once there are enough.
        half -= math.log1p(statistics.UNSEEN_NOISE)
    needed = max(math.ceil(processes * (half / gap) ** 2), statistics.FEWEST, processes + 1)
    if needed - processes > MOST_REPEATS:
        return f"more than {MOST_REPEATS} further repeats might tell {one} from {another} in time"
    more = counted(needed - processes, "more repeat")
    least = "at least " if processes < statistics.FEWEST else "about "
    return f"{least}{more} would tell {one} from {another} in time, at {times(ratio)}"


def all_repeats(ties: Sequence[Candidate], chosen: Candidate, among: Sequence[Candidate]) -> list[str]:
    """What repeats would tell of each of ``ties``; of those that they would not, the first stands for all."""
    changes: list[str] = []
    for other in sorted(ties, key=lambda c: c.seconds):
        change = repeats(other, chosen, among)
        known = change.startswith(SAME) and any(each.startswith(SAME) for each in changes)
        if change and not known and len(changes) < MOST_TIES:
            changes.append(change)
    return changes


def examples(mine: Work, everything: Sequence[Work]) -> str:
    """What could separate networks and sizes whose accuracies are within noise of each other."""
    others = [
        (other, change) for other in everything if (change := other.less(mine)) and other.rows != mine.rows
    ]
    better = [(other, change) for other, change in others if change.value > 0 >= change.low]
    if not better:
        return ""
    other, change = max(better, key=lambda pair: pair[1].value)
    return (
        f"more test examples than {mine.examples:,}, or more --seeds, could show {other.name} "
        f"to predict better (by {change.points})"
    )

"""What would change a recommendation: other wishes, more repeats, more test examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crosstrain.advice import front as fronts
from crosstrain.advice.front import Candidate
from crosstrain.advice.works import Work
from crosstrain.advice.worth import limits
from crosstrain.results.rows import counted
from crosstrain.statistics import ratios as statistics

MOST_REPEATS = 50
"""More processes than this are not worth proposing."""

SLIGHT = 0.01
"""A difference in time below this share is not worth finding."""


def other_preferences(
    chosen: Candidate, eligible: Sequence[Candidate], candidates: Sequence[Candidate]
) -> list[str]:
    """For each criterion, what would be taken if it alone counted, where that is better beyond the noise: of
    what predicts as well, or else of all."""
    names = ("time", "latency", "memory")
    preferences = (
        _preference(name, chosen, eligible) or _preference(name, chosen, candidates) for name in names
    )
    return [preference for preference in preferences if preference]


def _preference(name: str, chosen: Candidate, among: Sequence[Candidate]) -> str:
    criterion = fronts.CRITERIA[name]
    measured = [c for c in among if criterion.value(c) is not None]
    if criterion.value(chosen) is None:
        return ""
    least = min(measured, key=lambda c: criterion.value(c) or math.inf)
    ratio = criterion.compare(least, chosen)
    if ratio is None or ratio.tied:
        return ""
    worse = [price for other in fronts.CRITERIA if other != name and (price := _price(other, least, chosen))]
    difference = f"{value(name, least)} instead of {value(name, chosen)}"
    return f"if {name} counted most, {least.name([least, chosen])} ({', '.join([difference, *worse])})"


def value(name: str, candidate: Candidate) -> str:
    """A value with its unit."""
    if name == "memory":
        return f"{(candidate.memory or 0) / 2**20:.0f} MiB"
    if name == "latency":
        return f"{1000 * (candidate.latency or 0):.3g} ms for one example"
    return f"{candidate.seconds:.3g} s an epoch"


def _price(name: str, other: Candidate, chosen: Candidate) -> str:
    """The extra cost of another row in a criterion, where it exceeds the noise."""
    if name == "accuracy":
        change = other.work.less(chosen.work)
        return f"at {change.points} of {other.work.title}" if change and change.high < 0 else ""
    ratio = fronts.CRITERIA[name].compare(other, chosen)
    return f"at {math.exp(ratio.value):.2g} times the {name}" if ratio and ratio.low > 0 else ""


def repeats(other: Candidate, chosen: Candidate, among: Sequence[Candidate]) -> str:
    """How many repeats would tell two rows apart whose times are a tie: an interval narrows with the root of
    the number of processes."""
    ratio = statistics.ratio(other.row.runs, chosen.row.runs)
    if ratio is None or ratio.low <= 0 or not ratio.includes(1.0):
        return ""
    names = f"{chosen.name(among)} from {other.name(among)} in time"
    gap = abs(math.log(ratio.value))
    if gap < SLIGHT:
        return f"no difference that this data can show tells {names}; if there is one, it is about {gap:.1%}"
    processes = min(len(other.row.runs), len(chosen.row.runs))
    half = (math.log(ratio.high) - math.log(ratio.low)) / 2
    if ratio.method == "widened":
        # What is added for too few processes goes once there are enough.
        half -= math.log1p(statistics.UNSEEN_NOISE)
    needed = max(math.ceil(processes * (half / gap) ** 2), statistics.FEWEST, processes + 1)
    if needed - processes > MOST_REPEATS:
        return f"more than {MOST_REPEATS} further repeats might tell {names}"
    more = counted(needed - processes, "more repeat")
    least = "at least " if processes < statistics.FEWEST else "about "
    return f"{least}{more} would tell {names}, if the ratio stays {ratio.value:.2f} (now {limits(ratio)})"


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
        f"{other.name} may predict better ({change.points}), which more test examples than "
        f"{mine.examples}, or more seeds, could show"
    )

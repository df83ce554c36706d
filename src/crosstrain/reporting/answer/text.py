"""The answer of a comparison: one text for terminal, page, notebook, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.reporting.answer.figures import Figures
from crosstrain.reporting.answer.releases import releases
from crosstrain.results.rows import size_text
from crosstrain.results.schema import ComparisonResult
from crosstrain.results.units import pixels, share

RUNNING = "The comparison is running; there is no recommendation yet."

VERDICTS = {
    "gain": "better", "enough": "the smaller is enough", "too early": "too early to tell",
    "none shown": "no gain shown",
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """Lines under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """``headline``, then at most three sentences (``why``), then ``listings``, then the ``caveats``, whose
    marks stand at the numbers above; ``figures`` are what goes behind the results."""

    headline: str
    why: tuple[str, ...]
    listings: tuple[Listing, ...]
    caveats: tuple[str, ...]
    figures: tuple[Figures, ...]


def answer(result: ComparisonResult, *, live: bool = False) -> Answer:
    """The answer that a result holds; of a ``live`` one without a recommendation, that it is running."""
    advice = result.recommendation
    figures = tuple(
        filter(None, (larger(result), releases(result), growth(result.growth), rounding(result.rounding)))
    )
    if live and advice.engine is None:
        return Answer(RUNNING, (), (), (), figures)
    # Results of versions that had no headline keep their paragraph.
    headline, why = (advice.headline, tuple(advice.why)) if advice.headline else (advice.reason, ())
    concerned = zip(advice.sentences, advice.steps, strict=False)
    mine = tuple(sentence for sentence, step in concerned if step.get("concerns"))
    listings = (
        Listing("What would change it", tuple(advice.changes)),
        Listing("Is a larger one worth it?", mine),
    )
    return Answer(
        headline, why, tuple(each for each in listings if each.lines), tuple(advice.caveats), figures
    )


def larger(result: ComparisonResult) -> Figures | None:
    """What each larger input or deeper network costs and brings."""
    steps = result.recommendation.steps
    if not steps:
        return None
    return Figures(
        "What a larger input or a deeper network costs and brings",
        ("larger", "than", "engine", "times the time [95 %]", "points [95 %]", "verdict"),
        tuple(_step(step) for step in steps),
        frozenset({3, 4}),
    )


def _step(step: Mapping[str, Any]) -> tuple[str, ...]:
    over, cost, gain = step["over"], step["cost"], step["gain"]
    names = [
        each["network"] + ("" if each["input_size"] is None else f" at {pixels(each['input_size'])}")
        for each in (step, over)
    ]
    points = f"{100 * gain['value']:+.1f} [{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}]"
    return (
        *names, str(step["engine"]), f"{cost['value']:.2f} [{cost['low']:.2f}–{cost['high']:.2f}]",
        points.replace("-", "−"), VERDICTS.get(str(step.get("verdict")), ""),
    )  # fmt: skip


def growth(entries: Sequence[Mapping[str, Any]]) -> Figures | None:
    """The slopes of time over pixels and over multiply-accumulates."""
    rows = tuple(_slope(entry) for entry in entries if entry.get("exponent") and entry.get("names"))
    if not rows:
        return None
    return Figures(
        "How time grows",
        ("network", "engine", "with", "slope [95 %]", "from", "to", "times the time [95 %]", "misses by"),
        rows,
        frozenset({3, 4, 5, 6, 7}),
        "Time grows as pixels, or multiply-accumulates (MACs), to the power of the slope. Misses by: the "
        "largest distance of a point from that law; between two points there is none.",
    )


def rounding(found: Mapping[str, Any]) -> Figures | None:
    """What rounding alone does to the test result, from rounding twins."""
    if not found.get("rows"):
        return None
    title = found["rows"][0]["title"]
    return Figures(
        f"What rounding alone does to the test {title}",
        ("network", "size", "engine", title, "by rounding", "at most", "by seed", "twins"),
        tuple(_spread(entry) for entry in found["rows"]),
        frozenset({1, 3, 4, 5, 6, 7}),
        f"{' '.join(found['sentences'])} By rounding, by seed: standard deviations, in points. At most: the "
        "largest distance between twins of one seed.",
    )


def _spread(entry: Mapping[str, Any]) -> tuple[str, ...]:
    by_seed = entry.get("seed_spread")
    return (
        str(entry["network"]), size_text(entry["input_size"]), str(entry["engine"]), share(entry["mean"]),
        f"{100 * entry['spread']:.2f}", f"{100 * entry['largest']:.2f}",
        "–" if by_seed is None else f"{100 * by_seed:.2f}", str(entry["twins"]),
    )  # fmt: skip


def _slope(entry: Mapping[str, Any]) -> tuple[str, ...]:
    exponent, ratio, by_size = entry["exponent"], entry.get("ratio"), entry.get("by") == "input size"
    size = entry.get("input_size")
    network = str(entry["network"]) + ("" if size is None else f" at {size_text(size)}")
    names = [str(name) for name in entry["names"]]
    return (
        network, str(entry["engine"]), "pixels" if by_size else "MACs", _interval(exponent),
        names[0], names[-1], _interval(ratio) if ratio else "–",
        f"{100 * entry['misfit']:.0f} %" if len(names) > 2 else "–",
    )  # fmt: skip


def _interval(value: Mapping[str, Any]) -> str:
    return f"{value['value']:.2f} [{value['low']:.2f}–{value['high']:.2f}]"

"""Charts of latency: percentiles, and the whole distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import View
from crosstrain.reporting.terminal import text

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
POINTS = 41
"""Number of quantiles in the curve of a distribution."""


@dataclass(frozen=True)
class Answers:
    """How soon one entrant answers single examples: ``percentiles`` (seconds) by name, and the latencies
    that were kept (seconds), which may be none."""

    key: Mapping[str, str]
    percentiles: Mapping[str, float]
    latencies: Sequence[float] = ()

    @property
    def label(self) -> str:
        return f"{self.key['network']} {self.key['size']}, {self.key['engine']}"


def of_criteria(view: View) -> list[Answers]:
    """The latencies that ``--criteria`` measured."""
    answers = []
    for entry in view.result.criteria:
        known = {name: entry[f"latency_{name}"] for name in SHARES if entry.get(f"latency_{name}")}
        if "p50" in known:
            answers.append(Answers(view.key(entry), known, entry.get("latencies") or ()))
    return answers


def figures(view: View) -> list[Figure]:
    """The latency charts of a comparison; empty where its criteria have no latencies."""
    return charts(of_criteria(view), list(dict.fromkeys(line.engine for line in view.done)))


def charts(answers: Sequence[Answers], engines: Sequence[str]) -> list[Figure]:
    """Percentiles, and distributions of the answers that have single latencies; ``engines`` in the order of
    their colours."""
    with_latencies = [each for each in answers if len(each.latencies) > 1]
    return [
        *([_percentiles(answers, engines)] if answers else []),
        *([_distribution(with_latencies, engines)] if with_latencies else []),
    ]


def _percentiles(answers: Sequence[Answers], engines: Sequence[str]) -> Figure:
    import altair as alt

    rows: list[dict[str, Any]] = [
        {**each.key, "label": each.label, "share": name, "milliseconds": 1000 * seconds,
         "low": 1000 * each.percentiles["p50"], "high": 1000 * max(each.percentiles.values())}
        for each in answers
        for name, seconds in each.percentiles.items()
    ]  # fmt: skip
    scale = axis_scale([row["milliseconds"] for row in rows], 20)
    x = alt.X("milliseconds:Q", title="latency (ms)", scale=scale)
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)), color=_colour(engines)
    )
    tips = ["network:N", "engine:N", "share:N", alt.Tooltip("milliseconds:Q", format=".4g")]
    parts = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="latency (ms)"), x2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, shape=alt.Shape("share:N", title=None), tooltip=tips
        ),
    ]
    cells = [
        [
            *each.key.values(),
            *(Cell(text.seconds(each.percentiles.get(n)), each.percentiles.get(n)) for n in SHARES),
        ]
        for each in answers
    ]
    return Figure(
        "latency",
        "Latency of single examples",
        "The time to answer one example: median, 95th and 99th percentile.",
        specification(alt.layer(*parts), {ROWS: rows}, alt.Step(26)),
        Grid(
            "Latency of single examples", ["network", "size", "engine", *SHARES], cells,
            frozenset({1, 3, 4, 5}), [dict(each.key) for each in answers],
        ),
    )  # fmt: skip


def _distribution(answers: Sequence[Answers], engines: Sequence[str]) -> Figure:
    import altair as alt

    rows: list[dict[str, Any]] = []
    shares = np.linspace(0, 1, POINTS)
    for each in answers:
        quantiles = np.quantile(np.asarray(each.latencies, dtype=np.float64), shares)
        rows += [
            {**each.key, "task": f"{each.key['network']} {each.key['size']}", "milliseconds": 1000 * float(q),
             "share": float(s)}
            for s, q in zip(shares, quantiles, strict=True)
        ]  # fmt: skip
    chart = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X(
                "milliseconds:Q", title="latency (ms)",
                scale=axis_scale([row["milliseconds"] for row in rows], 5, zero=False),
            ),
            y=alt.Y("share:Q", title="answered within", axis=alt.Axis(format="%")),
            order="share:Q",
            color=_colour(engines),
            strokeDash=alt.StrokeDash("task:N", title=None),
            tooltip=["network:N", "engine:N", "size:N", alt.Tooltip("milliseconds:Q", format=".4g"),
                     alt.Tooltip("share:Q", format=".0%")],
        )
    )  # fmt: skip
    levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    cells = []
    for each in answers:
        quantiles = np.quantile(np.asarray(each.latencies, dtype=np.float64), levels)
        cells.append([*each.key.values(), *(Cell(text.seconds(float(q)), float(q)) for q in quantiles)])
    return Figure(
        "latency-distribution",
        "Distribution of the latency",
        "The share of single examples that are answered within a time; the steeper, the steadier.",
        specification(chart, {ROWS: rows}, 300),
        Grid(
            "Distribution of the latency",
            ["network", "size", "engine", *(f"{100 * s:.0f} %" for s in levels)], cells,
            frozenset({1, *range(3, 10)}), [dict(each.key) for each in answers],
        ),
    )  # fmt: skip


def _colour(engines: Sequence[str]) -> Any:
    import altair as alt

    return alt.Color("engine:N", scale=alt.Scale(domain=list(engines)), title=None)

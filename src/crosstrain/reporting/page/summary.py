"""The top of the page: the answer, the recommendation, and the key table with its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosstrain.data.prepared import unit_of
from crosstrain.reporting.answer.releases import releases
from crosstrain.reporting.answer.text import Answer, answer, larger
from crosstrain.reporting.page.grids import Cell, Grid, folded, folded_figures, items
from crosstrain.reporting.page.markup import Html, Section, join, section, tag
from crosstrain.reporting.page.view import Line, View, interval_of
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.classical import COLUMNS, LEGEND, classical_faults, row_text
from crosstrain.reporting.terminal.tables import faults, legend
from crosstrain.results.classical import classical_rows

WORDS = {
    "proved": "proved", "departs": "departs", "cannot": "cannot be proved", "none": "not proved",
}  # fmt: skip


def summary(view: View) -> Section | None:
    """The answer, which is asked for first."""
    of_result = answer(view.result, live=view.live)
    return section("summary", "Summary", answer_html(of_result, identity="recommendation"))


def answer_html(of: Answer, *, level: str = "h3", identity: str | None = None) -> Html:
    """Headline, why, what would change it, and what has to be known of its numbers; ``level`` is the
    element of its headings."""
    asides = [tag("div", tag(level, each.title), items(each.lines)) for each in of.listings]
    return join(
        tag("p", of.headline, class_="answer"),
        tag("p", " ".join(of.why), class_="why", id=identity) if of.why else None,
        tag("div", asides, class_="asides") if asides else None,
        [tag("p", caveat, class_="small") for caveat in of.caveats],
    )


def filters(view: View) -> Html | None:
    """What table and charts are narrowed to; None where there is nothing to choose."""
    return filter_form({"network": view.networks, "size": view.sizes, "engine": view.engines})


def filter_form(choices: Mapping[str, Sequence[str]]) -> Html | None:
    """A select for each of ``choices`` that has two values or more."""
    shown = [
        tag(
            "label",
            f"{name.capitalize()} ",
            tag(
                "select",
                tag("option", "all", value=""),
                (tag("option", each, value=each) for each in dict.fromkeys(values)),
                id=f"filter-{name}",
                data_filter=name,
            ),
        )
        for name, values in choices.items()
        if len(set(values)) > 1
    ]
    if not shown:
        return None
    count = tag("p", id="filter-count", role="status")
    return tag(
        "form", shown, tag("button", "Show all", type="reset"), count, id="filters", aria_label="Filters"
    )


def results(view: View) -> Section | None:
    """The key table, what its marks mean, and what went wrong."""
    if not view.lines:
        return None
    failures = faults(view.result)
    return section(
        "results",
        "Results",
        filters(view),
        key_table(view.lines, unit_of(view.result.data)).html(sortable=True, identity="key-table"),
        tag("p", _legend(view), class_="small"),
        join(tag("h3", "What went wrong"), items(failures)) if failures else None,
        _pairs(view),
        folded_figures(larger(view.result)),
        folded_figures(releases(view.result)),
    )


def classical(view: View) -> Section | None:
    """The classical estimators, in a division of their own."""
    rows = classical_rows(view.result.classical)
    if not rows:
        return None
    grid = Grid("Classical estimators", COLUMNS, [row_text(row) for row in rows], frozenset({1, 3, 4, 5, 6}))
    return section(
        "classical",
        "Classical estimators",
        grid.html(caption=False),
        tag("p", f"{LEGEND[0].upper()}{LEGEND[1:]}.", class_="small"),
        items(classical_faults(view.result)),
    )


def _pairs(view: View) -> Html | None:
    """Which differences are real: the ratio of each pair of engines at the same work."""
    rows, keys = [], []
    for entry in view.result.ratios:
        ratio, key = interval_of(entry.get("ratio")), view.key(entry)
        if ratio is None:
            continue
        adjusted, detectable = entry.get("p_holm"), entry.get("detectable")
        rows.append(
            [key["network"], key["size"], f"{entry['engine']} / {entry['other']}",
             Cell(f"{ratio.value:.3f} [{ratio.low:.3f}–{ratio.high:.3f}]", ratio.value),
             "a tie" if entry.get("tie") else "different", Cell(_three(adjusted), adjusted),
             Cell(f"{detectable:.3f}" if detectable else text.NOTHING, detectable)]
        )  # fmt: skip
        keys.append(key)
    columns = ["network", "size", "pair", "ratio of s/epoch [95 %]", "verdict", "p (Holm)", "detectable from"]
    if not rows:
        return None
    grid = Grid("Ratios of the times of pairs of engines", columns, rows, frozenset({1, 3, 5, 6}), keys)
    note = tag(
        "p",
        "A tie where the interval includes 1. p: after Holm's adjustment for all pairs of this network and "
        "size. Detectable from: the smallest ratio that this many repeats find nine times out of ten.",
        class_="small",
    )
    return folded(
        "Pairs of engines: which differences are real", grid.html(sortable=True, identity="pairs"), note
    )


def _three(value: float | None) -> str:
    return text.NOTHING if value is None else f"{value:.3f}"


def _legend(view: View) -> str:
    parts = [legend(view.result), "s/epoch: median seconds of training, in brackets the 95 % interval"]
    return ". ".join(part for part in parts if part) + "."


def key_table(lines: Sequence[Line], unit: str = "images") -> Grid:
    """A row for each network, input size and engine; the spread over seeds where there are several. ``unit``
    is what examples are called."""
    seeds = any(line.row.score_over_seeds for line in lines)
    title = next((line.row.title for line in lines if line.row.score is not None), "accuracy")
    columns = ["network", "size", "engine", "certificate", "s/epoch [95 %]", f"{unit}/s", f"{title} [95 %]"]
    columns += [*(["over seeds"] if seeds else []), "memory", "compile"]
    return Grid(
        "Results by network, input size and engine",
        columns,
        [_row(line, seeds) for line in lines],
        frozenset({1, *range(4, len(columns))}),
        [line.key for line in lines],
    )


def _row(line: Line, seeds: bool) -> list[Any]:
    row = line.row
    name = line.network if row.division == "closed" else f"{line.network} (open)"
    mark = Cell(
        [tag("span", text.MARKS[row.certificate], aria_hidden="true"), f" {WORDS[row.certificate]}"],
        row.certificate,
        f"cert {row.certificate}",
    )
    front = [Cell(name, line.network), Cell(line.size, line.pixels), Cell(line.engine, line.engine), mark]
    if not line.seconds:
        return [*front, Cell(row.status, None, "fault", 5 + seeds)]
    accuracy = line.accuracy
    loss = row.test_loss
    quality = Cell("–" if loss is None else f"loss {loss:.3g}", loss)
    if accuracy:
        limits = f"{100 * accuracy.value:.2f} % [{100 * accuracy.low:.2f}–{100 * accuracy.high:.2f}]"
        quality = Cell(limits, accuracy.value)
    return [
        *front,
        Cell(text.interval(line.seconds), line.seconds.value),
        Cell(text.rate(row.images_per_second), row.images_per_second),
        quality,
        *([_over_seeds(line)] if seeds else []),
        Cell(text.memory(row.peak_memory_bytes), row.peak_memory_bytes),
        Cell(text.compiling(row.compile_seconds, row.compiled_before), row.compile_seconds),
    ]


def _over_seeds(line: Line) -> Cell:
    """The mean over seeds with the interval that their spread gives."""
    interval = line.row.score_over_seeds
    if interval is None:
        return Cell(text.NOTHING)
    return Cell(
        f"{100 * interval.value:.2f} % [{100 * interval.low:.2f}–{100 * interval.high:.2f}]", interval.value
    )

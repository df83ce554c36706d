"""Comparisons of one question, on other machines, versions or days: the same rows side by side, with the
ratio of their times."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstrain.advice.changed import Changes
from crosstrain.data.prepared import unit_of
from crosstrain.reporting.answer.changes import changes_answer
from crosstrain.reporting.answer.text import answer
from crosstrain.reporting.history import finished
from crosstrain.reporting.page.charts.time import SECONDS, interval_cells
from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid, folded, items
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.summary import WORDS, answer_html, filter_form
from crosstrain.reporting.page.view import Line, View
from crosstrain.reporting.terminal import text
from crosstrain.results.schema import ComparisonResult
from crosstrain.statistics import ratios as statistics

HARDWARE = ("processor", "cores", "memory_bytes", "gpus", "system")
"""What tells one machine from another, as far as results have it."""


@dataclass(frozen=True)
class Machine:
    """A machine under a name that no other has, with its result."""

    name: str
    result: ComparisonResult
    folder: Path


def named(folders: Sequence[Path], results: Sequence[ComparisonResult]) -> list[Machine]:
    """Machines under the names of their folders."""
    return [Machine(*each) for each in zip(names(folders), results, folders, strict=True)]


def names(folders: Sequence[Path]) -> list[str]:
    """Folders by their names; by the whole path where two are called the same."""
    called = [folder.resolve().name for folder in folders]
    if len(set(called)) < len(called):
        called = [str(folder) for folder in folders]
    if len(set(called)) < len(called):
        called = [f"{name} ({number})" for number, name in enumerate(called, start=1)]
    return called


def page_title(results: Sequence[ComparisonResult]) -> str:
    """What differs between the comparisons: ``One comparison, several machines and versions``."""
    kinds: dict[str, Callable[[ComparisonResult], Any]] = {
        "machines": lambda of: [of.machine.get(name) for name in HARDWARE],
        "versions": lambda of: [
            of.crosstrain,
            *sorted({(c.engine, c.engine_version or "") for c in of.cells}),
        ],
    }
    apart = [name for name, what in kinds.items() if any(what(of) != what(results[0]) for of in results)]
    if not apart:
        days = {finished(of).partition("T")[0] for of in results}
        apart = ["days" if len(days) > 1 else "runs"]
    return f"One comparison, several {' and '.join(apart)}"


def comparison_of_machines(
    machines: Sequence[Machine], changed: Mapping[str, Changes]
) -> tuple[list[Section], list[Figure]]:
    """The sections of the page, and its charts; ``changed`` is what later ones have otherwise than the
    first."""
    views = {machine.name: View(machine.result, machine.folder) for machine in machines}
    figures = [figure for figure in [_time_by_machine(views)] if figure]
    parts = [
        section("summary", "Summary", [_answer(name, view) for name, view in views.items()]),
        section("changes", "What changed", [_changed(*each) for each in changed.items()]),
        section("results", "Results", _filters(views), table(views).html(sortable=True, identity="key-table"),
                tag("p", f"Ratio: seconds an epoch over those of {machines[0].name}, with its 95 % interval; "
                    "a tie where the interval includes 1.", class_="small")),
        section("charts", "Charts", [tag("div", f.html(), class_="charts") for f in figures]),
        section("settings", "Settings that differ",
                _differences({m.name: m.result.settings for m in machines}, "setting") or
                tag("p", "None: all machines ran with the same settings.")),
        section("machine", "Machines and versions",
                _differences({m.name: _machine(m.result) for m in machines}, "what", everything=True)),
        section("notes", "Notes", items([f"{m.name}: {note}" for m in machines for note in m.result.notes])),
    ]  # fmt: skip
    return [part for part in parts if part], figures


def table(views: Mapping[str, View]) -> Grid:
    """All rows of all machines; the rows of one network, size and engine stand together."""
    first = next(iter(views))
    base = {tuple(line.key.values()): line for line in views[first].lines}
    entries = [(name, line) for name, view in views.items() for line in view.lines]
    order = {key: i for i, key in enumerate(dict.fromkeys(tuple(line.key.values()) for _, line in entries))}
    entries.sort(key=lambda each: order[tuple(each[1].key.values())])
    title = next((line.row.title for _, line in entries if line.row.score is not None), "accuracy")
    return Grid(
        "Results by network, input size, engine and machine",
        ["network", "size", "engine", "machine", "certificate", "s/epoch [95 %]", "ratio [95 %]",
         f"{unit_of(views[first].result.data)}/s",
         title, "memory"],
        [_row(name, line, base.get(tuple(line.key.values())) if name != first else None)
         for name, line in entries],
        frozenset({1, 5, 6, 7, 8, 9}),
        [{**line.key, "machine": name} for name, line in entries],
    )  # fmt: skip


def ratio_text(line: Line, base: Line | None) -> Cell:
    """Ratio of the time to that on the first machine."""
    ratio = statistics.ratio(line.row.runs, base.row.runs) if base and base.seconds and line.seconds else None
    if ratio is None:
        return Cell(text.NOTHING)
    tie = ", a tie" if ratio.includes(1.0) else ""
    return Cell(f"{ratio.value:.2f} [{ratio.low:.2f}–{ratio.high:.2f}]{tie}", ratio.value)


def _row(name: str, line: Line, base: Line | None) -> list[Any]:
    row = line.row
    mark = Cell(
        f"{text.MARKS[row.certificate]} {WORDS[row.certificate]}", row.certificate, f"cert {row.certificate}"
    )
    front = [line.network, Cell(line.size, line.pixels), line.engine, name, mark]
    if not line.seconds:
        return [*front, Cell(row.status, None, "fault", 5)]
    return [
        *front,
        Cell(text.interval(line.seconds), line.seconds.value),
        ratio_text(line, base),
        Cell(text.rate(row.images_per_second), row.images_per_second),
        Cell(text.share(row.score), row.score),
        Cell(text.memory(row.peak_memory_bytes), row.peak_memory_bytes),
    ]


def _answer(name: str, view: View) -> Html:
    return tag("div", tag("h3", name), answer_html(answer(view.result), level="h4"))


def _changed(title: str, of: Changes) -> Html:
    same = [finding.text for finding in of.of("unchanged")]
    return tag(
        "div",
        tag("h3", title),
        answer_html(changes_answer(of), level="h4"),
        folded("What did not change", items(same)) if same else None,
    )


def _filters(views: Mapping[str, View]) -> Html | None:
    choices = {
        "network": [n for v in views.values() for n in v.networks],
        "size": [s for v in views.values() for s in v.sizes],
        "engine": [e for v in views.values() for e in v.engines],
        "machine": list(views),
    }
    return filter_form(choices)


def _time_by_machine(views: Mapping[str, View]) -> Figure | None:
    import altair as alt

    rows: list[dict[str, Any]] = [
        {**line.key, "machine": name, "label": f"{line.network} {line.size}, {line.engine}",
         "seconds": line.seconds.value, "low": line.seconds.low, "high": line.seconds.high,
         "shown": text.interval(line.seconds)}
        for name, view in views.items() for line in view.done if line.seconds
    ]  # fmt: skip
    if not rows:
        return None
    scale = axis_scale([row[k] for row in rows for k in ("low", "high")], 12)
    x = alt.X("seconds:Q", title=SECONDS, scale=scale)
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y("label:N", title=None, sort=list(dict.fromkeys(row["label"] for row in rows)),
                axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("machine:N", sort=list(views)),
        color=alt.Color("machine:N", scale=alt.Scale(domain=list(views)), title=None),
    )  # fmt: skip
    tips = ["network:N", "engine:N", "size:N", "machine:N", alt.Tooltip("shown:N", title=SECONDS)]
    parts = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=SECONDS), x2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, shape=alt.Shape("machine:N", scale=alt.Scale(domain=list(views)), title=None), tooltip=tips
        ),
    ]
    cells = [
        [line.network, line.size, line.engine, name, *interval_cells(line.seconds)]
        for name, view in views.items()
        for line in view.done
    ]
    return Figure(
        "time-by-machine",
        "Training time by machine",
        "Median seconds of training an epoch on each machine, with 95 % intervals.",
        specification(alt.layer(*parts), {ROWS: rows}, alt.Step(16)),
        Grid(
            "Training time by machine", ["network", "size", "engine", "machine", "s/epoch", "low", "high"],
            cells, frozenset({1, 4, 5, 6}),
            [{**line.key, "machine": name} for name, view in views.items() for line in view.done],
        ),
    )  # fmt: skip


def _machine(result: ComparisonResult) -> dict[str, Any]:
    properties = {k: v for k, v in result.machine.items() if k != "versions"}
    if "memory_bytes" in properties:
        properties["memory"] = text.memory(properties.pop("memory_bytes"))
    return {**properties, **(result.machine.get("versions") or {}), "data hash": result.data.get("hash")}


def _differences(
    by_machine: Mapping[str, Mapping[str, Any]], what: str, everything: bool = False
) -> Html | None:
    """Properties that differ between machines (or all of them), one column for each machine."""
    names = list(dict.fromkeys(name for each in by_machine.values() for name in each))
    rows = []
    for name in names:
        values = [each.get(name) for each in by_machine.values()]
        texts = [v if isinstance(v, str) else "" if v is None else json.dumps(v) for v in values]
        if everything or len(set(texts)) > 1:
            rows.append([name.replace("_", " "), *texts])
    grid = Grid("What differs between the machines", [what, *by_machine], rows)
    return grid.html(caption=False) if rows else None

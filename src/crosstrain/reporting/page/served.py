"""The page of a comparison at inference: who answers soonest, whether rightly, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crosstrain.reporting.command import inference_command
from crosstrain.reporting.page import particulars
from crosstrain.reporting.page.charts import latency as charts_latency
from crosstrain.reporting.page.charts.latency import SHARES, Answers
from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid, items
from crosstrain.reporting.page.markup import Section, join, section, tag
from crosstrain.reporting.page.summary import filter_form
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.criteria import size as size_in_bytes
from crosstrain.results.inference import AGREEMENT, InferenceResult, InferenceRow
from crosstrain.results.rows import size_text

BATCH = "batch size"


def sections(result: InferenceResult) -> tuple[list[Section], list[Figure]]:
    """The sections of the page without its charts, and the charts."""
    rows = result.rows()
    faults = [f"{f.network} on {f.engine}: {f.status}, {f.error}" for row in rows if (f := row.fault)]
    choices = {name: [_key(row)[name] for row in rows] for name in ("network", "size", "engine")}
    table = _table(rows, list(result.settings.get("batch_sizes") or ()), result.unit)
    command = inference_command(result.settings) if result.settings.get("subjects") else ""
    parts = [
        section(
            "summary", "Summary", tag("p", _answer(result, rows), class_="answer"),
            tag("p", result.recommendation.reason, id="recommendation"),
        ),
        section(
            "results", "Results", filter_form(choices),
            table.html(sortable=True, identity="key-table"),
            tag("p", f"Agrees: the same classes on the whole test set as the network itself in float64, and "
                f"outputs within {AGREEMENT:g}. p50, p95, p99: latency of single examples.", class_="small"),
            join(tag("h3", "What went wrong"), items(faults)) if faults else None,
        ),
        particulars.of_settings(result.settings),
        particulars.of_machine(result.machine),
        particulars.of_command(command) if command else None,
        particulars.of_notes(result.notes, result.folder),
    ]  # fmt: skip
    return [part for part in parts if part], _figures(rows)


def _key(row: InferenceRow) -> dict[str, str]:
    return {"network": row.first.network, "size": size_text(row.first.input_size), "engine": row.first.engine}


def _answer(result: InferenceResult, rows: Sequence[InferenceRow]) -> str:
    recommendation = result.recommendation
    chosen = next(
        (
            r
            for r in rows
            if (r.first.network, r.first.engine) == (recommendation.network, recommendation.engine)
            and r.latency
        ),
        None,
    )
    if recommendation.engine is None or chosen is None or chosen.latency is None:
        return "No recommendation can be given."
    median = text.seconds(chosen.latency.value)
    engine, network = recommendation.engine, recommendation.network
    return f"Take {engine} for {network}: half of all answers take less than {median}."


def _table(rows: Sequence[InferenceRow], batches: Sequence[int], unit: str) -> Grid:
    columns = ["network", "size", "engine", "agrees", "error", "accuracy", "p50 [95 %]", "p95", "p99",
               *(f"{unit}/s at {b}" for b in batches), "import", "load", "first", "file",
               "memory"]  # fmt: skip
    return Grid(
        "Latency, throughput and cost by network and engine",
        columns,
        [_row(row, batches, len(columns) - 3) for row in rows],
        frozenset({1, *range(4, len(columns))}),
        [_key(row) for row in rows],
    )


def _row(row: InferenceRow, batches: Sequence[int], rest: int) -> list[Any]:
    front: list[Any] = list(_key(row).values())
    if not row.done or row.latency is None:
        return [*front, Cell(row.first.status, None, "fault", rest)]
    differ = row.typical("classes_differ")
    mark = Cell("✓ agrees", "yes", "cert proved") if row.agrees else Cell(
        f"✗ {differ:.0f} classes differ" if differ else "✗ departs", "no", "cert departs"
    )  # fmt: skip
    p50 = row.latency
    shown = f"{text.seconds(p50.value)} [{text.seconds(p50.low)}–{text.seconds(p50.high)}]"
    rates = [row.throughput(batch) for batch in batches]
    return [
        *front, mark,
        _cell(text.error, row.typical("output_error")), _cell(text.share, row.typical("test_accuracy")),
        Cell(shown, p50.value), *(_cell(text.seconds, row.percentile(s)) for s in (0.95, 0.99)),
        *(_cell(text.rate, rate and rate.value) for rate in rates),
        *(_cell(text.seconds, row.typical(f"{phase}_seconds")) for phase in ("import", "load", "first")),
        *(_cell(size_in_bytes, row.typical(name)) for name in ("file_bytes", "peak_memory_bytes")),
    ]  # fmt: skip


def _cell(show: Any, value: Any) -> Cell:
    return Cell(show(value), value)


def _figures(rows: Sequence[InferenceRow]) -> list[Figure]:
    completed = [row for row in rows if row.done and row.latency]
    engines = list(dict.fromkeys(row.first.engine for row in completed))
    answers = [
        Answers(
            _key(row), {name: value for name, s in SHARES.items() if (value := row.percentile(s))},
            [latency for run in row.runs for latency in run],
        )
        for row in completed
    ]  # fmt: skip
    throughput = _throughput(completed, engines)
    return [*charts_latency.charts(answers, engines), *([throughput] if throughput else [])]


def _throughput(completed: Sequence[InferenceRow], engines: Sequence[str]) -> Figure | None:
    import altair as alt

    rows = [
        {**_key(row), "task": f"{row.first.network} {size_text(row.first.input_size)}", "batch": int(batch),
         "rate": rate.value, "low": rate.low, "high": rate.high}
        for row in completed for batch in row.done[0].throughput if (rate := row.throughput(int(batch)))
    ]  # fmt: skip
    if not rows:
        return None
    batches = sorted({int(str(row["batch"])) for row in rows})
    x = alt.X("batch:Q", title=BATCH, axis=alt.Axis(values=batches, format="d"),
              scale=alt.Scale(type="log", nice=False, padding=18))  # fmt: skip
    y = alt.Y(
        "rate:Q", title="examples a second", scale=axis_scale([float(str(row["rate"])) for row in rows], 10)
    )
    colour = alt.Color("engine:N", scale=alt.Scale(domain=list(engines)), title=None)
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, color=colour)
    tips = ["network:N", "engine:N", "size:N", "batch:Q", alt.Tooltip("rate:Q", format=".4g")]
    parts = [
        base.mark_line(opacity=0.8).encode(y=y, strokeDash=alt.StrokeDash("task:N", title=None)),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="examples a second"), y2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=tips),
    ]
    cells = [
        [
            r["network"],
            r["size"],
            r["engine"],
            r["batch"],
            *(Cell(f"{r[k]:.4g}", r[k]) for k in ("rate", "low", "high")),
        ]
        for r in rows
    ]
    return Figure(
        "throughput",
        "Throughput by batch size",
        "Examples a second over the batch size, with 95 % intervals.",
        specification(alt.layer(*parts), {ROWS: rows}, 300),
        Grid(
            "Throughput by batch size",
            ["network", "size", "engine", BATCH, "examples/s", "low", "high"], cells,
            frozenset({1, 3, 4, 5, 6}),
            [{k: str(r[k]) for k in ("network", "size", "engine")} for r in rows],
        ),
    )  # fmt: skip

"""Charts of everything but time alone: accuracy, learning, memory, and where the time went."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from statistics import fmean
from typing import Any

from crosstrain.reporting.page.charts.time import colour, interval_cells
from crosstrain.reporting.page.figures import MOST_TABLE_ROWS, ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import Line, View
from crosstrain.reporting.terminal import text

FRONT = "front"
PHASES = {
    "importing": "import_seconds", "compiling": "compile_seconds", "training": "train_seconds",
    "evaluating": "evaluate_seconds",
}  # fmt: skip


def accuracy_by_time(view: View) -> Figure | None:
    """One point for each row; the upper left is best."""
    import altair as alt

    lines = [line for line in view.done if line.accuracy and line.training_seconds]
    if not lines:
        return None
    rows: list[dict[str, Any]] = []
    cells = []
    on_front_keys = {tuple(view.key(entry).values()) for entry in view.result.front}
    for line in lines:
        accuracy, seconds = line.accuracy, line.training_seconds
        assert accuracy is not None
        on_front = tuple(line.key.values()) in on_front_keys
        rows.append(
            {**line.key, "task": line.task, "seconds": seconds, "accuracy": accuracy.value,
             "low": accuracy.low, "high": accuracy.high, "front": on_front}
        )  # fmt: skip
        cells.append(
            [line.network, line.size, line.engine, Cell(text.seconds(seconds), seconds),
             *(Cell(text.share(v), v) for v in (accuracy.value, accuracy.low, accuracy.high)),
             *(["yes" if on_front else "no"] if on_front_keys else [])]
        )  # fmt: skip
    scale = axis_scale([row["seconds"] for row in rows], 12, zero=False)
    title = f"test {lines[0].row.title}"
    x = alt.X("seconds:Q", title="total training time (s)", scale=scale)
    y = alt.Y("accuracy:Q", title=title, axis=alt.Axis(format="%"), scale=alt.Scale(zero=False))
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, color=colour(view))
    tips = [
        "network:N", "engine:N", "size:N", alt.Tooltip("seconds:Q", format=".4g"),
        alt.Tooltip("accuracy:Q", format=".2%"),
    ]  # fmt: skip
    parts = [
        base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", title=title), y2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            y=y, shape=alt.Shape("task:N", title=None), tooltip=tips
        ),
    ]
    datasets = {ROWS: rows}
    if front := sorted((row for row in rows if row["front"]), key=lambda row: row["seconds"]):
        datasets[FRONT] = front
        front_base = alt.Chart(alt.NamedData(FRONT)).encode(x=x, y=y)
        parts += [
            front_base.mark_line(strokeDash=[2, 3], interpolate="step-after"),
            front_base.mark_point(size=330, strokeWidth=2, shape="circle"),
        ]
    return Figure(
        "accuracy-by-time",
        f"{_capital(lines[0].row.title)} and training time",
        f"{_capital(title)} with its 95 % interval over the total seconds of training"
        + ("; rings mark the Pareto front: nothing is better in every respect." if front else "."),
        specification(alt.layer(*parts), datasets, 320),
        Grid(
            f"{_capital(lines[0].row.title)} and training time",
            ["network", "size", "engine", "training time", title, "low", "high",
             *(["on the front"] if on_front_keys else [])],
            cells,
            frozenset({1, 3, 4, 5, 6}),
            [line.key for line in lines],
        ),
    )  # fmt: skip


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def learning(view: View) -> list[Figure]:
    """Accuracy and loss over epochs and over seconds; the training loss where there is no validation loss."""
    curves: tuple[tuple[str, str, str, str], ...] = (
        ("learning", "validation_map_50", "Validation mAP@0.5", "%"),
        ("learning", "validation_mean_iou", "Validation mean IoU", "%"),
        ("learning", "validation_character_accuracy", "Characters right in validation", "%"),
        ("learning", "validation_accuracy", "Validation accuracy", "%"),
        ("loss", "validation_loss", "Validation loss", ".3g"),
        ("loss", "train_loss", "Training loss", ".3g"),
    )
    figures: list[Figure] = []
    for name, field, title, form in curves:
        if any(figure.name.startswith(name) for figure in figures):
            continue
        points = [point for line in view.done for point in _curve(line, field)]
        if len({point["epoch"] for point in points}) < 2:
            continue
        for by, unit in (("epoch", "epoch"), ("seconds", "seconds of training")):
            figures.append(_learning_figure(view, points, f"{name}-by-{by}", title, form, by, unit))
    return figures


def _curve(line: Line, field: str) -> list[dict[str, Any]]:
    """The mean over a row's cells after each epoch that all of them have."""
    curves = [
        [
            (spent, epoch.metric(field))
            for spent, epoch in zip(accumulate(cell.epoch_seconds), cell.epochs, strict=True)
        ]
        for cell in line.cells
    ]
    points = []
    for number, of_cells in enumerate(zip(*curves, strict=False), start=1):
        values = [value for _, value in of_cells if isinstance(value, int | float)]
        if len(values) == len(of_cells):
            points.append(
                {**line.key, "task": line.task, "epoch": number,
                 "seconds": _short(fmean(s for s, _ in of_cells)), "value": _short(fmean(values)),
                 "low": _short(min(values)), "high": _short(max(values))}
            )  # fmt: skip
    return points


def _short(value: float) -> float:
    """Six digits: curves have thousands of points, and the page holds them as text."""
    return float(f"{value:.6g}")


def _learning_figure(
    view: View, points: list[dict[str, Any]], name: str, title: str, form: str, by: str, unit: str
) -> Figure:
    import altair as alt

    scale = axis_scale([p["seconds"] for p in points] if by == "seconds" else [], 200, zero=False)
    axis = alt.Axis(tickMinStep=1, format="d") if by == "epoch" else alt.Undefined
    x = alt.X(f"{by}:Q", title=unit, axis=axis, scale=scale)
    y = alt.Y("value:Q", title=title.lower(), axis=alt.Axis(format=form), scale=alt.Scale(zero=False))
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, color=colour(view))
    tips = ["network:N", "engine:N", "size:N", "epoch:Q", alt.Tooltip("value:Q", format=".4g", title=title)]
    parts = [
        base.mark_area(opacity=0.12).encode(y=alt.Y("low:Q", title=title.lower()), y2="high:Q"),
        base.mark_line(strokeWidth=1.8).encode(y=y),
        base.mark_point(filled=True, size=22, opacity=1).encode(y=y, tooltip=tips),
    ]
    heading = f"{title} by {'epoch' if by == 'epoch' else 'seconds of training'}"
    cells = [
        [p["network"], p["size"], p["engine"], p["epoch"],
         *(Cell(f"{p[k]:.4g}", p[k]) for k in ("seconds", "value", "low", "high"))]
        for p in points[:MOST_TABLE_ROWS]
    ]  # fmt: skip
    return Figure(
        name,
        heading,
        f"{title} after each epoch, the mean over seeds and repeats; the band reaches from the smallest to "
        "the largest. Panels have the same axes.",
        specification(alt.layer(*parts), {ROWS: points}, 240, panels="task"),
        Grid(
            heading,
            ["network", "size", "engine", "epoch", "seconds", title.lower(), "smallest", "largest"],
            cells,
            frozenset({1, *range(3, 8)}),
            [{k: p[k] for k in ("network", "size", "engine")} for p in points[:MOST_TABLE_ROWS]],
        ),
    )


def memory(view: View) -> Figure | None:
    """Peak memory of each process."""
    lines = [line for line in view.done if line.row.peak_memory_bytes]
    return _bars(
        view, lines, "memory", "Peak memory",
        "The most memory that a training's process held, the largest over its cells.", "peak memory (MiB)",
        lambda line: (line.row.peak_memory_bytes or 0) / 2**20,
    )  # fmt: skip


def _bars(
    view: View, lines: list[Line], name: str, title: str, caption: str, unit: str, of: Callable[[Line], float]
) -> Figure | None:
    import altair as alt

    if not lines:
        return None
    rows = [{**line.key, "task": line.task, "value": of(line)} for line in lines]
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=unit),
            y=alt.Y("task:N", title=None, sort=None),
            yOffset=alt.YOffset("engine:N", sort=view.engines),
            color=colour(view),
            tooltip=["network:N", "engine:N", "size:N", alt.Tooltip("value:Q", format=".4g", title=unit)],
        )
    )
    cells = [[r["network"], r["size"], r["engine"], Cell(f"{r['value']:.4g}", r["value"])] for r in rows]
    return Figure(
        name, title, caption, specification(bars, {ROWS: rows}, alt.Step(16)),
        Grid(
            title, ["network", "size", "engine", unit], cells, frozenset({1, 3}), [line.key for line in lines]
        ),
    )  # fmt: skip


def where_time_went(view: View) -> Figure | None:
    """The seconds of a cell by what they were spent on."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    cells = []
    for line in view.done:
        by_phase = {
            name: fmean(getattr(cell, field) for cell in line.cells) if field != "train_seconds"
            else line.training_seconds or 0.0
            for name, field in PHASES.items()
        }  # fmt: skip
        label = f"{line.network} {line.size}, {line.engine}"
        rows += [
            {**line.key, "label": label, "phase": name, "order": order, "seconds": seconds}
            for order, (name, seconds) in enumerate(by_phase.items())
        ]
        shown = (Cell(f"{seconds:.4g}", seconds) for seconds in by_phase.values())
        cells.append([line.network, line.size, line.engine, *shown])
    if not rows:
        return None
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar()
        .encode(
            x=alt.X("seconds:Q", title="seconds a cell", stack="zero"),
            y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("phase:N", scale=alt.Scale(domain=list(PHASES)), title=None),
            order="order:Q",
            tooltip=["network:N", "engine:N", "size:N", "phase:N", alt.Tooltip("seconds:Q", format=".4g")],
        )
    )
    return Figure(
        "where-time-went",
        "Where the time of a cell went",
        "Mean seconds of a training's process by what they were spent on: importing the framework, "
        "compiling, training, evaluating.",
        specification(bars, {ROWS: rows}, alt.Step(20)),
        Grid(
            "Where the time of a cell went", ["network", "size", "engine", *PHASES], cells,
            frozenset({1, 3, 4, 5, 6}), [line.key for line in view.done],
        ),
    )  # fmt: skip


__all__ = ["accuracy_by_time", "interval_cells", "learning", "memory", "where_time_went"]

"""How well networks classify (means over classes, each class, calibration), and how well they forecast."""

from __future__ import annotations

from crosstrain.forecasting.measures import NAMES
from crosstrain.reporting.page.grids import Grid, folded, items
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.view import View, at_size
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.forecasts import measure
from crosstrain.results.quality import quality, test_metric
from crosstrain.results.rows import Row, counted, rows
from crosstrain.results.schema import CellResult

COLUMNS = ("top 5", "precision", "recall", "F1", "AUC", "perplexity", "calibration error")


def classified(view: View) -> Section | None:
    """A row for the first cell of each row of the comparison, and each class of the first."""
    first = [(row, row.done[0]) for row in rows(view.result.cells) if row.done and quality(row.done[0])]
    if not first:
        return None
    known = [name for name in COLUMNS if any(name in quality(cell) for _, cell in first)]
    lines = [
        [at_size(row.network, row.input_size), row.engine, *(_number(cell, name) for name in known)]
        for row, cell in first
    ]
    titles = ["network", "engine", *known]
    grid = Grid("How well it classifies", titles, lines, frozenset(range(2, len(titles))))
    note = (
        "Of the first seed's test examples. Precision, recall, F1 and AUC (one class against all) are "
        "means over classes; the calibration error is how far probabilities are from accuracies, in 15 bins."
    )
    return section(
        "quality", "How well it classifies", grid.html(caption=False), tag("p", note, class_="small"),
        _each_class(view, *first[0]),
    )  # fmt: skip


def forecast(view: View) -> Section | None:
    """Each network's forecasts beside the baselines', on the test part."""
    summary = view.result.forecasts
    if not summary:
        return None
    lines = [
        [entry["name"], entry["engine"] or "baseline", *(measure(name, entry[name]) for name in NAMES)]
        for entry in summary["entries"]
    ]
    numbers = frozenset(range(2, 2 + len(NAMES)))
    grid = Grid("Forecasts beside baselines", ["forecast", "by", *NAMES], lines, numbers)
    season = summary["season"]
    note = (
        f"Of {summary['variable']}, {counted(summary['horizon'], 'step')} ahead from each of "
        f"{summary['origins']} "
        "origins "
        "in the test part, in its own units. MASE is the error over that of "
        f"{'the value one season before' if season > 1 else 'the last value'} on the training part, "
        "direction the "
        "share of changes foretold with the right sign, NRMSE the root mean square error over the standard "
        "deviation."
    )
    return section(
        "forecasts", "How well it forecasts", items([f"{sentence}." for sentence in summary["sentences"]]),
        grid.html(caption=False, identity="forecast-table"), tag("p", note, class_="small"),
    )  # fmt: skip


def _number(cell: CellResult, name: str) -> str:
    value = quality(cell).get(name)
    if value is None:
        return text.NOTHING
    if name == "perplexity":
        return f"{value:.4g}"
    return f"{value:.4f}" if name in ("AUC", "calibration error") else text.share(value)


def _each_class(view: View, row: Row, cell: CellResult) -> Html | None:
    entry = test_metric(cell.test_metrics, "per_class")
    if not entry:
        return None
    names = [str(name) for name in view.result.data.get("classes") or ()]
    count = len(entry["examples"])
    names = names if len(names) == count else [str(index) for index in range(count)]
    lines = [
        [
            name,
            *(text.share(entry[key][index]) for key in ("precision", "recall", "f1")),
            entry["examples"][index],
        ]
        for index, name in enumerate(names)
    ]
    title = f"Each class: {at_size(row.network, row.input_size)} on {row.engine}"
    grid = Grid(title, ["class", "precision", "recall", "F1", "examples"], lines, frozenset(range(1, 5)))
    return folded(title, grid.html(caption=False))

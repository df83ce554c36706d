"""What else is known of how well networks classify: means over classes, each class, calibration."""

from __future__ import annotations

from crosstrain.reporting.page.grids import Grid, folded
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.view import View, at_size
from crosstrain.reporting.terminal import text
from crosstrain.results.quality import quality, test_metric
from crosstrain.results.rows import Row, rows
from crosstrain.results.schema import CellResult

COLUMNS = (
    "top 5", "precision", "recall", "F1", "AUC", "calibration error", "pixel accuracy", "class accuracy",
    "mean IoU", "boundary F1",
)  # fmt: skip


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


def _number(cell: CellResult, name: str) -> str:
    value = quality(cell).get(name)
    if value is None:
        return text.NOTHING
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

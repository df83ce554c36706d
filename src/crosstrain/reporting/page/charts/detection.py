"""Charts of detectors: precision over recall, class by class."""

from __future__ import annotations

from crosstrain.reporting.page.figures import MOST_TABLE_ROWS, ROWS, Figure, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import View, at_size
from crosstrain.results.quality import test_metric
from crosstrain.results.rows import rows


def precision_recall(view: View) -> Figure | None:
    """A curve for each class of the first cell of each row; None where nothing is detected."""
    import altair as alt

    points = []
    for row in rows(view.result.cells):
        curves = test_metric(row.done[0].test_metrics, "precision_recall") if row.done else None
        names = row.done[0].classes if row.done else []
        for number, curve in enumerate(curves or ()):
            label = names[number] if number < len(names) else str(number)
            points += [
                {
                    "network": f"{at_size(row.network, row.input_size)}, {row.engine}", "class": label,
                    "recall": step / (len(curve) - 1), "precision": value,
                }
                for step, value in enumerate(curve or ())
            ]  # fmt: skip
    if not points:
        return None
    chart = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("recall:Q", title="recall", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("precision:Q", title="precision", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("class:N", title=None),
            strokeDash=alt.StrokeDash("network:N", title=None),
            tooltip=[
                "network:N",
                "class:N",
                alt.Tooltip("recall:Q"),
                alt.Tooltip("precision:Q", format=".3f"),
            ],
        )
    )
    title = "Precision and recall"
    caption = (
        "Of the first seed's test set: of the boxes at least as sure as makes this recall, the share that "
        "overlaps a true one by half or more, the highest at this recall or above. The area below is AP@0.5."
    )
    table = [
        [p["network"], p["class"], f"{p['recall']:.2f}", Cell(f"{p['precision']:.3f}", p["precision"])]
        for p in points
        if round(100 * p["recall"]) % 10 == 0
    ]
    grid = Grid(
        title, ["network", "class", "recall", "precision"], table[:MOST_TABLE_ROWS], frozenset({2, 3})
    )
    return Figure("precision-recall", title, caption, specification(chart, {ROWS: points}, 320), grid)

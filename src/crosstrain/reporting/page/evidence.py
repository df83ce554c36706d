"""How steady the measurements were, and what the networks get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crosstrain.reporting.answer.text import rounding as figures_of_rounding
from crosstrain.reporting.mistakes import Agreement, Mistake, Mistakes, read_mistakes
from crosstrain.reporting.page.grids import Cell, Grid, folded, items
from crosstrain.reporting.page.markup import Html, Section, join, section, tag
from crosstrain.reporting.page.view import View, at_size
from crosstrain.results.rows import size_text

FEW = 2
MANY_CLASSES = 20
"""Longer tables than these are folded."""
LARGEST_CONFUSION = 60
"""A confusion matrix of more classes is not drawn; the most confused pairs are always shown."""


def stability(view: View) -> Section | None:
    """Drift, load and spread that were detected during the comparison."""
    sentences = [str(entry["text"]) for entry in view.result.stability if entry.get("text")]
    return section("stability", "How steady it was", items(sentences))


def rounding(view: View) -> Section | None:
    """Why engines that do the same work end at different results, where twins show it."""
    found = view.result.rounding
    table = figures_of_rounding(found)
    if table is None:
        return None
    pairs = [
        [pair["network"], size_text(pair["input_size"]), f"{pair['engine']} less {pair['other']}",
         Cell(_points(pair["difference"]), pair["difference"]["value"]), pair["verdict"],
         Cell(f"{pair['p_holm']:.3f}", pair["p_holm"])]
        for pair in found["pairs"]
    ]  # fmt: skip
    columns = ["network", "size", "pair", "points [95 %]", "verdict", "p (Holm)"]
    return section(
        "rounding",
        f"Why proved engines differ in {found['rows'][0]['title']}",
        tag("p", ROUNDING),
        items(found["sentences"]),
        Grid(table.title, table.columns, table.rows, table.numbers).html(caption=False),
        folded(
            "Pairs of engines beside that floor",
            Grid("Pairs of engines", columns, pairs, frozenset({1, 3, 5})).html(caption=False),
        )
        if pairs
        else None,
    )


ROUNDING = (
    "Engines add in other orders, so that they differ in the last place, and training amplifies that. A "
    "rounding twin is the same engine, seed and batches from weights moved by one unit in the last place. "
    "Their spread is the floor: two engines differ only where they are further apart than it explains."
)


def _points(difference: Mapping[str, float]) -> str:
    value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
    return f"{value:+.2f} [{low:+.2f} to {high:+.2f}]".replace("-", "−")


# -- mistakes -----------------------------------------------------------------------------------------
def mistakes(view: View) -> Section | None:
    """Confusion, accuracy by class, the most confident mistakes, and how far the engines agree."""
    if view.live:
        return None
    analysis = read_mistakes(view.result, view.folder)
    if analysis is None:
        return None
    name = f"{at_size(analysis.network, analysis.input_size)} on {analysis.engine}"
    return section(
        "mistakes",
        "What it gets wrong",
        tag(
            "p",
            f"{name} (cell {analysis.cell}): {analysis.wrong} of {analysis.examples} test examples are "
            "wrong.",
        ),
        join(tag("h3", "The surest mistakes"), _gallery(analysis)) if analysis.worst else None,
        join(tag("h3", "Confusion"), _confusion(analysis)),
        join(tag("h3", "Accuracy by class"), _per_class(analysis)),
        join(tag("h3", "How far the engines agree"), _agreements(analysis.agreement))
        if analysis.agreement
        else None,
    )


def _gallery(analysis: Mistakes) -> Html:
    note = (
        tag("p", f"Without pictures: {analysis.no_pictures}.", class_="small")
        if analysis.no_pictures
        else None
    )
    return join(note, tag("ul", (_mistake(each) for each in analysis.worst), class_="gallery"))


def _mistake(each: Mistake) -> Html:
    words = f"{each.true} taken for {each.predicted}"
    confidence = f"{each.probability:.0%} sure" if each.probability is not None else None
    right = f"{each.true_probability:.1%} for the right one" if each.true_probability is not None else None
    picture = (
        tag("img", src=each.picture, alt=f"Test example {each.example}: {words}") if each.picture else None
    )
    small = tag("span", "; ".join(filter(None, [f"no. {each.example}", confidence, right])), class_="small")
    return tag("li", picture, tag("span", words), small)


def _confusion(analysis: Mistakes) -> Html:
    confused = Grid(
        "Most confused classes",
        ["right class", "taken for", "examples"],
        [[each.true, each.predicted, each.count] for each in analysis.confused],
        frozenset({2}),
    )
    if len(analysis.classes) > LARGEST_CONFUSION:
        note = (
            f"The matrix of {len(analysis.classes)} classes is too large to show; these are its largest "
            "entries."
        )
        return join(tag("p", note), confused.html(sortable=True))
    matrix = Grid(
        "Confusion matrix: right class by row, answer by column, test examples",
        ["right class", *analysis.classes],
        [
            [name, *(_count(count, sum(row), i == j) for j, count in enumerate(row))]
            for i, (name, row) in enumerate(zip(analysis.classes, analysis.confusion, strict=True))
        ],
        frozenset(range(1, len(analysis.classes) + 1)),
    )
    parts = [tag("div", matrix.html(identity="confusion"), class_="confusion")]
    return join(
        parts, folded("The most confused pairs", confused.html(sortable=True)) if analysis.confused else None
    )


def _count(count: int, of: int, right: bool) -> Cell:
    """A darker cell is a larger share of its class; nine steps, so that no style stands in the markup."""
    if not count:
        return Cell("·", 0, "none")
    step = max(1, round(9 * count / of))
    return Cell(count, count, f"{'right' if right else 'wrong'} step{step}")


def _per_class(analysis: Mistakes) -> Html:
    rows = []
    for each in analysis.per_class:
        a = each.accuracy
        limits = (
            "no test example"
            if a is None
            else f"{100 * a.value:.1f} % [{100 * a.low:.1f}–{100 * a.high:.1f}]"
        )
        rows.append([each.name, each.examples, each.right, Cell(limits, a and a.value)])
    columns = ["class", "test examples", "right", "accuracy [95 %]"]
    shown = Grid("Accuracy of each class", columns, rows, frozenset({1, 2, 3})).html(
        sortable=True, identity="class-table"
    )
    return shown if len(rows) <= MANY_CLASSES else folded(f"All {len(rows)} classes", shown)


def _agreements(agreements: Sequence[Agreement]) -> Html:
    shown = join([_agreement(each) for each in agreements])
    return (
        shown
        if len(agreements) <= FEW
        else folded(f"For each of {len(agreements)} networks and sizes", shown)
    )


def _agreement(agreement: Agreement) -> Html:
    name = at_size(agreement.network, agreement.input_size)
    summary = (
        f"{name}: the engines disagree on {agreement.any} of {agreement.examples} test examples; by pair:"
    )
    rows = [[name, *counts] for name, counts in zip(agreement.engines, agreement.differ, strict=True)]
    numbers = frozenset(range(1, len(agreement.engines) + 1))
    grid = Grid(f"Differing answers, {name}", ["engine", *agreement.engines], rows, numbers)
    return join(tag("p", summary), grid.html(caption=False))

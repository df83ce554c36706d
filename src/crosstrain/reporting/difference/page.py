"""What a comparison of two definitions found, as a page: each cause with both sides' lines, its effect and
its remedy, and the two networks side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crosstrain.difference.aligning import Row
from crosstrain.difference.findings import Difference, Finding, Place
from crosstrain.reporting.difference.sources import line_of
from crosstrain.reporting.difference.terminal import (
    SHOWN,
    described,
    error_rows,
    excerpt,
    grouped,
    in_words,
    mark,
    percent,
)
from crosstrain.reporting.page.document import FOOTER, document
from crosstrain.reporting.page.grids import Cell, Grid, items
from crosstrain.reporting.page.markup import Html, join, section, tag

NOTHING = "Nothing differs: the same outputs, statistics, loss, gradients and training steps."


def page(found: Difference) -> str:
    """A page that needs no network."""
    groups = grouped(found.findings)
    verdict = "the same network" if found.same else "different"
    parts = [
        section("compared", "What was compared", _errors(found)),
        section("differences", "Differences", _differences(groups, found) if groups else tag("p", NOTHING)),
        section(
            "allowed", "Let pass", items([each.what for each in found.allowed]) if found.allowed else None
        ),
        section("alignment", "The two networks", _networks(found)) if found.rows else None,
        section("notes", "Notes", items(found.notes) if found.notes else None),
    ]
    body = tag(
        "body",
        tag("header", tag("h1", f"{found.a} and {found.b}: {verdict}"), tag("p", _summary(groups))),
        tag("main", [part.html() for part in parts if part], id="main"),
        tag("footer", tag("p", FOOTER)),
    )
    return document(f"{found.a} and {found.b}", body, ["'none'"])


def _summary(groups: Sequence[Sequence[Finding]]) -> str:
    """The causes, each once."""
    causes = dict.fromkeys(group[0].cause or "no known cause" for group in groups)
    return ", ".join(causes) or "Both do the same work."


def _errors(found: Difference) -> Html:
    rows = [
        [name, shown, Cell(word, word, "cert departs" if word == "differs" else "cert proved")]
        for name, shown, word in error_rows(found)
    ]
    columns = ["compared", "relative error", "verdict"]
    return Grid("Errors of B relative to A, in float64", columns, rows, frozenset({1})).html(caption=False)


def _differences(groups: Sequence[Sequence[Finding]], found: Difference) -> Html:
    return join(*(_cause(number, group, found) for number, group in enumerate(groups, start=1)))


def _cause(number: int, group: Sequence[Finding], found: Difference) -> Html:
    """All findings of one cause, in the same words."""
    first = group[0]
    places = f", in {len(group)} places" if len(group) > 1 else ""
    title = f"{number}. {first.cause or 'no known cause'} ({first.stage}{places})"
    more = tag("p", f"… and {len(group) - SHOWN} more") if len(group) > SHOWN else None
    return tag(
        "div",
        tag("h3", title),
        tag("p", first.what),
        [_places(finding, found) for finding in group[:SHOWN]],
        more,
        tag("p", tag("strong", "Change: "), first.change) if first.change else None,
        class_="departure",
    )


def _places(finding: Finding, found: Difference) -> Html:
    effect = None if finding.effect is None else f"Effect on the output: {percent(finding.effect)}"
    sides = [("A", finding.a, found.a), ("B", finding.b, found.b)]
    return join(
        [_place(letter, place, source) for letter, place, source in sides if place is not None],
        tag("p", effect) if effect else None,
    )


def _place(letter: str, place: Place, source: str) -> Html:
    line = line_of(place, source)
    return join(
        tag("p", tag("strong", f"{letter}: "), described(place)),
        tag("pre", tag("code", line)) if line else None,
    )


def _networks(found: Difference) -> Html:
    """Where the architectures differ, the rows around; all rows can be unfolded."""
    whole = tag(
        "details", tag("summary", f"all {len(found.rows)} nodes"), _table(found.rows, "Both networks, whole")
    )
    if found.alike_in_architecture:
        return join(tag("p", "Both have the same architecture."), whole)
    return join(_table(excerpt(found.rows), "Where the networks differ"), whole)


def _table(rows: Iterable[Row | int], caption: str) -> Html:
    head = tag("tr", (tag("th", name, scope="col") for name in ("", "A", "B")))
    return tag(
        "table",
        tag("caption", caption, class_="hidden"),
        tag("thead", head),
        tag("tbody", map(_row, rows)),
        class_="columns",
    )


def _row(row: Row | int) -> Html:
    if isinstance(row, int):
        return tag("tr", tag("td"), tag("td", f"… {row} the same", colspan=2))
    cells = [tag("td", mark(row)), tag("td", in_words(row.a)), tag("td", in_words(row.b))]
    return tag("tr", cells, class_=None if row.same_op else "other")

"""Tables of the page: cells that know what they are sorted by, in a region that scrolls by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.reporting.answer.figures import Figures
from crosstrain.reporting.page.markup import Child, Html, join, tag
from crosstrain.reporting.terminal.text import NOTHING


@dataclass(frozen=True)
class Cell:
    """``shown``, and the plain ``value`` behind it for sorting and CSV (None: nothing is known)."""

    shown: Child
    value: Any = None
    mark: str = ""
    span: int = 1


@dataclass(frozen=True)
class Grid:
    """A table: column names, rows of cells or plain values, and what a row is about (for the filters).

    ``numbers`` are the columns of figures, ``keys`` one mapping a row: network, size, engine.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: frozenset[int] = frozenset()
    keys: Sequence[dict[str, str]] = ()

    def html(self, *, sortable: bool = False, identity: str | None = None, caption: bool = True) -> Html:
        """The table in its scrolling region."""
        head = tag("tr", (self._heading(i, name, sortable) for i, name in enumerate(self.columns)))
        body = [
            tag("tr", self._row(row), **_data(self.keys[i] if self.keys else {}))
            for i, row in enumerate(self.rows)
        ]
        table = tag(
            "table",
            tag("caption", self.caption, class_=None if caption else "hidden"),
            tag("thead", head),
            tag("tbody", body),
            id=identity,
            class_="sortable" if sortable else None,
        )
        return tag("div", table, class_="scroll", role="region", aria_label=self.caption, tabindex="0")

    def _heading(self, index: int, name: str, sortable: bool) -> Html:
        shown = tag("button", name, type="button", class_="sort") if sortable else name
        css = "number" if index in self.numbers else None
        return tag("th", shown, scope="col", class_=css, aria_sort="none" if sortable else None)

    def _row(self, row: Sequence[Any]) -> list[Html]:
        cells, column = [], 0
        for entry in row:
            cell = entry if isinstance(entry, Cell) else Cell(NOTHING if entry is None else entry, entry)
            # The value stands beside what is shown only where they differ: pages have thousands of cells.
            plain = "" if cell.value is None else str(cell.value)
            css = " ".join(filter(None, ["number" if column in self.numbers else "", cell.mark])) or None
            cells.append(
                tag(
                    "th" if column == 0 else "td",
                    cell.shown,
                    class_=css,
                    data_value=None if plain == cell.shown or cell.value is cell.shown else plain,
                    colspan=cell.span if cell.span > 1 else None,
                    scope="row" if column == 0 else None,
                )
            )
            column += cell.span
        return cells


def pairs(entries: Sequence[tuple[str, Child]]) -> Html | None:
    """Names and values as a description list; empty values are left out."""
    terms = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in entries
        if value not in (None, "", [], {})
    ]
    return tag("dl", terms) if terms else None


def items(lines: Sequence[Child]) -> Html | None:
    """A bulleted list; None without lines."""
    return tag("ul", (tag("li", line) for line in lines)) if lines else None


def folded(summary: str, *children: Child) -> Html:
    """A section that opens on click, and is always open in print."""
    return tag("details", tag("summary", summary), join(*children))


def folded_figures(figures: Figures | None) -> Html | None:
    """A table that opens on click."""
    if figures is None:
        return None
    grid = Grid(figures.title, figures.columns, figures.rows, figures.numbers)
    note = tag("p", figures.note, class_="small") if figures.note else None
    return folded(figures.title, grid.html(caption=False), note)


def _data(key: dict[str, str]) -> dict[str, str]:
    return {f"data_{name}": value for name, value in key.items()}

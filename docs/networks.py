"""Prints the table of networks in networks.md, or writes it there: ``python docs/networks.py --write``."""

from __future__ import annotations

import sys
from pathlib import Path

from crosstrain import zoo

PAGE = Path(__file__).with_suffix(".md")
START, END = "<!-- table: python docs/networks.py --write -->\n", "<!-- end of table -->\n"
COLUMNS = (
    "network",
    "year",
    "paper",
    "input",
    "classes",
    "parameters",
    "published",
    "MACs",
    "published",
    "note",
)


def table() -> str:
    """A row of Markdown for each network of the catalogue."""
    rows = [
        (
            f"`{row.name}`",
            row.year,
            row.paper,
            "×".join(map(str, row.input_shape)),
            row.classes,
            f"{row.parameters:,}",
            row.published_parameters,
            f"{row.macs:,}",
            row.published_macs,
            row.note,
        )
        for row in zoo.networks().values()
    ]
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def page() -> str:
    """The page with the table as the catalogue has it now."""
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(START)[0] + START + table() + END + text.partition(END)[2]


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(table(), end="")

"""Sources side by side, as people look at them: a page, and columns in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Literal, Name
from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from crosstrain.reporting.page.document import FOOTER, document
from crosstrain.reporting.page.grids import Grid
from crosstrain.reporting.page.markup import Html, join, section, tag
from crosstrain.reporting.terminal.grid import grid
from crosstrain.source.beside import Beside, Block

EFFORT = ("", "lines: network", "names: network", "lines: training", "names: training")
EFFORT_MEANS = (
    "Lines of code and distinct functions and classes of the framework, of the network (with its helpers and "
    "loss) and of its training."
)
COLOURS = {Comment: "soft", Literal.String.Doc: "soft", Keyword: "word", Name.Decorator: "word",
           Literal.String: "text", Literal.Number: "text"}  # fmt: skip
"""Kinds of Python's tokens, and the class of the page's style; the first that fits."""


def page(sources: Beside) -> str:
    """A page that needs no network: the blocks of all sources in columns, efforts, and what each asks for."""
    title = f"{sources.sources[0].network} in {' and '.join(sources.titles)}"
    parts = [
        section(f"part-{number}", part[0].upper() + part[1:], _columns(part, list(blocks), sources))
        for number, (part, blocks) in enumerate(groupby(sources.blocks, lambda block: block.part))
    ]
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", "The same network, written for each framework.")),
        tag("main", _effort(sources), _questions(sources), [each.html() for each in parts if each],
            id="main"),
        tag("footer", tag("p", FOOTER)),
        class_="wide",
    )  # fmt: skip
    return document(title, body, ["'none'"])


def show(sources: Beside, out: Console) -> None:
    """Print the blocks in columns, as wide as the terminal is, and the efforts."""
    out.print(f"{EFFORT_MEANS}\n")
    effort = grid(EFFORT, right=range(1, len(EFFORT)))
    for row in _effort_rows(sources):
        effort.add_row(*map(str, row))
    out.print(effort)
    asked = Table("", *sources.titles, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for question, answers in sources.questions:
        asked.add_row(question, *answers)
    out.print(asked)
    for part, blocks in groupby(sources.blocks, lambda block: block.part):
        table = Table(*sources.titles, title=part, title_justify="left", box=box.SIMPLE_HEAD, expand=True)
        for column in table.columns:
            column.ratio = 1
        for block in blocks:
            table.add_row(*(_syntax(text) for text in block.texts), end_section=True)
        out.print(table)


def _effort_rows(sources: Beside) -> list[list[str | int]]:
    return [
        [title, each.network_lines, each.network_names, each.training_lines, each.training_names]
        for title, each in zip(sources.titles, sources.efforts, strict=True)
    ]


def _effort(sources: Beside) -> Html:
    table = Grid("What each takes", EFFORT, _effort_rows(sources), frozenset(range(1, len(EFFORT))))
    whole = section("effort", "Effort", tag("p", EFFORT_MEANS, class_="small"), table.html(caption=False))
    assert whole
    return whole.html()


def _questions(sources: Beside) -> Html:
    rows = [[question, *answers] for question, answers in sources.questions]
    table = Grid("What each makes its user think of", ["", *sources.titles], rows)
    whole = section("questions", "What to think of", tag("div", table.html(caption=False), class_="prose"))
    assert whole
    return whole.html()


def _columns(part: str, blocks: Sequence[Block], sources: Beside) -> Html:
    titles = [tag("h3", each) for each in sources.titles]
    cells = [_row(block, sources) for block in blocks]
    columns = tag("div", titles, cells, class_=f"beside of{len(titles)}")
    return tag("div", columns, class_="scroll", role="region", aria_label=part, tabindex="0")


def _row(block: Block, sources: Beside) -> list[Html]:
    return [
        tag("pre", tag("code", _coloured(text)), aria_label=title) if text else tag("div", class_="none")
        for text, title in zip(block.texts, sources.titles, strict=True)
    ]


def _coloured(text: str) -> Html:
    pieces = []
    for kind, value in lex(text, PythonLexer()):
        css = next((css for token, css in COLOURS.items() if kind in token), None)
        pieces.append(tag("span", value, class_=css) if css else value)
    return join(pieces)


def _syntax(text: str | None) -> Syntax | str:
    return Syntax(text, "python", word_wrap=True, background_color="default") if text else ""

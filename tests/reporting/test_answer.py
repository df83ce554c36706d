"""One answer, the same text in the terminal, on the page, in a notebook, in Markdown, LaTeX and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest

from crosstrain.reporting.answer.text import RUNNING, Answer, answer
from crosstrain.reporting.escaping import md, tex
from crosstrain.reporting.formats import as_json, latex, markdown
from crosstrain.reporting.notebook import html as notebook
from crosstrain.reporting.page import render
from crosstrain.reporting.terminal.grid import console
from crosstrain.reporting.terminal.tables import print_comparison
from crosstrain.results.growth import growth
from crosstrain.results.schema import ComparisonResult, Recommendation
from tests.reporting.samples import cell, result, small


def terminal(of: ComparisonResult) -> str:
    out = io.StringIO()
    print_comparison(of, console(out))
    return out.getvalue()


def page(of: ComparisonResult) -> str:
    return unescape(render(of, Path("nowhere")))


FORMS: dict[str, tuple[Callable[[ComparisonResult], str], Callable[[str], str]]] = {
    "terminal": (terminal, str),
    "page": (page, str),
    "notebook": (lambda of: unescape(notebook(of)), str),
    "markdown": (lambda of: markdown({"": of}, {}), md),
    "latex": (lambda of: latex({"": of}, {}), tex),
    "json": (lambda of: json.dumps(json.loads(as_json({"": of}, {})), ensure_ascii=False), str),
}
"""How each is written, and how plain text is written in it."""


@pytest.fixture(scope="module")
def whole() -> ComparisonResult:
    """Two networks of unsteady accuracy at two sizes on two engines, in two processes each."""
    cells = [
        each.model_copy(update={"test_accuracy": 0.85 if each.engine == "torch" else 0.95})
        for each in small().cells
        if each.repeat < 2
    ]
    return result(cells, growth=growth(cells))


def lines(of: Answer) -> Iterator[str]:
    yield from (of.headline, *of.why, *of.caveats)
    for listing in of.listings:
        yield from (listing.title, *listing.lines)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_whole_text(whole: ComparisonResult, form: str) -> None:
    write, escaped = FORMS[form]
    written = " ".join(write(whole).split())
    expected = answer(whole)
    assert (len(expected.why), len(expected.listings), len(expected.caveats)) == (3, 2, 2)
    for line in lines(expected):
        assert escaped(line) in written, line


@pytest.mark.parametrize("form", [form for form in FORMS if form != "json"])
def test_growth_is_a_table_with_its_interval_and_its_ends(whole: ComparisonResult, form: str) -> None:
    write, escaped = FORMS[form]
    table = answer(whole).figures[1]
    assert table.columns[3:6] == ("slope [95 %]", "from", "to")
    assert len(table.rows) == len(whole.growth) == 4
    written = write(whole)
    for row in table.rows:
        assert row[3].startswith("0.50 [")
        assert row[4:6] == ("16", "32")
        assert escaped(row[3]) in written


def test_the_headline_has_the_rows_own_numbers_and_the_pooled_one_its_name(whole: ComparisonResult) -> None:
    of = answer(whole)
    assert "test accuracy 85.00 %" in of.headline
    assert of.why[0].startswith("Pooled over 2 engines, its test accuracy is 90.00 %")


def test_a_result_without_a_headline_keeps_its_paragraph() -> None:
    old = result([cell("net", 32, "torch", 1.0)], recommendation=Recommendation(reason="Take torch: fast."))
    assert answer(old).headline == "Take torch: fast."
    assert "Take torch: fast." in page(old)


def test_what_is_still_running_says_so() -> None:
    running = result([cell("net", 32, "torch", 1.0, certificate="none")], running=True)
    assert answer(running, live=True).headline == RUNNING
    assert answer(running).headline == "No recommendation can be given."

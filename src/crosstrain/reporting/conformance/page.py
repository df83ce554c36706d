"""What came of engines' operations as a page: a table of all, each departure with its smallest input, the
known faults of frameworks."""

from __future__ import annotations

from collections.abc import Sequence

from crosstrain.conformance.faults import Fault
from crosstrain.conformance.findings import Conformance, EngineResult, OpResult
from crosstrain.reporting.conformance.terminal import COUNTED, errors, shown
from crosstrain.reporting.page.document import FOOTER, document
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.markup import Html, Section, join, section, tag
from crosstrain.reporting.terminal import text

TITLE = "Operations against NumPy"
ABOUT = (
    "Every operation of the vocabulary on every engine, on the same inputs: values against its NumPy meaning "
    "(norm-wise relative errors), gradients against finite differences."
)
MARKS = {"passed": "cert proved", "unsupported": "cert cannot"}


def page(found: Conformance | None, faults: Sequence[Fault]) -> str:
    """A page that needs no network; without ``found`` the known faults alone."""
    engines = () if found is None else found.engines
    parts = [
        section("engines", "Engines", _engines(engines)) if engines else None,
        *(_departures(engine) for engine in engines),
        section("operations", "Operations", _operations(engines)) if engines else None,
        section("faults", "Known faults of frameworks", _faults(faults)) if faults else None,
    ]
    title = TITLE if found else "Known faults of frameworks"
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", ABOUT) if found else None),
        tag("main", [part.html() for part in parts if part], id="main"),
        tag("footer", tag("p", FOOTER)),
    )
    return document(title, body, ["'none'"])


def _engines(engines: Sequence[EngineResult]) -> Html:
    rows = [
        [each.engine, each.version, each.precision, *(each.count(status) for status in COUNTED),
         text.clock(each.seconds), each.error or None]
        for each in engines
    ]  # fmt: skip
    columns = ["engine", "version", "precision", *COUNTED, "time", "not tried"]
    return Grid("Operations by what came of them", columns, rows, frozenset(range(3, 9))).html()


def _operations(engines: Sequence[EngineResult]) -> Html:
    """A row for each op, a column for each engine."""
    ops = list(dict.fromkeys(op.op for engine in engines for op in engine.ops))
    results = {(engine.engine, op.op): op for engine in engines for op in engine.ops}
    rows = [[op, *(_cell(results.get((engine.engine, op))) for engine in engines)] for op in ops]
    caption = "What came of each operation, with the largest errors of values and gradients"
    return Grid(caption, ["operation", *(engine.engine for engine in engines)], rows).html()


def _cell(op: OpResult | None) -> Cell | None:
    if op is None:
        return None
    far = [each for each in errors(op) if each != text.NOTHING]
    return Cell(" · ".join([op.status, *far]), op.status, MARKS.get(op.status, "cert departs"))


def _departures(engine: EngineResult) -> Section | None:
    return section(
        f"departs-{engine.engine}", f"What departs on {engine.engine}",
        [
            tag("div", tag("h3", f"{op.op}: {op.status}"), tag("p", op.reason),
                tag("pre", tag("code", "\n".join(shown(op)))) if op.example else None, class_="departure")
            for op in engine.at_fault
        ],
    )  # fmt: skip


def _faults(faults: Sequence[Fault]) -> Html:
    return join(
        tag("p", "What frameworks were seen to do otherwise than they say, or than Keras means. The engines "
            "go around each.", class_="small"),
        [
            tag("div", tag("h3", f"{each.framework} {each.version}: {each.op}"),
                tag("p", f"{each.what}. Instead: {each.around} ({each.where})."),
                _code(each), class_="departure")
            for each in faults
        ],
    )  # fmt: skip


def _code(fault: Fault) -> Html | None:
    if not fault.code:
        return None
    return tag("pre", tag("code", f"{fault.code}\n# got:   {fault.got}\n# right: {fault.right}"))

"""The page put together, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstrain.advice.changed import Changes
from crosstrain.reporting.answer.changes import changes_answer
from crosstrain.reporting.history import History
from crosstrain.reporting.page import (
    certificates,
    criteria,
    evidence,
    insides,
    particulars,
    scripts,
    served,
)
from crosstrain.reporting.page import summary as top
from crosstrain.reporting.page.charts import detection as charts_detection
from crosstrain.reporting.page.charts import forecasts as charts_forecasts
from crosstrain.reporting.page.charts import history as charts_history
from crosstrain.reporting.page.charts import latency as charts_latency
from crosstrain.reporting.page.charts import rest as charts_rest
from crosstrain.reporting.page.charts import rounding as charts_rounding
from crosstrain.reporting.page.charts import search as charts_search
from crosstrain.reporting.page.charts import time as charts_time
from crosstrain.reporting.page.document import FOOTER, document
from crosstrain.reporting.page.figures import Figure
from crosstrain.reporting.page.machines import Machine, comparison_of_machines, page_title
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.tasks import backtests, captions, quality
from crosstrain.reporting.page.view import View
from crosstrain.results.backtests import load_backtest
from crosstrain.results.inference import InferenceResult
from crosstrain.results.loading import load
from crosstrain.results.schema import ComparisonResult
from crosstrain.system.files import write_bytes

NAME = "report.html"

CHARTS: tuple[Callable[[View], Figure | list[Figure] | None], ...] = (
    charts_time.time_by_size,
    charts_time.time_by_network,
    charts_time.time_by_depth,
    charts_rest.accuracy_by_time,
    charts_forecasts.figures,
    charts_rounding.twins,
    charts_rest.learning,
    charts_detection.precision_recall,
    charts_latency.figures,
    charts_rest.memory,
    charts_time.tuning,
    charts_search.figures,
    charts_rest.where_time_went,
)
Part = Callable[[View], Section | None]
BEFORE: tuple[Part, ...] = (top.summary, top.results, top.classical, certificates.certificates)
AFTER: tuple[Part, ...] = (
    evidence.rounding, evidence.stability, criteria.criteria, quality.forecast, quality.classified,
    quality.segmented, quality.detected, captions.described,
    evidence.mistakes, insides.insides,
    particulars.search, particulars.settings,
    particulars.machine, particulars.data, particulars.repeat, particulars.notes,
)  # fmt: skip


def render(result: ComparisonResult, folder: Path, *, live: bool = False) -> str:
    """The page of a comparison as HTML. ``folder`` is where its cells lie; a ``live`` page asks the server
    that it came from for news."""
    view = View(result, folder, live and result.running)
    figures = _figures(view)
    parts = [*(part(view) for part in BEFORE), _charts(figures), *(part(view) for part in AFTER)]
    networks = ", ".join(result.settings.get("networks") or view.networks)
    called = f"{networks} on {_short(result.settings.get('data'))}" if networks else "A comparison"
    return page(called, _about(result), [part for part in parts if part], figures, live=live)


def _short(data: str | None) -> str:
    """The data set's spelling without the folders that lead to it: ``gtsrb:GTSRB.zip``."""
    name, colon, place = (data or "their data").partition(":")
    return f"{name}{colon}{Path(place).name}"


def render_machines(machines: Sequence[Machine], changed: Mapping[str, Changes]) -> str:
    """The page of several comparisons of one question: on machines, with versions or on days that differ."""
    parts, figures = comparison_of_machines(machines, changed)
    return page(
        page_title([machine.result for machine in machines]),
        ", ".join(m.name for m in machines),
        parts,
        figures,
    )


def render_history(history: History) -> str:
    """The page of one question's comparisons as a series."""
    last = [
        tag("div", tag("h3", title), top.answer_html(changes_answer(of), level="h4"))
        for title, of in [*history.changes.items()][::-1]
    ]
    drawn = charts_history.figures(history)
    parts = [section("changes", "What changed", last), _charts(drawn)]
    return page("One question over time", ", ".join(history.results), [p for p in parts if p], drawn)


def render_backtest(record: Mapping[str, Any]) -> str:
    """The page of a backtest, from the content of its ``backtest.json``."""
    drawn = backtests.figures(record)
    parts = backtests.sections(record)
    title = f"Forecasts of {_short(record['data'])} from {len(record['ends'])} ends"
    charts = [each for each in (_charts(drawn),) if each]
    return page(title, "", [*parts[:1], *charts, *parts[1:]], drawn)


def render_inference(result: InferenceResult, *, live: bool = False) -> str:
    """The page of a comparison at inference; a ``live`` one asks the server that it came from for news."""
    parts, figures = served.sections(result)
    place = next((i for i, part in enumerate(parts) if part.identity == "results"), 0) + 1
    charts = _charts(figures)
    called = ", ".join(dict.fromkeys(row.first.network for row in result.rows())) or "A comparison"
    return page(
        f"{called} at inference",
        _about(result),
        parts[:place] + ([charts] if charts else []) + parts[place:],
        figures,
        live=live,
    )


def write_page(folder: Path) -> Path:
    """``report.html`` in a comparison's folder, from its ``result.json``, or a backtest's from its
    ``backtest.json``; written by renaming.

    Raises ``CrosstrainError`` where there is no result, or a damaged one.
    """
    path = folder / NAME
    write_bytes(path, _html(folder).encode())
    return path


def _html(folder: Path) -> str:
    if record := load_backtest(folder):
        return render_backtest(record)
    result = load(folder)
    return render_inference(result) if isinstance(result, InferenceResult) else render(result, folder)


def page(
    title: str, about: str, parts: Sequence[Section], figures: Sequence[Figure], *, live: bool = False
) -> str:
    """A whole document around its sections."""
    script, allowed = scripts.scripts(live=live)
    body = tag(
        "body",
        tag("a", "Skip to the results", href="#main", class_="skip"),
        tag(
            "header",
            tag("h1", title),
            tag("button", "Dark colours", type="button", id="theme"),
            tag("p", about),
        ),
        _contents(parts),
        tag(
            "noscript",
            tag("p", "Without JavaScript the charts are not drawn; their tables have the same figures."),
        ),
        tag("main", [part.html() for part in parts], id="main", tabindex="-1"),
        tag("footer", tag("p", FOOTER)),
        scripts.json_script("chart-specs", _specs(figures)),
        scripts.json_script("palettes", scripts.PALETTES),
        script,
        data_live=live,
    )
    return document(title, body, allowed, live=live)


def _contents(parts: Sequence[Section]) -> Html:
    links = [tag("li", tag("a", part.title, href=f"#{part.identity}")) for part in parts]
    return tag("nav", tag("ul", links), aria_label="Contents")


def _specs(figures: Sequence[Figure]) -> dict[str, dict[str, Any]]:
    """The charts' specifications by name. Of a data set that an earlier chart has too, only that
    one's name."""
    first: dict[int, str] = {}
    specs = {}
    for figure in figures:
        datasets = {}
        for name, rows in figure.spec["datasets"].items():
            owner = first.setdefault(id(rows), figure.name)
            datasets[name] = rows if owner == figure.name else owner
        specs[figure.name] = {**figure.spec, "datasets": datasets}
    return specs


def _figures(view: View) -> list[Figure]:
    figures: list[Figure] = []
    for draw in CHARTS:
        drawn = draw(view)
        figures += drawn if isinstance(drawn, list) else [drawn] if drawn else []
    return figures


def _charts(figures: Sequence[Figure]) -> Section | None:
    if not figures:
        return None
    return section("charts", "Charts", tag("div", [figure.html() for figure in figures], class_="charts"))


def _about(result: ComparisonResult | InferenceResult) -> str:
    machine = result.machine
    finished = max((str((c.model_extra or {}).get("finished") or "") for c in result.cells), default="")
    parts = [
        f"crosstrain {result.crosstrain}",
        f"{machine['processor']}, {machine.get('cores', '?')} cores" if machine.get("processor") else "",
        str(result.settings.get("device") or ""),
        finished.partition("T")[0],
    ]
    return " · ".join(part for part in parts if part)


__all__ = [
    "NAME", "page", "render", "render_backtest", "render_history", "render_inference", "render_machines",
    "write_page",
]  # fmt: skip

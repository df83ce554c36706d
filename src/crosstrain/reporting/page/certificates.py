"""What was proved, how exactly, and where an engine departs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosstrain.reporting.page.grids import Cell, Grid, folded, items, pairs
from crosstrain.reporting.page.markup import Html, Section, join, section, tag
from crosstrain.reporting.page.summary import WORDS
from crosstrain.reporting.page.view import View, at_size
from crosstrain.reporting.terminal import text
from crosstrain.results.schema import CertificateResult

ERRORS = ("outputs", "loss", "gradients", "weights_after_steps")
FEW = 12
"""More certificates than this are folded; those that prove nothing are always shown."""
MEANING = (
    "Each number is the largest norm-wise relative error of an engine against the network's own meaning: "
    "outputs in inference and training mode, the loss, every gradient, and all weights after optimizer steps."
)


def certificates(view: View) -> Section | None:
    """A row for each certificate; those that prove nothing are shown in full."""
    results = view.result.certificates
    if not results:
        if not view.lines:
            return None
        return section(
            "certificates",
            "Certificates",
            tag("p", "Nothing was proved: these engines may not have done the same work."),
        )
    grid = Grid(
        "Certificates: largest relative errors",
        [
            "network",
            "size",
            "engine",
            "precision",
            "certificate",
            "outputs",
            "loss",
            "gradients",
            "after steps",
        ],
        [_row(each, view) for each in results],
        frozenset({1, 5, 6, 7, 8}),
        [view.key(each.model_dump(include={"network", "input_size", "engine"})) for each in results],
    )
    shown = grid.html(sortable=True, identity="certificate-table")
    shortcomings = [_shortcoming(each) for each in results if each.status != "proved"]
    return section(
        "certificates",
        "Certificates",
        tag("p", f"{sum(c.status == 'proved' for c in results)} of {len(results)} are proved. {MEANING}"),
        shown if len(results) <= FEW else folded("All certificates", shown),
        join(tag("h3", "What is not proved"), shortcomings) if shortcomings else None,
    )


def _row(each: CertificateResult, view: View) -> list[Any]:
    key = view.key({"network": each.network, "input_size": each.input_size, "engine": each.engine})
    mark = [tag("span", text.MARKS[each.status], aria_hidden="true"), f" {WORDS[each.status]}"]
    errors = [getattr(each, name) for name in ERRORS]
    return [
        *key.values(),
        each.precision,
        Cell(mark, each.status, f"cert {each.status}"),
        *(Cell(text.error(error), error) for error in errors),
    ]


def _shortcoming(each: CertificateResult) -> Html:
    title = f"{each.engine}, {at_size(each.network, each.input_size)}, {each.precision}: {WORDS[each.status]}"
    where = each.first_departure
    details = pairs(_departure(where)) if where else tag("p", each.reason or "No reason was given.")
    notes = [str(note) for note in (each.model_extra or {}).get("notes") or ()]
    return tag("article", tag("h4", title), details, items(notes), class_="departure")


def _departure(where: Mapping[str, Any]) -> list[tuple[str, Any]]:
    node = f"{where['node']} ({where.get('op')})" if where.get("node") else where.get("op")
    return [
        ("First in", where.get("stage")),
        ("Node", node or "before the first node"),
        ("Layer", where.get("layer")),
        ("Tensor", where.get("tensor")),
        ("Relative error", text.error(where.get("error"))),
        ("Expected", _numbers(where.get("expected"))),
        ("Got", _numbers(where.get("got"))),
        ("Likely cause", where.get("cause")),
    ]


def _numbers(summary: Mapping[str, Any] | None) -> Html | None:
    if not summary:
        return None
    entries = ", ".join(
        f"{e:.6g}" if isinstance(e, float | int) else str(e) for e in summary.get("entries", ())
    )
    return tag("code", f"[{entries}, …], norm {summary.get('norm')}")

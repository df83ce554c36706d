"""HTML as nested calls: ``tag("p", "a < b")``. Every text is escaped; only ``Html`` is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

VOID = frozenset({"meta", "img", "link"})
"""Elements that have no end tag."""


class Html(str):
    """Text that is markup already; only this module and the page's own assets make it."""

    __slots__ = ()


Child = Any
"""``Html``, text, a number, None (nothing), or an iterable of these."""


def join(*children: Child) -> Html:
    """Children one after the other, escaped where they are not ``Html``."""
    return Html("".join(_flat(children)))


def tag(name: str, /, *children: Child, **attributes: Any) -> Html:
    """An element. ``class_`` and ``for_`` are ``class`` and ``for``, ``aria_label`` is ``aria-label``; an
    attribute that is None or False is left out, and True stands alone."""
    attrs = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{attrs}>" if name in VOID else f"<{name}{attrs}>{join(*children)}</{name}>")


@dataclass(frozen=True)
class Section:
    """A landmark of the page, with the title that the contents name."""

    identity: str
    title: str
    inner: Html

    def html(self) -> Html:
        heading = tag("h2", self.title, id=f"{self.identity}-title")
        return tag("section", heading, self.inner, id=self.identity, aria_labelledby=f"{self.identity}-title")


def section(identity: str, title: str, *children: Child) -> Section | None:
    """A section; None where there is nothing in it."""
    inner = join(*children)
    return Section(identity, title, inner) if inner else None


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(child)
        elif isinstance(child, Iterable):
            yield from _flat(child)
        else:
            yield escape(str(child))

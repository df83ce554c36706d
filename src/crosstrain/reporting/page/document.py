"""The shell of every page that crosstrain writes: self-contained, styled, under a content security policy."""

from __future__ import annotations

from crosstrain.reporting.page import scripts
from crosstrain.reporting.page.markup import Html, tag

FOOTER = "Written by crosstrain. This file needs no network."


def document(title: str, body: Html, allowed: list[str], *, live: bool = False) -> str:
    """A whole HTML document; ``allowed`` are the sources of scripts that its policy lets run."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        scripts.policy(allowed, live=live),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} – crosstrain"),
        tag("link", rel="icon", href="data:,"),
        scripts.style(),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"

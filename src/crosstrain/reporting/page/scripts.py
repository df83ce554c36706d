"""What makes the page live without a network: Vega's own JavaScript, the page's script and style, its data.

Only scripts whose hash the page names may run, so that markup in a result could do nothing even if it got
in; Vega interprets its expressions, as ``eval`` is forbidden too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import Any

from crosstrain.errors import StorageError
from crosstrain.reporting.page.markup import Html, join, tag
from crosstrain.system.files import write_bytes
from crosstrain.system.places import cache_root

PALETTES = {
    "light": [
        "#0072b2", "#c04f00", "#008262", "#b0558a", "#4d4d4d", "#9a6200", "#5b3a8c", "#7a6f00",
        "#2a86b8", "#8c2d04", "#3f6b00", "#d6006c",
    ],
    "dark": [
        "#56b4e9", "#f0803c", "#1fc49a", "#e59ac4", "#d8d8d8", "#e69f00", "#b69cf0", "#f0e442",
        "#7f9fff", "#c98b5e", "#a8d46f", "#ff6fae",
    ],
}  # fmt: skip
"""The first eight after Okabe and Ito (2008), for colour-blind readers; all have a contrast of 3:1."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def json_script(identity: str, data: Any) -> Html:
    """Data for the page's script. No value can end the element: what could is written as an escape."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in _ESCAPES.items():
        text = text.replace(character, escaped)
    return tag("script", Html(text), type="application/json", id=identity)


def scripts(*, live: bool = False) -> tuple[Html, list[str]]:
    """The script elements, and the sources that the policy allows: their hashes."""
    texts = [vega(), asset("page.js"), *([asset("live.js")] if live else [])]
    elements = [tag("script", Html(text)) for text in texts]
    return join(elements), [f"'sha256-{_hash(text)}'" for text in texts]


def policy(allowed: list[str], *, live: bool) -> Html:
    """The content security policy: nothing is fetched. A live page may ask the server that it came from."""
    rules = [
        "default-src 'none'", f"script-src {' '.join(allowed)}", "style-src 'unsafe-inline'",
        "img-src data: blob:", "base-uri 'none'", "form-action 'none'",
        *(["connect-src 'self'"] if live else []),
    ]  # fmt: skip
    return tag("meta", http_equiv="Content-Security-Policy", content="; ".join(rules))


def style() -> Html:
    return tag("style", Html(asset("page.css")))


@cache
def asset(name: str) -> str:
    """A file that comes with the package."""
    return (files("crosstrain.reporting.page") / "assets" / name).read_text(encoding="utf-8")


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script. Bundling takes seconds, so the cache keeps it."""
    version = metadata.version("vl-convert-python")
    path = cache_root() / "report" / f"vega-{version}.js"
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        text = _bundled()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())
    except (OSError, StorageError):
        return text  # a cache that cannot be written costs seconds, no more
    return text


def _bundled() -> str:
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text.replace("</script", "<\\/script")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

"""Text in Markdown and LaTeX: what would be read as syntax is escaped, line ends become spaces."""

from __future__ import annotations

import re

from crosstrain.advice.caveats import MARKS


def md(value: str) -> str:
    """Escape Markdown syntax, and put the text on one line."""
    flat = " ".join(value.split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|~#])", r"\\\1", flat)


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "–": "--", "×": r"$\times$",
    "✗": r"$\times$", "✓": r"$\surd$", "±": r"$\pm$", "−": "$-$",
    **{mark: f"$^{{{number}}}$" for number, mark in enumerate(MARKS, start=1)},
    "[": "{[}", "]": "{]}",
}  # fmt: skip
"""Brackets are guarded, as the one behind ``\\\\`` would be taken for its length."""


def tex(value: str) -> str:
    flat = " ".join(value.split())
    # Two hyphens (of an option) would be drawn as a dash.
    return "-{}-".join(
        "".join(_TEX.get(character, character) for character in part) for part in flat.split("--")
    )

"""An answer as Markdown and as LaTeX."""

from __future__ import annotations

from crosstrain.reporting.answer.figures import Figures
from crosstrain.reporting.answer.text import Answer
from crosstrain.reporting.escaping import md, tex


def markdown_answer(answer: Answer, name: str = "") -> str:
    """Headline, sentences, lists and caveats; ``name`` is the machine's, where there are several."""
    parts = [f"## {md(name)}" if name else "", f"**{md(answer.headline)}**", md(" ".join(answer.why))]
    for listing in answer.listings:
        parts += [f"{md(listing.title)}{'' if listing.title.endswith('?') else ':'}",
                  "\n".join(f"- {md(line)}" for line in listing.lines)]  # fmt: skip
    parts += [md(caveat) for caveat in answer.caveats]
    return "\n\n".join(filter(None, parts))


def markdown_figures(figures: Figures) -> str:
    """A pipe table under its title."""
    ruler = "|".join(" ---: " if i in figures.numbers else " --- " for i in range(len(figures.columns)))
    lines = [" | ".join(map(md, line)) for line in (figures.columns, *figures.rows)]
    table = [f"| {lines[0]} |", f"|{ruler}|", *(f"| {line} |" for line in lines[1:])]
    return "\n\n".join(filter(None, [f"### {md(figures.title)}", "\n".join(table), md(figures.note)]))


def latex_answer(answer: Answer, name: str = "") -> str:
    """As ``markdown_answer``."""
    parts = [f"\\paragraph{{{tex(name)}}}" if name else "", f"\\textbf{{{tex(answer.headline)}}}"]
    parts.append(tex(" ".join(answer.why)))
    for listing in answer.listings:
        lines = "\n".join(f"  \\item {tex(line)}" for line in listing.lines)
        parts += [tex(listing.title), f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"]
    parts += [tex(caveat) for caveat in answer.caveats]
    return "\n\n".join(filter(None, parts))


def latex_figures(figures: Figures) -> str:
    """A ``table`` environment for booktabs."""
    kinds = "".join("r" if i in figures.numbers else "l" for i in range(len(figures.columns)))
    body = [f"    {' & '.join(map(tex, row))} \\\\" for row in figures.rows]
    note = f". {figures.note}" if figures.note else ""
    return "\n".join([
        "\\begin{table}", "  \\centering", f"  \\caption{{{tex(figures.title + note)}}}",
        f"  \\begin{{tabular}}{{{kinds}}}", "    \\toprule",
        f"    {' & '.join(map(tex, figures.columns))} \\\\", "    \\midrule", *body,
        "    \\bottomrule", "  \\end{tabular}", "\\end{table}",
    ])  # fmt: skip

"""The model card of a comparison, in Markdown: what was trained on what and how, with what result and proof.

Its sections are those of Mitchell et al. 2019 that a measurement can fill; what only its author knows, the
intended use, is left to be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstrain.reporting.command import command
from crosstrain.reporting.escaping import md
from crosstrain.results.rows import size_text
from crosstrain.results.schema import CertificateResult, ComparisonResult

TO_WRITE = "*To be written by the author.*"


def card(result: ComparisonResult, results: str) -> str:
    """The card of one comparison; ``results`` are its tables in Markdown."""
    names = sorted({Path(cell.network).name for cell in result.cells})
    parts = [f"# {md(', '.join(names))}", "\n".join(_networks(result)), "## Intended use", TO_WRITE]
    parts += ["## Training", "\n".join(_training(result.settings, result.data))]
    parts += ["## Results", results] if results else []
    if result.certificates:
        parts += ["## Proof", "\n".join(_proof(result.certificates))]
    parts += ["## Limits", "\n".join([f"- {md(each)}" for each in _limits(result)] or [TO_WRITE])]
    if result.settings:
        parts += ["## Again", f"```\n{command(result.settings)}\n```"]
    return "\n\n".join(parts)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(map(md, line))} |" if line is not rule else f"| {' | '.join(rule)} |"
            for line in (head, rule, *lines)]  # fmt: skip


def _networks(result: ComparisonResult) -> list[str]:
    lines: dict[tuple[str, str], Sequence[str]] = {}
    for cell in result.cells:
        key = Path(cell.network).name, size_text(cell.input_size)
        counts = ("–" if n is None else f"{n:,}" for n in (cell.parameters, cell.macs))
        lines.setdefault(key, (*key, *counts))
    return _table(("network", "input size", "parameters", "multiply-accumulates"), list(lines.values()))


def _training(settings: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    recipe = settings.get("recipe") or {}
    optimizer = {k: v for k, v in (recipe.get("optimizer") or {}).items() if v not in (None, False)}
    name = optimizer.pop("name", "")
    settled = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in optimizer.items())
    lines = {
        "data": settings.get("data"),
        "task": data.get("task"),
        "examples": ", ".join(f"{n:,} for {part}" for part, n in (data.get("splits") or {}).items()),
        "optimizer": f"{name} ({settled})" if settled else name,
        "schedule": (recipe.get("schedule") or {}).get("name"),
        "batch": recipe.get("batch_size"),
        "epochs": recipe.get("epochs"),
        "seeds": settings.get("seeds"),
        "augmentation": ", ".join(recipe.get("augmentation") or {}),
        "precision": settings.get("precision"),
    }
    return (f"- {key}: {md(str(value))}" for key, value in lines.items() if value not in (None, "", {}))


def _proof(certificates: Sequence[CertificateResult]) -> list[str]:
    """One line for each certificate: relative errors against the definition in float64."""
    lines = []
    for each in certificates:
        errors = (each.outputs, each.loss, each.gradients, each.weights_after_steps)
        shown = ("–" if e is None else f"{e:.1e}" if isinstance(e, float) else str(e) for e in errors)
        place = Path(each.network).name, size_text(each.input_size)
        lines.append((*place, each.engine, each.precision, each.status, *shown))
    head = ("network", "input size", "engine", "precision", "certificate", "outputs", "loss", "gradients",
            "after steps")  # fmt: skip
    return _table(head, lines)


def _limits(result: ComparisonResult) -> list[str]:
    """What of the result to be careful about: what the data warns of, caveats, cells that failed."""
    failed = [
        f"{cell.engine} did not finish {Path(cell.network).name}: {cell.error or cell.status}"
        for cell in result.cells if cell.status != "done"
    ]  # fmt: skip
    return list(dict.fromkeys([*result.data.get("warnings", ()), *result.recommendation.caveats, *failed]))

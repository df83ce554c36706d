"""Terminal tables, none wider than 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crosstrain.comparison.certify import departed
from crosstrain.data.prepared import unit_of
from crosstrain.reporting.answer.text import answer
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.answer import print_answer, print_figures
from crosstrain.reporting.terminal.classical import LEGEND, classical_faults, classical_table
from crosstrain.reporting.terminal.criteria import print_criteria
from crosstrain.reporting.terminal.forecasts import print_forecasts
from crosstrain.reporting.terminal.grid import grid
from crosstrain.reporting.terminal.search import search_table
from crosstrain.reporting.terminal.tuning import compared_table
from crosstrain.results.classical import classical_rows
from crosstrain.results.overfitting import over_fits
from crosstrain.results.quality import BY_CLASS, quality, test_metric
from crosstrain.results.rows import Row, counted, rows, size_text
from crosstrain.results.schema import CellResult, ComparisonResult, Wall
from crosstrain.statistics.ratios import median

_STYLES = {"proved": "green", "departs": "red", "cannot": "yellow", "none": "yellow"}


def comparison_table(result: ComparisonResult) -> Table:
    """A row for each network, input size and engine."""
    lines = rows(result.cells)
    titles = {row.title for row in lines if row.score is not None} or {"accuracy"}
    quality = f"test {' or '.join(sorted(titles))}".replace("accuracy", "acc")
    table = grid(
        [
            "network",
            "size",
            "engine",
            "cert",
            "s/epoch [95 %]",
            f"{unit_of(result.data)}/s",
            quality,
            "memory",
            "compile",
        ],
        right=(1, 4, 5, 6, 7, 8),
    )
    for row in lines:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[Text | str]:
    mark = Text(text.MARKS[row.certificate], style=_STYLES[row.certificate], justify="center")
    name = row.network if row.division == "closed" else f"{row.network} (open)"
    front: list[Text | str] = [name, size_text(row.input_size), row.engine, mark]
    if not row.done:
        return [*front, Text(row.status, style="yellow" if row.status == "left out" else "red")]
    quality = text.share(row.score) if row.score is not None else _loss(row.test_loss)
    return [
        *front,
        text.interval(row.seconds),
        text.rate(row.images_per_second),
        quality,
        text.memory(row.peak_memory_bytes),
        text.compiling(row.compile_seconds, row.compiled_before),
    ]


def _loss(value: float | None) -> str:
    return text.NOTHING if value is None else f"loss {value:.3g}"


def legend(result: ComparisonResult) -> str:
    """The meaning of the marks in the table, and the number of samples behind the times."""
    meanings = {
        "proved": "✓ proved to do the same work",
        "departs": "✗ departs from the definition",
        "cannot": "! cannot be proved",
        "none": "? not proved",
    }
    all_rows = rows(result.cells)
    parts = [words for status, words in meanings.items() if any(r.certificate == status for r in all_rows)]
    if any(r.seconds and r.seconds.method == "range" for r in all_rows):
        parts.append("fewer than 3 epochs give no interval, but (–), their range")
    if any(r.compiled_before for r in all_rows):
        parts.append("a compile time in brackets is that of reading what an earlier run had compiled")
    return "; ".join(parts)


def faults(result: ComparisonResult) -> list[str]:
    """A line for each row that has an error or did not finish."""
    lines = []
    for row in rows(result.cells):
        if row.error or row.status not in ("done", "left out"):
            size = "" if row.input_size is None else f" at {size_text(row.input_size)}"
            lines.append(
                f"{row.network}{size} on {row.engine}: {row.status}{f', {row.error}' if row.error else ''}"
            )
    return lines


def wall_line(wall: Wall) -> str:
    """Where the time went, and crosstrain's own share of it."""
    parts = ("training", "compiling", "importing", "evaluating", "proving", "preparing", "criteria", "rest")
    breakdown = ", ".join(
        f"{name} {text.clock(getattr(wall, name))}" for name in parts if getattr(wall, name) >= 0.05
    )
    own = f"crosstrain's own share {wall.own_share:.1%} (proofs apart)"
    return f"Time {text.clock(wall.total)}: {breakdown}; {own}."


def print_comparison(result: ComparisonResult, out: Console) -> None:
    """The table, what went wrong, what else decides, the recommendation, the account of time, and where all
    lies."""
    out.print(comparison_table(result))
    if explanation := legend(result):
        out.print(explanation, style="dim")
    if classical := classical_rows(result.classical):
        out.print()
        out.print(classical_table(classical))
        out.print(LEGEND, style="dim")
    for line in classical_faults(result):
        out.print(line, style="yellow")
    if result.tuning:
        out.print()
        out.print(compared_table(result.tuning))
    if result.search:
        out.print()
        out.print(search_table(result.search))
    for line in faults(result):
        out.print(line, style="red")
    for note in (*result.notes, *(entry["text"] for entry in result.stability)):
        out.print(note, style="yellow")
    of_result = answer(result)
    print_figures(of_result, out)
    print_forecasts(result.forecasts, out)
    print_criteria(result.criteria, out)
    out.print()
    print_answer(of_result, out)
    out.print()
    out.print(
        wall_line(Wall(**{k: v for k, v in result.wall.items() if k in Wall.model_fields})), style="dim"
    )
    out.print(f"Results are in {result.folder}", style="dim", soft_wrap=True)


def proof_table(engines: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each certificate: relative errors."""
    table = grid(
        ["engine", "precision", "cert", "outputs", "loss", "gradients", "after steps", "first departure"],
        right=(3, 4, 5, 6),
        flexible=7,
    )
    for each in engines:
        status = each["status"]
        mark = Text(f"{text.MARKS[status]} {status}", style=_STYLES[status])
        departure = each.get("first_departure") or {}
        where = " ".join(
            filter(None, [departure.get("stage"), departure.get("node") or departure.get("tensor")])
        )
        errors = [text.error(each.get(k)) for k in ("outputs", "loss", "gradients", "weights_after_steps")]
        table.add_row(each["engine"], each["precision"], mark, *errors, where or each.get("reason") or "")
    return table


def departures(engines: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each certificate that is not a proof: where it departs and why, or why there is none."""
    lines = []
    for each in engines:
        where = each.get("first_departure")
        if each["status"] == "proved":
            continue
        front = f"{each['engine']}, {each['precision']}: {each['status']}"
        lines.append(f"{front}, {departed(where) if where else each.get('reason') or 'no reason given'}")
        if where and where.get("expected") and where.get("got"):
            lines += [f"  expected {_entries(where['expected'])}", f"  got      {_entries(where['got'])}"]
    return lines


def _entries(numbers: Mapping[str, Any]) -> str:
    entries = ", ".join(f"{e:.6g}" if isinstance(e, float | int) else str(e) for e in numbers["entries"])
    return f"[{entries}, …], norm {numbers['norm']}"


def _together(result: CellResult) -> Iterator[str]:
    """What several workers cost, and in what their training is another one."""
    if result.workers > 1 and result.communication_seconds is not None and result.train_seconds:
        added, waited = (
            f"{(seconds or 0.0) / result.train_seconds:.1%}"
            for seconds in (result.communication_seconds, result.waiting_seconds)
        )
        yield (
            f"{result.workers} workers: {added} of the training went into adding up their gradients, of it "
            f"{waited} into waiting for the slowest."
        )
    yield from (f"Other than with one worker: {sentence}." for sentence in result.apart)


def print_training(result: CellResult, folder: Path, out: Console) -> None:
    """A training in a few lines."""
    if result.status != "done":
        out.print(
            f"{result.network} on {result.engine}: {result.status}, {result.error}",
            style="red",
            soft_wrap=True,
        )
    else:
        seconds = median([result.epoch_seconds])
        trained = counted(len(result.epochs), "epoch")
        words = [f"{result.network} on {result.engine} {result.engine_version or ''}: {trained}"]
        words.append(f"{text.interval(seconds)} s each")
        if result.score is not None:
            words.append(f"test {result.title} {text.share(result.score)}")
        words.append(text.memory(result.peak_memory_bytes))
        out.print(", ".join(words), style="bold", soft_wrap=True)
        for line in _together(result):
            out.print(line, soft_wrap=True)
        if result.best_epoch is not None and result.best_score is not None:
            out.print(
                f"That is of the last epoch, {len(result.epochs)}. Epoch {result.best_epoch} validated best: "
                f"its test {result.title} is {text.share(result.best_score)}, and crosstrain.load and "
                "crosstrain export take its weights.",
                soft_wrap=True,
            )
        numbers = quality(result)
        if (perplexity := numbers.pop("perplexity", None)) is not None:
            out.print(f"Perplexity of a step on the test part, last epoch: {perplexity:.4g}")
        if {"word error rate", "BLEU"} & set(numbers):
            shown = (f"{name} {text.share(value)}" for name, value in numbers.items())
            out.print(f"On the test part, last epoch: {', '.join(shown)}", soft_wrap=True)
        elif numbers:
            shown = (f"{name} {value:.3g}" for name, value in numbers.items())
            out.print(f"Means over classes, last epoch: {', '.join(shown)}", soft_wrap=True)
        for key, what in BY_CLASS.items():
            of_classes = test_metric(result.test_metrics, key)
            if not of_classes:
                continue
            names = [*result.classes, *map(str, range(len(result.classes), len(of_classes)))]
            known = [f"{n} {text.share(v)}" for n, v in zip(names, of_classes, strict=False) if v is not None]
            out.print(f"{what} by class: {', '.join(known)}", soft_wrap=True)
        for sentence in filter(None, (result.stopped, over_fits(result))):
            out.print(f"It {sentence}.", style="yellow", soft_wrap=True)
    if result.diverged:
        out.print(result.diverged, style="red", soft_wrap=True)
    out.print(f"Results are in {folder}", style="dim", soft_wrap=True)


def datasets_table(kinds: Sequence[Mapping[str, Any]]) -> Table:
    """Kinds of data sets, with the files that each expects, and the settings of their specs."""
    table = grid(["--data", "what it is, and its files"], flexible=1)
    for row in kinds:
        table.add_row(row["form"], f"{row['what']}; {row['where']}")
        for file in row["files"]:
            table.add_row("", Text(f"  {file}", style="dim"))
        for option in row["options"]:
            default = option["default"]
            value = ("yes" if default else "no") if isinstance(default, bool) else default or "…"
            table.add_row("", Text(f"  :{option['name']}={value}  {option['what']}", style="dim"))
    return table

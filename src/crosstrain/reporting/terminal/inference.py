"""The terminal's view of a comparison at inference, none of it wider than 100 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.inference import InferenceResult, InferenceRow
from crosstrain.results.rows import size_text


def print_inference(result: InferenceResult, out: Console) -> None:
    """Two tables (answers, and what they cost), what went wrong, the recommendation, and where all lies."""
    rows = result.rows()
    out.print(latency_table(rows))
    out.print()
    out.print(cost_table(rows, list(result.settings["batch_sizes"])))
    out.print(
        "✓ same classes on the whole test set and outputs within 1e-4 of the network's meaning", style="dim"
    )
    for row in rows:
        if fault := row.fault:
            out.print(f"{fault.network} on {fault.engine}: {fault.status}, {fault.error}", style="red")
    out.print()
    out.print(result.recommendation.reason, style="bold")
    out.print(f"Results are in {result.folder}", style="dim", soft_wrap=True)


def latency_table(rows: list[InferenceRow]) -> Table:
    """Latency of single examples, and whether the answers are correct."""
    columns = ["network", "size", "engine", "agrees", "error", "test acc", "p50 ms [95 %]", "p95", "p99"]
    table = grid(columns, right=(1, 4, 5, 6, 7, 8))
    for row in rows:
        front: list[Text | str] = [row.first.network, size_text(row.first.input_size), row.first.engine]
        if not row.done:
            table.add_row(*front, Text(row.first.status, style="red"))
            continue
        mark = Text("✓", "green") if row.agrees else Text(f"✗ {row.typical('classes_differ') or ''}", "red")
        table.add_row(
            *front, mark, text.error(row.typical("output_error")), text.share(row.typical("test_accuracy")),
            _milliseconds(row), *(_ms(row.percentile(share)) for share in (0.95, 0.99)),
        )  # fmt: skip
    return table


def cost_table(rows: list[InferenceRow], sizes: list[int]) -> Table:
    """Throughput by batch size, time to the first answer, size of the file, memory."""
    batches = [f"/s at {size}" for size in sizes]
    columns = ["network", "engine", *batches, "import", "load", "first", "file", "memory"]
    table = grid(columns, right=range(2, len(columns)))
    for row in rows:
        if not row.done:
            continue
        rates = [row.throughput(size) for size in sizes]
        table.add_row(
            row.first.network, row.first.engine, *(text.rate(rate.value if rate else None) for rate in rates),
            *(text.seconds(row.typical(f"{phase}_seconds")) for phase in ("import", "load", "first")),
            _size(row.typical("file_bytes")), text.memory(int(row.typical("peak_memory_bytes") or 0) or None),
        )  # fmt: skip
    return table


def _milliseconds(row: InferenceRow) -> str:
    latency = row.latency
    if latency is None:
        return text.NOTHING
    return f"{_ms(latency.value)} [{_ms(latency.low)}–{_ms(latency.high)}]"


def _ms(seconds: float | None) -> str:
    return text.NOTHING if seconds is None else f"{seconds * 1000:.3g}"


def _size(value: float | None) -> str:
    if value is None:
        return text.NOTHING
    return f"{value / 2**20:.1f} MiB" if value >= 2**20 else f"{value / 2**10:.0f} KiB"

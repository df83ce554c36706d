"""Tables of engines: what they can do here, and which networks they train."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid

_STYLES = {"ready": "green", "missing": "yellow"}


def engines_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each engine: version, devices, precisions, status."""
    table = grid(
        ["engine", "version", "does", "runs in", "devices", "precisions", "status", "size"],
        right=(7,), flexible=4,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row["name"],
            row["version"] or text.NOTHING,
            "trains, infers" if row["trains"] else "infers",
            row["environment"] or text.NOTHING,
            _devices(row) or text.NOTHING,
            " ".join(row["precisions"]) or text.NOTHING,
            Text(row["status"], style=_STYLES.get(row["status"], "red")),
            text.memory(row["bytes"]),
        )
    return table


def options_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The options of each engine, with their choices, the default first."""
    table = grid(["engine", "option", "choices", "what it does"], flexible=3)
    for row in rows:
        for name, option in row["options"].items():
            default = option["default"]
            choices = [default, *(choice for choice in option["choices"] if choice != default)]
            description = f"{option['help']}{' (open)' if option['division'] == 'open' else ''}"
            table.add_row(row["name"], name, "|".join(map(_choice, choices)), description)
    return table


def _devices(row: Mapping[str, Any]) -> str:
    """A line for each device: what it is called, the card's name and its memory."""
    lines = []
    for device in row["devices"]:
        known = row.get("hardware", {}).get(device) or {}
        # The processor is the same for all engines; the table has no room to repeat it.
        more = [] if device == "cpu" else [known.get("name"), text.memory(known.get("memory_bytes"))]
        front = " ".join([device, *(each for each in more if each and each != text.NOTHING)])
        lines.append(front)
    return "\n".join(lines)


def _choice(value: Any) -> str:
    """As it is written on the command line: JSON, text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def print_engines(rows: Sequence[Mapping[str, Any]], out: Console, *, options: bool = False) -> None:
    """The table, the errors of broken engines, and how to install missing ones."""
    out.print(engines_table(rows))
    if options:
        out.print()
        out.print(options_table(rows))
    for row in rows:
        if row["status"] == "broken":
            front = f"{row['name']}: {row['error']}"
            out.print(f"{front}; see: crosstrain engines doctor {row['name']}", style="red", soft_wrap=True)
    missing = [row["name"] for row in rows if row["status"] == "missing"]
    if missing:
        out.print()
        out.print(f"Not installed: {', '.join(missing)}.", style="yellow")
        out.print("Install with: crosstrain engines install NAME… (or --all)", style="yellow")


def print_findings(findings: Sequence[Mapping[str, Any]], out: Console) -> None:
    """A line for each healthy engine; for the others, each fault and its remedy."""
    for each in findings:
        front = " ".join(filter(None, [each["engine"], each["version"]]))
        if each["well"]:
            proved = f"; {' and '.join(each['proofs'])} proved" if each["proofs"] else ""
            devices = ", ".join(each["devices"])
            out.print(f"✓ {front}: well, on {devices}{proved}", style="green", soft_wrap=True)
            continue
        out.print(f"✗ {front}", style="red", soft_wrap=True)
        for fault in each["faults"]:
            out.print(f"    {fault}", style="red", soft_wrap=True)
        if each["mend"]:
            out.print(f"  what to do: {each['mend']}", style="bold", soft_wrap=True)


def pairs_table(pairs: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each engine, a column for each network: ✓ where it can be trained, ! where not."""
    networks = list(dict.fromkeys(pair["network"] for pair in pairs))
    runs = {(pair["engine"], pair["network"]): pair["runs"] for pair in pairs}
    table = grid(["engine", *networks], flexible=len(networks))
    for engine in dict.fromkeys(pair["engine"] for pair in pairs):
        marks = [runs[engine, network] for network in networks]
        table.add_row(engine, *(Text("✓", "green") if mark else Text("!", "yellow") for mark in marks))
    return table


def obstacles(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each reason why pairs do not run, with the networks that it stops."""
    stopped: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        if not pair["runs"]:
            stopped.setdefault((pair["engine"], pair["reason"]), []).append(pair["network"])
    every = len({pair["network"] for pair in pairs})
    lines = []
    for (engine, reason), networks in stopped.items():
        front = engine if len(networks) == every else f"{engine}, {', '.join(networks)}"
        lines.append(f"{front}: {reason}")
    return lines

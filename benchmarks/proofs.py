"""What the benchmarks that prove many networks share: a row for each, kept as it comes, and the table.

A row is a line of JSON. The same command goes on after an interruption; rows that are there stay.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from crosstrain.errors import CrosstrainError
from crosstrain.proof.certificate import Certificate
from crosstrain.proof.prove import BATCH, prove
from crosstrain.runs.definition import define
from crosstrain.runs.process import Outcome, run_job


@dataclass(frozen=True)
class Work:
    """A network to prove: its ``source`` as ``crosstrain prove`` takes it, the batch, and the shapes of its
    inputs (of an only one by the name "") where they are not the network's own."""

    name: str
    source: str
    batch: int = BATCH
    input_shapes: Mapping[str, tuple[int, ...]] | None = None


@dataclass
class Watched:
    """Runs a proof's processes, and keeps the seconds and the largest memory of each engine's."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, job: Mapping[str, Any], **options: Any) -> Outcome:
        outcome = run_job(job, **options)
        engine = str(job.get("engine") or job["task"])
        with self.lock:  # engines are proved side by side
            self.seconds[engine] = round(self.seconds.get(engine, 0.0) + outcome.seconds, 1)
            self.memory[engine] = max(self.memory.get(engine, 0), outcome.peak_memory_bytes or 0)
        return outcome


def parser(description: str | None, out: str) -> argparse.ArgumentParser:
    """The options that all have."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("networks", nargs="*", metavar="NAME")
    options.add_argument("--engines", default="torch,tensorflow,jax")
    options.add_argument("--steps", type=int, help="of training (usual: what `crosstrain prove` takes)")
    options.add_argument("--timeout", type=float, help="seconds for each process of a proof")
    options.add_argument("--out", type=Path, default=Path(out))
    options.add_argument("--list", action="store_true", help="the names, and nothing else")
    return options


def run(title: str, works: Sequence[Work], arguments: argparse.Namespace) -> int:
    """Prove what has no row yet, print the table, and return the exit code: 0 if all is proved."""
    known = {work.name: work for work in works}
    if unknown := [name for name in arguments.networks if name not in known]:
        print(f"there is no network {unknown[0]}; --list prints the names")
        return 2
    if arguments.list:
        print("\n".join(known))
        return 0
    names = arguments.networks or list(known)
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    rows = {row["network"]: row for row in map(json.loads, lines)}
    for name in names:
        if name not in rows:
            rows[name] = _row(known[name], arguments)
            with arguments.out.open("a") as file:
                file.write(json.dumps(rows[name]) + "\n")
    shown = [rows[name] for name in names]
    _show(title, shown)
    return 0 if all(_proved(row) for row in shown) else 1


def _row(work: Work, arguments: argparse.Namespace) -> dict[str, Any]:
    """A network defined and proved on every engine, in processes of its own."""
    row: dict[str, Any] = {"network": work.name, "batch": work.batch, "certificates": []}
    watched, started = Watched(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as folder:
        try:
            definition = define(
                work.source,
                folder=Path(folder) / "network",
                input_shapes=work.input_shapes,
                timeout=arguments.timeout,
            )
            row |= {
                "inputs": {name: list(each.shape) for name, each in definition.graph.inputs.items()},
                "parameters": definition.graph.parameters,
                "nodes": len(definition.graph.nodes),
                "define_seconds": round(time.monotonic() - started, 1),
            }
            started = time.monotonic()
            proof = prove(
                definition, arguments.engines.split(","), ["float64"], work=Path(folder),
                steps=arguments.steps, batch_size=work.batch, timeout=arguments.timeout, launch=watched,
            )  # fmt: skip
            row["certificates"] = [_certificate(each, watched) for each in proof]
        except CrosstrainError as error:
            row["error"] = str(error)
    row |= {
        "prove_seconds": round(time.monotonic() - started, 1),
        "process_seconds": watched.seconds,
        "peak_memory_bytes": watched.memory,
    }
    statuses = ", ".join(each["status"] for each in row["certificates"]) or row["error"]
    print(f"{work.name}: {row['prove_seconds']} s, {statuses}", flush=True)
    return row


def _certificate(certificate: Certificate, watched: Watched) -> dict[str, Any]:
    return {
        "engine": certificate.engine,
        "status": certificate.status,
        "gradients": certificate.gradients,
        "what": str(certificate.first_departure or certificate.reason or ""),
        "seconds": watched.seconds.get(certificate.engine),
        "peak_memory_bytes": watched.memory.get(certificate.engine),
    }


def _proved(row: Mapping[str, Any]) -> bool:
    return bool(row["certificates"]) and all(each["status"] == "proved" for each in row["certificates"])


def _show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=title)
    left = ("network", "engines proved")
    for column in (
        "network", "input", "batch", "parameters", "nodes", "define s", "prove s", "largest process",
        "engines proved", "worst gradient",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column in left else "right")
    for row in rows:
        proved = [each["engine"] for each in row["certificates"] if each["status"] == "proved"]
        worst = max((each["gradients"] or 0.0 for each in row["certificates"]), default=0.0)
        inputs = " ".join("×".join(map(str, shape)) for shape in row.get("inputs", {}).values())
        memory = max(row.get("peak_memory_bytes", {}).values(), default=0) / 2**20
        table.add_row(
            row["network"], inputs, str(row.get("batch", "")), f"{row.get('parameters', 0):,}",
            str(row.get("nodes", "")), f"{row.get('define_seconds', 0):.1f}", f"{row['prove_seconds']:.1f}",
            f"{memory:,.0f} MiB", ", ".join(proved), f"{worst:.1e}",
        )  # fmt: skip
    Console(width=140).print(table)
    for row in rows:
        if error := row.get("error"):
            print(f"{row['network']}: {error}")
        for each in row["certificates"]:
            if each["status"] != "proved":
                print(f"{row['network']} on {each['engine']}: {each['status']}. {each['what']}")

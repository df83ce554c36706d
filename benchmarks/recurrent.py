"""crosstrain's step of recurrent networks against hand-written loops and keras.Model.fit: examples/s over a
grid of cells, layers and lengths, ratios with 95 % intervals, and geometric means.

The contenders of a cell of the grid take turns, round after round, as in ``native.py``. A row is appended to
``--out`` as soon as it is measured; the same command goes on after an interruption.

    python benchmarks/recurrent.py [--grid lstm-1-100,gru-2-20] [--engines torch,tensorflow,jax] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crosstrain.runs.definition import define

sys.path.insert(0, str(Path(__file__).parent))
from native import Contender, interval, raced
from native_loops import recurrent
from native_loops.recurrent_networks import GRID

MODULES = {"crosstrain": "crosstrain_engine", "expert": "recurrent_{engine}", "keras": "keras_fit"}
ENGINES = ("torch", "tensorflow", "jax")


def measured(name: str, engine: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The rates of one cell of the grid on one engine."""
    task = recurrent.task(name)
    with tempfile.TemporaryDirectory() as folder:
        definition = define(
            task.network,
            targets={"": {"shape": [], "dtype": "int64", "classes": task.classes}},
            folder=Path(folder),
        )
        contenders = []
        for rival, module in MODULES.items():
            contender = Contender(
                name, engine, rival, definition.folder, arguments.batch_size, arguments.threads,
                module.format(engine=engine),
            )  # fmt: skip
            contender.ready()
            contenders.append(contender)
        title = f"{name} {engine}"
        rates = raced(title, contenders, arguments.rounds, arguments.seconds, arguments.batch_size)
    return {
        "network": name,
        "engine": engine,
        "batch_size": arguments.batch_size,
        "threads": arguments.threads,
        **{rival: rates[f"{engine} {rival}"] for rival in MODULES},
    }


def ratios(row: dict[str, Any], rival: str) -> np.ndarray:
    return np.asarray(np.array(row["crosstrain"]) / np.array(row[rival]))


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """The rows, and the geometric means by engine."""
    table = Table(title="examples/s (medians) and ratios with 95 % intervals")
    for column in ("network", "engine", *MODULES, "crosstrain / expert", "crosstrain / Keras fit"):
        table.add_column(column, justify="left" if column in ("network", "engine") else "right")
    for row in rows:
        cells = [f"{np.median(row[rival]):,.0f}" for rival in MODULES]
        for rival in ("expert", "keras"):
            low, high = interval(ratios(row, rival))
            cells.append(f"{np.median(ratios(row, rival)):.2f} [{low:.2f}, {high:.2f}]")
        table.add_row(row["network"], row["engine"], *cells)
    console.print(table)
    for rival in ("expert", "keras"):
        for engine in (*ENGINES, "all engines"):
            own = [r for r in rows if engine in (r["engine"], "all engines")]
            if own:
                medians = [float(np.median(ratios(r, rival))) for r in own]
                mean, least, most = float(np.exp(np.mean(np.log(medians)))), min(medians), max(medians)
                console.print(f"crosstrain / {rival}, {engine}: {mean:.2f} ({least:.2f} to {most:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", default=",".join(GRID), help="cells of the grid, as lstm-2-100")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long each turn takes")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("recurrent.jsonl"))
    arguments = parser.parse_args()
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    rows = [json.loads(line) for line in lines]
    known = {(row["network"], row["engine"]) for row in rows}
    for name in arguments.grid.split(","):
        for engine in arguments.engines.split(","):
            if (name, engine) not in known:
                rows.append(measured(name, engine, arguments))
                with arguments.out.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    show(rows, Console(width=110))


if __name__ == "__main__":
    main()

"""crosstrain's own cost: what share of a comparison is not training, compiling, importing or evaluating.

Runs a comparison from nothing (no prepared data, no definitions) and prints where its time went, with
proofs and without counting them: they train and compile too, but it is crosstrain that asks for them.
Below the table stands what a look at the machine's load costs, which every cell takes once a second.

    python benchmarks/overhead.py [--network resnet20] [--data digits] [--epochs 20] [--no-proof]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

LOOKS = 1000
PARTS = ("training", "compiling", "importing", "evaluating", "proving", "preparing", "rest")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--engines", default="torch,tensorflow,jax")
    parser.add_argument("--no-proof", dest="proof", action="store_false")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CROSSTRAIN_CACHE"] = str(Path(folder) / "cache")
        import crosstrain

        comparison = crosstrain.compare(
            arguments.network,
            data=arguments.data,
            sizes=[arguments.size],
            engines=arguments.engines.split(","),
            epochs=arguments.epochs,
            proof=arguments.proof,
            out=Path(folder) / "comparison",
        )
        wall = comparison.to_json()["wall"]
    total = wall["total"]
    table = Table(title=f"{arguments.network} on {arguments.data}, {arguments.epochs} epochs")
    for column in ("part", "seconds", "share"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part in PARTS:
        table.add_row(part, f"{wall[part]:.1f}", f"{wall[part] / total:.1%}")
    own = wall["preparing"] + wall["rest"]
    table.add_row("crosstrain's own (preparing, rest)", f"{own:.1f}", f"{own / total:.1%}")
    table.add_row("… and proving", f"{own + wall['proving']:.1f}", f"{(own + wall['proving']) / total:.1%}")
    Console(width=100).print(table)
    print(f"a look at the machine's load: {look_seconds() * 1e6:.0f} µs of a core, once a second")


def look_seconds() -> float:
    """Processor seconds of one look at a process and at the counters around it, the mean of many."""
    from crosstrain.system import surroundings
    from crosstrain.system.process_tree import Tree

    surroundings.SAMPLE_SECONDS = 0.0
    watched = surroundings.Surroundings(Tree(os.getpid()).processor_seconds)
    started = time.process_time()
    for _ in range(LOOKS):
        watched.sample()
    return (time.process_time() - started) / LOOKS


if __name__ == "__main__":
    main()

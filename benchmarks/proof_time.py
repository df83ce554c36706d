"""What a proof takes from nothing, and what workers save that are started ahead of their jobs.

Proves a network on one engine at a time, with and without such workers by turns, each time in a folder of its
own, and prints the median seconds of each and their ratio.

    python benchmarks/proof_time.py [--network lenet5] [--engines torch,tensorflow,jax] [--runs 5]
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from rich.console import Console
from rich.table import Table

from crosstrain.proof.prove import prove


def seconds(network: str, engine: str, precisions: list[str], *, start_ahead: bool) -> float:
    """Of one proof, which has to succeed."""
    started = time.perf_counter()
    proof = prove(network, [engine], precisions, start_ahead=start_ahead)
    taken = time.perf_counter() - started
    assert proof.proved, [str(certificate) for certificate in proof]
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="lenet5")
    parser.add_argument("--engines", default="torch,tensorflow,jax")
    parser.add_argument("--precisions", default="float64")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    precisions = arguments.precisions.split(",")
    table = Table(title=f"seconds of a proof of {arguments.network}, medians of {arguments.runs}")
    for column in ("engine", "one after the other", "started ahead", "ratio"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for engine in arguments.engines.split(","):
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(arguments.runs):
            for start_ahead, times in taken.items():
                times.append(seconds(arguments.network, engine, precisions, start_ahead=start_ahead))
        plain, ahead = median(taken[False]), median(taken[True])
        table.add_row(engine, f"{plain:.2f}", f"{ahead:.2f}", f"{ahead / plain:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

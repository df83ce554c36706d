"""Speed-up by workers: one training by 1, 2, … processes with the same batch, interleaved round by round.

Beside the times stand the efficiency (what N workers are faster, over N), what part of the training went into
adding up gradients and into waiting for the slowest, and Amdahl's serial part. ``ceiling`` is what the
machine has to give: so many single trainings side by side, and what they reach together against one alone;
``of it`` is what the workers reach of that. ``others`` are the cores that other processes took meanwhile:
figures of a machine that is busy say little.

    python benchmarks/scaling.py [--network idsia] [--size 48] [--engines torch,jax] [--workers 1,2]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import crosstrain
from crosstrain.comparison.training import Trained
from crosstrain.statistics.ratios import Interval, median, ratio
from crosstrain.statistics.scaling import serial_part

Runs = list[list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="idsia")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--engines", default="torch")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    counts = [int(each) for each in arguments.workers.split(",")]
    for engine in arguments.engines.split(","):
        with tempfile.TemporaryDirectory() as folder:
            measured, side_by_side = measure(arguments, engine, counts, Path(folder))
        Console(width=110).print(table(arguments, engine, measured, side_by_side))


def measure(
    arguments: argparse.Namespace, engine: str, counts: list[int], folder: Path
) -> tuple[dict[int, list[Trained]], dict[int, list[Trained]]]:
    """Trainings by the number of workers, and single ones by how many ran side by side."""
    measured: dict[int, list[Trained]] = defaultdict(list)
    side_by_side: dict[int, list[Trained]] = defaultdict(list)

    def train(name: str, workers: int) -> Trained:
        return crosstrain.train(
            arguments.network, data=arguments.data, size=arguments.size, engine=engine,
            epochs=arguments.epochs, threads=arguments.threads, batch_size=arguments.batch_size,
            workers=workers, device="cpu", out=folder / name, progress=False,
        )  # fmt: skip

    for number in range(arguments.rounds):
        for count in counts:
            measured[count].append(train(f"{number}-{count}", count))
            if count > 1:
                names = [f"{number}-{count}-{part}" for part in range(count)]
                with ThreadPoolExecutor(count) as pool:
                    side_by_side[count] += pool.map(train, names, [1] * count)
    return measured, side_by_side


def table(
    arguments: argparse.Namespace,
    engine: str,
    measured: dict[int, list[Trained]],
    side_by_side: dict[int, list[Trained]],
) -> Table:
    times = {count: seconds(trained) for count, trained in measured.items()}
    medians = {count: each.value for count, runs in times.items() if (each := median(runs))}
    serial = serial_part(medians)
    named = "" if serial is None else f", Amdahl's serial part {serial:.1%}"
    title = (
        f"{arguments.network}@{arguments.size} on {engine}, batches of {arguments.batch_size}, "
        f"{arguments.threads} thread(s) a worker{named}"
    )
    result = Table(title=title)
    for column in ("workers", "s/epoch", "speed-up", "efficiency", "adding up", "waiting", "ceiling", "of it",
                   "others"):  # fmt: skip
        result.add_column(column, justify="right")
    for count, trained in measured.items():
        faster = ratio(times[1], times[count]) if 1 in times else None
        together = ratio(times[1], seconds(side_by_side[count])) if count > 1 and 1 in times else None
        ceiling = together and count * together.value
        result.add_row(
            str(count), interval(median(times[count])), interval(faster),
            f"{faster.value / count:.2f}" if faster else "–",
            share(trained, "communication_seconds"), share(trained, "waiting_seconds"),
            f"{ceiling:.2f}" if ceiling else "–",
            f"{faster.value / ceiling:.2f}" if faster and ceiling else "–",
            f"{max(each.result.other_load or 0.0 for each in trained):.1f}",
        )  # fmt: skip
    return result


def seconds(trained: list[Trained]) -> Runs:
    """Of each process's epochs."""
    return [each.result.epoch_seconds for each in trained]


def share(trained: list[Trained], name: str) -> str:
    """What part of the training something took, in all processes together."""
    taken: list[Any] = [getattr(each.result, name) for each in trained]
    if None in taken:
        return "–"
    return f"{sum(taken) / sum(each.result.train_seconds for each in trained):.1%}"


def interval(value: Interval | None) -> str:
    return "–" if value is None else f"{value.value:.2f} [{value.low:.2f}–{value.high:.2f}]"


if __name__ == "__main__":
    main()

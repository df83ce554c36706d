"""The RBM against scikit-learn's ``BernoulliRBM``: the same data, sizes, updates, one after the other.

Both train by persistent contrastive divergence in float64 on one thread. Each round times both, in seconds of
the processor, which other programs on the machine disturb least; the ratio of a round is scikit-learn's time
over crosstrain's. Prints the median and the range of the ratios.

    python benchmarks/classic_rbm.py [--rounds 7] [--passes 2] [--mnist DIR]
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from crosstrain.classic import RBM


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--mnist", type=Path, help="folder of train-images-idx3-ubyte.gz")
    arguments = parser.parse_args()
    passes = arguments.passes
    digits = load_digits().data / 16
    settings = [("digits", digits, 100, 10), ("digits", digits, 256, 10), ("digits", digits, 256, 100)]
    if arguments.mnist:
        raw = gzip.decompress((arguments.mnist / "train-images-idx3-ubyte.gz").read_bytes())
        pictures = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)[:5000] / 255.0
        settings += [("MNIST", pictures, 256, 10), ("MNIST", pictures, 256, 100)]
    table = Table(title="RBM, PCD-1: time of BernoulliRBM / time of crosstrain's")
    for column in ("data", "hidden", "batch", "scikit-learn s", "crosstrain s", "ratio", "range"):
        table.add_column(column, justify="left" if column == "data" else "right")
    medians = []
    for name, data, hidden, batch in settings:
        theirs, ours = [], []
        for seed in range(arguments.rounds + 1):  # the first warms up
            theirs.append(
                seconds(BernoulliRBM(hidden, batch_size=batch, n_iter=passes, random_state=seed), data)
            )
            ours.append(
                seconds(RBM(hidden, method="pcd", batch_size=batch, n_iter=passes, random_state=seed), data)
            )
        ratios = [a / b for a, b in zip(theirs[1:], ours[1:], strict=True)]
        medians.append(statistics.median(ratios))
        table.add_row(
            name, str(hidden), str(batch), f"{statistics.median(theirs[1:]):.3f}",
            f"{statistics.median(ours[1:]):.3f}", f"{medians[-1]:.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
        )  # fmt: skip
    console = Console(width=100)
    console.print(table)
    console.print(f"geometric mean of the medians: {statistics.geometric_mean(medians):.2f}")


def seconds(machine: BernoulliRBM | RBM, data: np.ndarray) -> float:
    started = time.process_time()
    machine.fit(data)
    return time.process_time() - started


if __name__ == "__main__":
    with threadpool_limits(1):
        main()

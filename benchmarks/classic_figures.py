"""The figures of docs/classic/figures.md: capacity, deep belief and deep stacking nets on MNIST, the
travelling salesman. Each is measured anew with the settings that stand here.

    python benchmarks/classic_figures.py capacity|salesman|belief|stacking [--mnist DIR]
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from crosstrain.classic import DeepBeliefNetwork, DeepStackingNetwork, capacity_curve, theoretical_overlap
from crosstrain.classic.tasks.travelling_salesman import random_cities, travelling_salesman

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--mnist", type=Path, default=Path("../shared/data/mnist"))
    parser.add_argument("--units", type=int, default=2000, help="of the capacity's network")
    parser.add_argument("--train", type=int, default=60_000, help="training pictures of belief, stacking")
    parser.add_argument("--seeds", type=int, default=3, help="of belief, stacking")
    arguments = parser.parse_args()
    started = time.process_time()
    FIGURES[arguments.figure](arguments)
    print(f"{time.process_time() - started:.0f} s of the processor")


def capacity(arguments: argparse.Namespace) -> None:
    loads = (0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17)
    curve = capacity_curve(arguments.units, loads, probes=10, trials=2, random_state=0)
    print(f"{arguments.units} units; load, mean overlap, in theory, share recalled (overlap 0.9 or more):")
    for load, overlap, recalled in zip(curve.loads, curve.overlaps, curve.recalled, strict=True):
        print(f"{load:.2f}  {overlap:.3f}  {theoretical_overlap(load):.3f}  {recalled:.2f}", flush=True)
    print(f"half of the patterns are lost at {curve.critical_load:.3f} N")


def salesman(arguments: argparse.Namespace) -> None:
    """The networks' settings were chosen on the instances 0 to 9; these are others."""
    for network in ("boltzmann", "hopfield"):
        tours = [travelling_salesman(random_cities(10, seed), network) for seed in range(10, 20)]
        excess = [tour.excess for tour in tours]
        print(
            f"{network}: 10 instances of 10 cities, excess over the optimum: mean {np.mean(excess):.1%}, "
            f"worst {max(excess):.1%}; valid runs {np.mean([tour.valid for tour in tours]):.0%}",
            flush=True,
        )


def belief(arguments: argparse.Namespace) -> None:
    """Pre-training sees pictures without labels; fine-tuning 100 labelled ones of each class."""
    X, y, test_X, test_y = mnist(arguments.mnist)
    X, y = X[: arguments.train], y[: arguments.train]
    for seed in range(arguments.seeds):
        random = np.random.default_rng(seed)
        few = np.concatenate([random.choice(np.flatnonzero(y == c), 100, replace=False) for c in range(10)])
        for passes in (0, 5):
            network = DeepBeliefNetwork(
                (300, 300), pretraining_iter=passes, pretraining_rate=0.05, n_iter=60, learning_rate=0.05,
                batch_size=50, random_state=seed,
            )  # fmt: skip
            network.pretrain(X).fine_tune(X[few], y[few])
            error = 1 - network.score(test_X, test_y)
            print(f"seed {seed}, {passes} passes of pre-training: test error {error:.2%}", flush=True)


def stacking(arguments: argparse.Namespace) -> None:
    """The settings were chosen on the pictures 50,000 to 60,000 after training on those before them. The
    perceptrons have the same number of weights, and the same logistic units, or today's rectified ones."""
    X, y, test_X, test_y = mnist(arguments.mnist)
    X, y = X[: arguments.train], y[: arguments.train]
    for seed in range(arguments.seeds):
        network = DeepStackingNetwork(
            2, 150, n_iter=50, learning_rate=0.005, weight_decay=3e-5, random_state=seed
        ).fit(X, y)
        size = sum(m.lower.size + m.lower_bias.size + m.upper.size for m in network.modules_)
        scores = [np.mean(out.argmax(axis=1) == test_y) for out in network.staged_decision_function(test_X)]
        shown = ", ".join(f"{score:.2%}" for score in scores)
        print(f"seed {seed}, DSN, {size:,} weights: accuracy after each module {shown}", flush=True)
        hidden = round((size - 10) / (784 + 1 + 10))
        for units in ("logistic", "relu"):
            perceptron = MLPClassifier(
                (hidden,), activation=units, batch_size=100, max_iter=30, random_state=seed
            )
            perceptron.fit(X, y)
            weights = sum(each.size for each in [*perceptron.coefs_, *perceptron.intercepts_])
            print(
                f"seed {seed}, MLP, {weights:,} weights ({hidden} {units} units, {perceptron.n_iter_} "
                f"epochs): {perceptron.score(test_X, test_y):.2%}",
                flush=True,
            )


def mnist(folder: Path) -> Data:
    def read(name: str, offset: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / f"{name}.gz").read_bytes()), np.uint8, offset=offset)

    return (
        read("train-images-idx3-ubyte", 16).reshape(-1, 784) / 255.0,
        read("train-labels-idx1-ubyte", 8),
        read("t10k-images-idx3-ubyte", 16).reshape(-1, 784) / 255.0,
        read("t10k-labels-idx1-ubyte", 8),
    )


FIGURES: dict[str, Callable[[argparse.Namespace], None]] = {
    "capacity": capacity,
    "salesman": salesman,
    "belief": belief,
    "stacking": stacking,
}


if __name__ == "__main__":
    main()

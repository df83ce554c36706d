"""Self-organising maps: crosstrain against MiniSom, from the same weights, on the same data, in one run.

    python benchmarks/classic_som.py --minisom-python PYTHON [--rounds 5] [--passes 10] [--json FILE]

PYTHON is an interpreter that has MiniSom (``pip install minisom``), which is not part of crosstrain. Its
process stays up; rounds of both alternate. Online training sees the same samples in the same order with
the same decay, so both end with the same map but for rounding; the errors are printed. Both use one thread
for the matrix products. Times are of training alone; the map's making is in neither.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from crosstrain.classic import SelfOrganizingMap

RATE, RADIUS = 0.5, 2.0

MINISOM = f"""
import json, sys, time
import numpy as np
from minisom import MiniSom
for line in sys.stdin:
    task = json.loads(line)
    with np.load(task["file"]) as file:
        X, W = file["X"], file["W"]
    rows, columns = task["shape"]
    som = MiniSom(rows, columns, X.shape[1], sigma={RADIUS}, learning_rate={RATE})
    som._weights = W.reshape(rows, columns, -1).copy()
    train = som.train if task["training"] == "online" else som.train_batch_offline
    steps = task["passes"] * (len(X) if task["training"] == "online" else 1)
    started = time.perf_counter()
    train(X, steps)
    seconds = time.perf_counter() - started
    print(json.dumps({{"seconds": seconds, "error": float(som.quantization_error(X))}}), flush=True)
"""


@dataclass(frozen=True)
class Case:
    name: str
    data: np.ndarray
    shape: tuple[int, int]
    training: str = "online"


def cases() -> list[Case]:
    digits = load_digits().data / 16
    cancer = StandardScaler().fit_transform(load_breast_cancer().data)
    iris = StandardScaler().fit_transform(load_iris().data)
    return [
        Case("digits, 10 x 10", digits, (10, 10)),
        Case("digits, 20 x 20", digits, (20, 20)),
        Case("breast cancer, 12 x 12", cancer, (12, 12)),
        Case("iris, 8 x 8", iris, (8, 8)),
        Case("digits, 20 x 20, batch", digits, (20, 20), "batch"),
    ]


def ours(case: Case, weights: np.ndarray, passes: int) -> tuple[float, float]:
    """Seconds and quantisation error."""
    som = SelfOrganizingMap(
        *case.shape, training=case.training, init=weights, learning_rate=RATE, radius=RADIUS,
        decay="asymptotic", shuffle=False, max_iter=passes,
    )  # fmt: skip
    started = time.perf_counter()
    som.fit(case.data)
    return time.perf_counter() - started, som.quantisation_error(case.data)


def theirs(minisom: subprocess.Popen[str], case: Case, file: Path, passes: int) -> tuple[float, float]:
    assert minisom.stdin is not None
    assert minisom.stdout is not None
    task = {"file": str(file), "shape": case.shape, "training": case.training, "passes": passes}
    minisom.stdin.write(json.dumps(task) + "\n")
    minisom.stdin.flush()
    answer = minisom.stdout.readline()
    if not answer:
        raise SystemExit("MiniSom's process ended; does its Python have minisom and NumPy?")
    result = json.loads(answer)
    return result["seconds"], result["error"]


def compared(case: Case, minisom: subprocess.Popen[str], rounds: int, passes: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    weights = case.data[random.integers(len(case.data), size=case.shape[0] * case.shape[1])]
    here, there = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.npz"
        np.savez(file, X=case.data, W=weights)
        for number in range(rounds + 1):
            pair = ours(case, weights, passes), theirs(minisom, case, file, passes)
            if number:  # the first warms up
                here.append(pair[0])
                there.append(pair[1])
    ratios = [b[0] / a[0] for a, b in zip(here, there, strict=True)]
    return {
        "case": case.name,
        "crosstrain seconds": statistics.median(a for a, _ in here),
        "MiniSom seconds": statistics.median(b for b, _ in there),
        "ratio": statistics.median(ratios),
        "least ratio": min(ratios),
        "crosstrain error": here[-1][1],
        "MiniSom error": there[-1][1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minisom-python", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with (
        threadpool_limits(1),
        subprocess.Popen(
            [options.minisom_python, "-c", MINISOM], text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as minisom,
    ):  # fmt: skip
        rows = [compared(case, minisom, options.rounds, options.passes) for case in cases()]
        assert minisom.stdin is not None
        minisom.stdin.close()
    for row in rows:
        print(
            f"{row['case']:24} {row['ratio']:5.1f} times as fast as MiniSom "
            f"(at least {row['least ratio']:.1f}); "
            f"{row['crosstrain seconds']:.3f} s and {row['MiniSom seconds']:.3f} s; "
            f"quantisation error {row['crosstrain error']:.6f} and {row['MiniSom error']:.6f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

"""How much faster crosstrain.classic is than the libraries it follows, on the same data, in one run.

NeuroLab needs a NumPy below 1.24, and so a Python of its own:

    python3.11 -m venv old && old/bin/pip install "numpy==1.23.5" "scipy==1.10.1" "neurolab==0.3.5"
    python benchmarks/classic.py --neurolab old/bin/python [--repeats 5]

Each row trains, or answers, once in the one process and once in the other, in turn; the time is processor
time, the ratio that of the shortest times. Beside it the largest difference between both libraries' numbers,
of numbers above 1 relative to them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is loaded; both libraries get one core

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import classic_rows  # noqa: E402
from crosstrain.classic import neurolab  # noqa: E402


class NeuroLab:
    """NeuroLab in its own Python, which runs a row when asked."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, "-W", "ignore", str(Path(__file__).with_name("classic_rows.py")), "neurolab"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    def timed(self, name: str) -> tuple[float, list[float]]:
        assert self.process.stdin
        assert self.process.stdout
        print(name, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"NeuroLab failed in the row {name}; its message is above.")
        seconds, numbers = json.loads(answer)
        return seconds, numbers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--neurolab", required=True, metavar="PYTHON", help="a Python that has NeuroLab 0.3.5"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    arguments = parser.parse_args()
    theirs = NeuroLab(arguments.neurolab)
    table = Table(title="crosstrain.classic.neurolab beside NeuroLab 0.3.5")
    for column in ("row", "NeuroLab ms", "crosstrain ms", "ratio", "largest difference"):
        table.add_column(column, justify="left" if column == "row" else "right")
    ratios: dict[str, float] = {}
    for name in (name for name in classic_rows.ROWS if arguments.rows in name):
        pairs = [(theirs.timed(name), classic_rows.timed(neurolab, name)) for _ in range(arguments.repeats)]
        old, new = (min(pair[side][0] for pair in pairs) for side in (0, 1))
        ratios[name] = old / new
        table.add_row(
            name,
            f"{old * 1e3:.2f}",
            f"{new * 1e3:.3f}",
            f"{ratios[name]:.1f}",
            difference(name, *(each[1] for each in pairs[0])),
        )
    Console(width=110).print(table)
    for title, chosen in (
        ("1,000 samples", [ratio for name, ratio in ratios.items() if "1,000" in name]),
        (
            "the lecture's handful of samples",
            [ratio for name, ratio in ratios.items() if "1,000" not in name],
        ),
    ):
        if chosen:
            mean = math.exp(sum(map(math.log, chosen)) / len(chosen))
            print(f"{title}: geometric mean of {len(chosen)} ratios {mean:.1f}, least {min(chosen):.1f}")


def difference(name: str, old: list[float], new: list[float]) -> str:
    if name in classic_rows.SCIPY_DECIDES:
        return "by SciPy's release"
    if len(old) != len(new):
        return f"{len(old)} and {len(new)} numbers"
    # Of numbers above 1 the share: an error that runs away (Elman's with 1,000 samples, 5e11) is no measure.
    return f"{max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(old, new, strict=True)):.1e}"


if __name__ == "__main__":
    main()

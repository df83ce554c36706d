"""Certificates of the zoo's networks at the size of their papers: seconds, memory and verdict of each.

Weights are random, the numbers float64, the engines torch, tensorflow and jax; the smallest networks come
first. A batch has 8 examples, of networks with more than 100 million multiply-accumulates an example 2, the
fewest that a proof takes (batch normalization needs them). A row is appended to ``--out`` as soon as it is
known; the same command goes on after an interruption.

    python benchmarks/catalogue.py [NAME …] [--task image-classification] [--engines torch,jax] [--steps 2]
                                   [--timeout SECONDS] [--out FILE] [--list]
"""

from __future__ import annotations

import proofs
from crosstrain import zoo
from crosstrain.proof.prove import BATCH

LARGE = 100_000_000
FEWEST = 2


def works(task: str | None) -> list[proofs.Work]:
    rows = [row for row in zoo.networks().values() if task in (None, row.task)]
    return [
        proofs.Work(row.name, row.name, FEWEST if row.macs > LARGE else BATCH)
        for row in sorted(rows, key=lambda row: row.macs)
    ]


def main() -> int:
    parser = proofs.parser(__doc__, "catalogue.jsonl")
    parser.add_argument("--task", help="only networks of this task")
    arguments = parser.parse_args()
    return proofs.run("float64, random weights, the papers' sizes", works(arguments.task), arguments)


if __name__ == "__main__":
    raise SystemExit(main())

"""Certificates of the zoo's networks at the size of their papers: seconds, memory and verdict of each.

Weights are random, the numbers float64, the engines torch, tensorflow and jax; the smallest networks come
first. A batch has 8 examples, of networks with more than 100 million multiply-accumulates an example 2, the
fewest that a proof takes (batch normalization needs them). A row is appended to ``--out`` as soon as it is
known; the same command goes on after an interruption. ``--size`` takes smaller pictures: XLA multiplies
float64 convolutions in plain loops on a CPU, so that the large networks take JAX very long at 224 pixels.
Fast R-CNN is then given 64 proposals of each.

    python benchmarks/catalogue.py [NAME …] [--task image-classification] [--engines torch,jax] [--steps 2]
                                   [--size PIXELS] [--timeout SECONDS] [--out FILE] [--list]
"""

from __future__ import annotations

import proofs
from crosstrain import zoo
from crosstrain.proof.prove import BATCH

LARGE = 100_000_000
FEWEST = 2
PROPOSALS = 64


def works(task: str | None, size: int | None) -> list[proofs.Work]:
    rows = [row for row in zoo.networks().values() if task in (None, row.task)]
    return [work(row, size) for row in sorted(rows, key=lambda row: row.macs)]


def work(row: zoo.NetworkRow, size: int | None) -> proofs.Work:
    """``size`` are the sides of the pictures, where they are not the paper's."""
    batch = FEWEST if row.macs > LARGE else BATCH
    if size is None:
        return proofs.Work(row.name, row.name, batch)
    picture = (size, size, 3)
    if row.rows == "proposals":
        shapes = {"picture": picture, "proposals": (PROPOSALS, 4)}
        return proofs.Work(row.name, f"{row.name}:proposals={PROPOSALS}", batch, shapes)
    return proofs.Work(row.name, row.name, batch, {"": picture})


def main() -> int:
    parser = proofs.parser(__doc__, "catalogue.jsonl")
    parser.add_argument("--task", help="only networks of this task")
    parser.add_argument("--size", type=int, help="pixels of the pictures' sides (usual: the papers')")
    arguments = parser.parse_args()
    pictures = f"pictures of {arguments.size} pixels" if arguments.size else "the papers' sizes"
    return proofs.run(
        f"float64, random weights, {pictures}", works(arguments.task, arguments.size), arguments
    )


if __name__ == "__main__":
    raise SystemExit(main())

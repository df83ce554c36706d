"""Proves the source of every zoo network for every target, and tells the lines of code and the errors:

python -m tests.source.prove_all [TARGET …] [--networks NAME …]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from crosstrain.api import list_networks
from crosstrain.runs.definition import define
from crosstrain.source.generate import TARGETS, source_of
from crosstrain.source.proving import Subject, check, engine_for
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe

SGD = Recipe(optimizer=Optimizer("sgd", momentum=0.9))


def main() -> int:
    """0 where all that could run is proved."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=TARGETS, help=", ".join(TARGETS))
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=tuple(list_networks()))
    chosen = parser.parse_args()
    subjects, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.networks:
            d = define(name, folder=Path(folder) / name)
            losses = {output: Loss(**loss) for output, loss in d.data["losses"].items()}
            subjects.append(Subject(name, d.graph, d.loss, d.weights(), losses, SGD))
    for target in chosen.targets:
        if engine_for(target) is None:
            print(f"{target}: not installed", flush=True)
            continue
        start = time.perf_counter()
        for subject, result in zip(subjects, check(subjects, target), strict=True):
            lines = source_of(subject.graph, subject.losses, SGD, target, subject.name).lines
            errors = "  ".join(f"{group} {error:.1e}" for group, error in result.errors.items())
            verdict = "proved" if result.proved else "NOT EQUAL"
            failed += not result.proved
            print(
                f"{target:10} {subject.name:10} {lines:4}  {verdict:9} {result.error or errors}", flush=True
            )
        print(f"{target}: {time.perf_counter() - start:.0f} s", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

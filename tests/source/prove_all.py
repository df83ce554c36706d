"""Proves the source of every zoo network (its tiny variant) and of every tutorial's for every target, and
tells the lines of code and the errors, or why there is no source:

python -m tests.source.prove_all [TARGET …] [--networks NAME …]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from crosstrain.api import list_networks
from crosstrain.errors import CrosstrainError
from crosstrain.proof.holding.noise import without_noise
from crosstrain.runs.definition import define
from crosstrain.source.generate import TARGETS, source_of
from crosstrain.source.proving import Subject, check, engine_for
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from tests.tutorials.catalogue import TUTORIALS

SGD = Recipe(optimizer=Optimizer("sgd", momentum=0.9))


def main() -> int:
    """0 where all that has a source is proved."""
    every = (*(f"{name}:tiny" for name in list_networks()), *TUTORIALS)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=TARGETS, help=", ".join(TARGETS))
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=every)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subjects = list(defined(chosen.networks, Path(folder)))
    departed = 0
    for target in chosen.targets:
        if engine_for(target) is None:
            print(f"{target}: not installed", flush=True)
            continue
        start = time.perf_counter()
        written = [subject for subject in subjects if has_source(subject, target)]
        for subject, result in zip(written, check(written, target), strict=True):
            lines = source_of(subject.graph, subject.losses, SGD, target, subject.name).lines
            errors = "  ".join(f"{group} {error:.1e}" for group, error in result.errors.items())
            verdict = "proved" if result.proved else "NOT EQUAL"
            departed += not result.proved
            print(
                f"{target:10} {subject.name:24} {lines:4}  {verdict:9} {result.error or errors}", flush=True
            )
        print(f"{target}: {time.perf_counter() - start:.0f} s", flush=True)
    return min(departed, 1)


def defined(names: Sequence[str], folder: Path) -> Iterator[Subject]:
    for name in names:
        source = TUTORIALS[name].network if name in TUTORIALS else name
        try:
            d = define(source, folder=folder / name.replace(":", "-"))
        except CrosstrainError as error:
            print(f"{name}: not defined: {error}", flush=True)
            continue
        losses = {output: Loss(**loss) for output, loss in d.data["losses"].items()}
        yield Subject(name, d.graph, d.loss, d.weights(), losses, SGD)


def has_source(subject: Subject, target: str) -> bool:
    """Whether there is a source that can be proved; prints why not."""
    try:
        source_of(subject.graph, subject.losses, SGD, target, subject.name)
        without_noise(subject.graph)
    except CrosstrainError as error:
        print(f"{target:10} {subject.name:24} refused: {error}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

"""Definitions of the networks, made once for all tests of sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstrain import zoo
from crosstrain.runs.definition import Definition, define
from crosstrain.source.proving import Subject
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from tests.tutorials.catalogue import TUTORIALS

HERE = Path(__file__).parent / "networks.py"
OF_THE_PROOFS = Path(__file__).parents[1] / "proof" / "networks.py"
FILES = {
    "pictures": OF_THE_PROOFS, "lstm": OF_THE_PROOFS, "gru": OF_THE_PROOFS,
    **{name: tutorial.network.rpartition(":")[0] for name, tutorial in TUTORIALS.items()},
}  # fmt: skip
OWN = ("pictures", "lstm", "branched", "named_by_keras", "dense_blocks")
ZOO = ("mlp", "lenet5", "idsia", "resnet20", "resnet20-b", "resnet32", "resnet32-b")
ALL = (*ZOO, *OWN)
SGD = Recipe(optimizer=Optimizer("sgd", momentum=0.9))

Subjects = Callable[..., Subject]


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests() -> None:
    """Nothing here writes to the cache, and the environments of other frameworks are in the user's own."""


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subjects:
    """``subject(name, recipe)``: a network of the zoo, or of ``networks.py``."""
    folder = tmp_path_factory.mktemp("definitions")
    definitions: dict[str, Definition] = {}

    def of(name: str, recipe: Recipe = SGD) -> Subject:
        if name not in definitions:
            source = name if zoo.variant(name) else f"{FILES.get(name, HERE)}:{name}"
            definitions[name] = define(source, folder=folder / name)
        d = definitions[name]
        losses = {output: Loss(**loss) for output, loss in d.data["losses"].items()}
        return Subject(name, d.graph, d.loss, d.weights(), losses, recipe)

    return of

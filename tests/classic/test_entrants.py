"""Classical estimators as a comparison names them."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.datasets import load_iris

from crosstrain.classic.entrants import classifiers, parted, read
from crosstrain.errors import CrosstrainError


@pytest.mark.parametrize("name", sorted(classifiers()))
def test_every_classifier_is_an_entrant_that_learns(name: str) -> None:
    X, y = load_iris(return_X_y=True)
    quick = {
        "DeepBeliefNetwork": ":n_iter=2,pretraining_iter=1",
        "DeepStackingNetwork": ":n_iter=1,n_hidden=8",
    }
    estimator = read(f"classic:{name}{quick.get(name, '')}").estimator(3)
    assert estimator.get_params().get("random_state", 3) == 3
    assert set(estimator.fit(X / X.max(), y).predict(X / X.max())) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("classic:LVQ", {}),
        ("classic:LVQ:version=3,window=0.2", {"version": "3", "window": 0.2}),
        ("classic:LVQ:version=2.1:shuffle=false", {"version": "2.1", "shuffle": False}),
        ("classic:MultilayerPerceptronClassifier:hidden=100+50,rule=rprop",
         {"hidden": (100, 50), "rule": "rprop"}),
        ("classic:MultilayerPerceptronClassifier:hidden=100", {"hidden": (100,)}),
        ("classic:MultilayerPerceptronClassifier:goal=none,max_iter=5", {"goal": None, "max_iter": 5}),
        ("classic:RadialBasisNetworkClassifier:width=1.5,alpha=1e-3", {"width": 1.5, "alpha": 1e-3}),
        ("classic:RadialBasisNetworkClassifier:width=spread", {"width": "spread"}),
    ],
)  # fmt: skip
def test_parameters_are_read_in_their_types(text: str, parameters: dict[str, Any]) -> None:
    entrant = read(text)
    assert entrant.parameters == parameters
    assert read(entrant.text).parameters == parameters
    assert entrant.estimator(0).get_params().items() >= parameters.items()


def test_a_comma_may_part_networks_and_parameters() -> None:
    names = ["mlp", "classic:LVQ:version=3", "window=0.2", "vgg16:width=0.5", "classic:Madaline", "lenet5"]
    assert parted(names) == (
        ("classic:LVQ:version=3,window=0.2", "classic:Madaline"),
        ["mlp", "vgg16:width=0.5", "lenet5"],
    )
    assert parted(["mlp", "units=3"]) == ((), ["mlp", "units=3"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("classic:LVK", "there is no classical classifier 'LVK'; did you mean LVQ? There are "),
        ("classic:lvq", "did you mean LVQ"),
        ("classic:SelfOrganizingMap", "there is no classical classifier 'SelfOrganizingMap'; "),
        ("classic:", "there is no classical classifier ''; there are "),
        ("classic:LVQ:windw=1", "LVQ has no parameter 'windw'; it has version, prototypes_per_class, "),
        ("classic:LVQ:window", "write a parameter as classic:LVQ:NAME=VALUE, not 'window'"),
        ("classic:LVQ:window=", "write a parameter as classic:LVQ:NAME=VALUE, not 'window='"),
        ("classic:LVQ:window=1,window=2", "gives window twice"),
        ("classic:LVQ:random_state=1", "random_state comes from the comparison's seeds"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(CrosstrainError) as error:
        read(text)
    assert sentence in str(error.value)

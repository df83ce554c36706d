"""The zoo's networks are the published ones."""

from __future__ import annotations

import math

import keras
import pytest

from crosstrain import zoo
from crosstrain.errors import CrosstrainError
from crosstrain.graph.cost import cost
from crosstrain.graph.keras_import import import_model

ROWS = list(zoo.networks().values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_parameter_count_is_the_published_one(row: zoo.NetworkRow) -> None:
    model = zoo.build(row.name)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == row.parameters
    assert model.input_shape == (None, *row.input_shape)
    assert model.output_shape == (None, row.classes)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_multiply_accumulates_are_what_the_graph_counts(row: zoo.NetworkRow) -> None:
    assert cost(import_model(zoo.build(row.name), None)[0]).macs == row.macs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_input_shape_and_classes_are_arguments(row: zoo.NetworkRow) -> None:
    model = zoo.build(row.name, (40, 40, 2), 7)
    assert model.input_shape == (None, 40, 40, 2)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 20), ("resnet32", 32)])
def test_residual_networks_have_6n_plus_2_layers_with_weights(name: str, depth: int) -> None:
    """He et al. 2015, section 4.2; projections (option B) are not counted."""
    weighted = [
        layer
        for layer in zoo.build(name).layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert len(weighted) == depth


def test_an_unknown_network_is_told_with_those_there_are() -> None:
    with pytest.raises(CrosstrainError, match=r"no network 'resnet99'.*resnet20"):
        zoo.build("resnet99")


def test_listing_imports_no_framework() -> None:
    import subprocess
    import sys

    code = (
        "import sys, crosstrain.zoo as z; z.networks(); "
        "sys.exit(bool({'keras', 'torch', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

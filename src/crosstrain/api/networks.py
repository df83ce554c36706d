"""Networks: the catalogue, one of them described, and how the public functions take them (by name, or as
Keras models)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosstrain import zoo
from crosstrain.api.objects import Examples, saved, shaped
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.network.description import NetworkDescription
from crosstrain.runs.definition import define, source
from crosstrain.training import spelling
from crosstrain.training.papers import PaperRecipe, papers
from crosstrain.zoo.catalogue.choosing import chosen


def list_networks(
    *, task: str | None = None, year: int | str | None = None, max_parameters: int | str | None = None
) -> dict[str, zoo.NetworkRow]:
    """The networks of the catalogue by name: all, or those of a ``task``, of a ``year`` (``2015``,
    ``"2014-2016"``, ``"2016-"``, ``"-2012"``) and of at most ``max_parameters`` (``"5M"``)."""
    return chosen(zoo.networks(), task, year, max_parameters)


def list_recipes(name: str | None = None) -> dict[str, PaperRecipe]:
    """The training recipes of papers by name, or the one called ``name``: what ``recipe=`` takes. Raises
    ``CrosstrainError`` for one that there is not."""
    known = papers()
    if name is None:
        return known
    if name not in known:
        raise CrosstrainError(f"there is no recipe {name!r}; there are {', '.join(known)}")
    return {name: known[name]}


def describe_network(
    network: Any, *, input_shape: Sequence[int] | None = None, classes: int | None = None, trust: bool = False
) -> NetworkDescription:
    """The layers of a network, and its graph to draw.

    ``network`` is a name of the catalogue, ``file.py:function`` (of a Keras model or a PyTorch
    module), ``model.keras``, ``model.onnx``, ``model.pt2``, a Keras model or, with ``input_shape``, a
    PyTorch module; ``input_shape`` (without the batch) and ``classes`` replace its own. The result has
    ``outline`` (all layers), ``draw(path)`` and ``to_json()``. Nothing is trained, and no weights are drawn.
    Raises ``CrosstrainError`` for a network that cannot be defined.
    """
    names, own = names_of(network, shaped(input_shape))
    if len(names) != 1:
        raise CrosstrainError(f"one network can be described at a time, not {len(names)}")
    variant = zoo.variant(names[0])
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as folder:
        definition = define(
            source(names[0]),
            folder=Path(folder),
            input_shapes={"": input_shape} if input_shape else None,
            classes=classes,
            trust=trust or own,
            drawn=False,
        )
        return NetworkDescription.of(names[0], variant.row if variant else None, definition.graph)


def names_of(network: Any, examples: Examples | None = None) -> tuple[list[str], bool]:
    """Networks by name, and whether there are models among them that were given as objects: those are the
    caller's own and trusted. They are saved to files, for the workers; PyTorch modules with ``examples``."""
    networks = list(network) if isinstance(network, list | tuple) else [network]
    names = [
        name
        for each in networks
        for name in (spelling.items(each) if isinstance(each, str) else [saved(each, examples)])
    ]
    return names, not all(isinstance(each, str) for each in networks)

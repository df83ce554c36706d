"""Reads the files that :mod:`crosstrain.classic.neurolab.storage` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import core, error, init, layer, train, trans
from crosstrain.classic.neurolab.storage import FORMAT

KINDS = {kind.__name__: kind for kind in (layer.Perceptron, layer.Competitive, layer.Reccurent)}
CLASSES: dict[str, Any] = {each.__name__: each for each in (*trans.ROWWISE, *error.ROWWISE, init.InitRand)}
FUNCTIONS = {
    each.__name__: each
    for each in (init.init_rand, init.initwb_reg, init.init_zeros, init.midpoint, init.initnw)
}
TRAINERS = {
    each._train_class.__name__: each for each in vars(train).values() if isinstance(each, core.Trainer)
}


def load(fname: str) -> core.Net:
    """The network in the file.

    :raises ValueError: the file holds no network.
    """
    try:
        description = json.loads(Path(fname).read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(description["format"])
        return _net(description)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ValueError(
            f"{fname} is no file of a network that save() wrote ({type(fault).__name__}: {fault})"
        ) from fault


def _net(description: dict[str, Any]) -> core.Net:
    layers = [_layer(each) for each in description["layers"]]
    initialisations = [each.initf for each in layers]
    for each in layers:
        each.initf = None  # a network that is made draws first weights; these have theirs
    trainer = description["trainf"]
    errorf = description["errorf"]
    net = core.Net(
        description["inp_minmax"],
        description["co"],
        layers,
        description["connect"],
        None if trainer is None else TRAINERS[trainer],
        None if errorf is None else _thing(errorf),
    )
    for each, initialisation in zip(layers, initialisations, strict=True):
        each.initf = initialisation
    return net


def _layer(description: dict[str, Any]) -> Any:
    kind = KINDS[description["kind"]]
    sizes = (description["ci"], description["cn"])
    transf = () if kind is layer.Competitive else (_thing(description["transf"]),)
    made: Any = kind(*sizes, *transf, **description["options"])
    functions = [_thing(each) for each in description["initf"]]
    made.initf = functions[0] if len(functions) == 1 else functions or None
    for name, values in description["np"].items():
        made.np[name][:] = values
    made.out = np.array(description["out"])
    return made


def _thing(description: dict[str, Any]) -> Any:
    if "function" in description:
        return FUNCTIONS[description["function"]]
    made = object.__new__(CLASSES[description["class"]])
    vars(made).update(description["attributes"])
    return made

"""Networks as JSON files: the kinds of layers and functions by name, the weights as numbers, nothing that
runs.

Numbers are written so that they are read back to the last bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FORMAT = "crosstrain.classic.neurolab 1"


def save(net: Any, fname: str) -> None:
    """Writes the network to ``fname``.

    :raises ValueError: it has a part that is not of this package, which no file could bring back.
    """
    description = {
        "format": FORMAT,
        "inp_minmax": net.inp_minmax.tolist(),
        "co": net.co,
        "connect": net.connect,
        "trainf": _trainer(net.trainf),
        "errorf": None if net.errorf is None else _thing(net.errorf),
        "layers": [_layer(layer) for layer in net.layers],
    }
    Path(fname).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def _layer(layer: Any) -> dict[str, Any]:
    options = {name: getattr(layer, name) for name in ("max_iter", "delta") if hasattr(layer, name)}
    initf = layer.initf if isinstance(layer.initf, list) else [layer.initf]
    return {
        "kind": _own(type(layer)),
        "ci": layer.ci,
        "cn": layer.cn,
        "transf": _thing(layer.transf),
        "initf": [_thing(function) for function in initf if function is not None],
        "options": options,
        "np": {name: values.tolist() for name, values in layer.np.items()},
        "out": [float(value) for value in layer.out],
    }


def _thing(thing: Any) -> dict[str, Any]:
    """A function, or an object by its class and its plain attributes."""
    if hasattr(thing, "__qualname__"):
        return {"function": _own(thing)}
    return {
        "class": _own(type(thing)),
        "attributes": {name: _plain(value) for name, value in vars(thing).items()},
    }


def _plain(value: Any) -> Any:
    return (
        value
        if isinstance(value, str | int | float)
        else [float(each) if not isinstance(each, str) else each for each in value]
    )


def _trainer(trainf: Any) -> str | None:
    return None if trainf is None else _own(trainf._train_class)


def _own(thing: Any) -> str:
    package = __name__.rpartition(".")[0]
    if not thing.__module__.startswith(package):
        raise ValueError(
            f"A network with {thing.__qualname__} cannot be saved: only layers and functions of "
            f"{package} can be read back"
        )
    return str(thing.__qualname__)

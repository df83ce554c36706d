"""The catalogue of networks: a row for each, and one function that builds it in Keras.

Listing needs no Keras; ``build`` imports it. To add a network: a function in a module of this folder and
a row here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crosstrain.errors import CrosstrainError

if TYPE_CHECKING:
    import keras

__all__ = ["NetworkRow", "build", "network_row", "networks"]


@dataclass(frozen=True)
class NetworkRow:
    """``function`` is "module:function" and takes (input_shape, classes), both as in ``input_shape``
    (height, width, channels) and ``classes``; those given here are the paper's. ``parameters`` counts the
    trainable numbers at that shape, ``macs`` the multiply-accumulates for one example (tests hold the
    network to both)."""

    name: str
    function: str
    summary: str
    paper: str
    input_shape: tuple[int, int, int]
    classes: int
    parameters: int
    macs: int


_ROWS = (
    NetworkRow(
        "mlp",
        "perceptron:mlp",
        "two hidden layers, 300 and 100 units",
        "LeCun et al. 1998, section III.C.4 (28×28-300-100-10)",
        (28, 28, 1),
        10,
        266_610,
        266_200,
    ),
    NetworkRow(
        "lenet5",
        "lenet:lenet5",
        "two convolutions with average pooling, three dense layers",
        "LeCun et al. 1998, figure 2",
        (32, 32, 1),
        10,
        61_706,
        416_520,
    ),
    NetworkRow(
        "idsia",
        "idsia:idsia",
        "three wide convolutions with max pooling: one column of the traffic-sign committee",
        "Cireşan et al. 2011, table I",
        (48, 48, 3),
        43,
        1_793_943,
        124_526_100,
    ),
    NetworkRow(
        "resnet20",
        "resnet:resnet20",
        "residual network of 20 layers, parameter-free shortcuts (option A)",
        "He et al. 2015, section 4.2",
        (32, 32, 3),
        10,
        269_722,
        40_551_040,
    ),
    NetworkRow(
        "resnet20-b",
        "resnet:resnet20_b",
        "residual network of 20 layers, projection shortcuts (option B)",
        "He et al. 2015, sections 3.3 and 4.2",
        (32, 32, 3),
        10,
        272_474,
        40_813_184,
    ),
    NetworkRow(
        "resnet32",
        "resnet:resnet32",
        "residual network of 32 layers, parameter-free shortcuts (option A)",
        "He et al. 2015, section 4.2",
        (32, 32, 3),
        10,
        464_154,
        68_862_592,
    ),
    NetworkRow(
        "resnet32-b",
        "resnet:resnet32_b",
        "residual network of 32 layers, projection shortcuts (option B)",
        "He et al. 2015, sections 3.3 and 4.2",
        (32, 32, 3),
        10,
        466_906,
        69_124_736,
    ),
)


def networks() -> dict[str, NetworkRow]:
    """All rows by name."""
    return {row.name: row for row in _ROWS}


def network_row(name: str) -> NetworkRow:
    """The row called ``name``; ``CrosstrainError`` names those there are."""
    rows = networks()
    if name not in rows:
        raise CrosstrainError(
            f"there is no network {name!r} in the zoo; there are {', '.join(rows)}, "
            "or give file.py:function or model.keras"
        )
    return rows[name]


def build(name: str, input_shape: tuple[int, ...] | None = None, classes: int | None = None) -> keras.Model:
    """The Keras model called ``name``; its last layer gives logits, (batch, classes).

    ``input_shape`` is (height, width, channels); what is not given is the paper's.
    """
    row = network_row(name)
    module, _, function = row.function.partition(":")
    builder = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    model: keras.Model = builder(tuple(input_shape or row.input_shape), classes or row.classes)
    return model

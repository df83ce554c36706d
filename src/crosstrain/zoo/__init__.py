"""The catalogue of networks: a row for each, and a function that builds it in Keras.

Listing needs no Keras; ``build`` imports it. To add a network: a function in a module of this folder and a
row in ``catalogue/networks.py``. A network is asked for as ``NAME``, ``NAME:ARGUMENT=VALUE`` (several, each
after a colon) or ``NAME:tiny``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.system.files import slug
from crosstrain.system.recursion import deep_recursion
from crosstrain.zoo.catalogue.applications import APPLICATIONS
from crosstrain.zoo.catalogue.detection import DETECTION
from crosstrain.zoo.catalogue.networks import NETWORKS
from crosstrain.zoo.catalogue.regions import REGIONS
from crosstrain.zoo.catalogue.row import NetworkRow
from crosstrain.zoo.catalogue.segmentation import SEGMENTATION
from crosstrain.zoo.catalogue.sequences import SEQUENCES

if TYPE_CHECKING:
    import keras

__all__ = ["TINY", "NetworkRow", "Variant", "build", "network_row", "networks", "unknown", "variant"]

TINY = "tiny"
"""What asks for the variant for tests: ``NAME:tiny``."""
_ROWS = (*NETWORKS, *SEGMENTATION, *DETECTION, *REGIONS, *SEQUENCES, *APPLICATIONS)


@dataclass(frozen=True)
class Variant:
    """A network of the catalogue with arguments: ``vgg16:width=0.5``. ``arguments`` are those written, as
    text; ``tiny`` asks for the row's variant for tests, of which they change more."""

    row: NetworkRow
    tiny: bool
    arguments: Mapping[str, str]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels), or steps, where no other is asked for."""
        return tuple(self._sizes.get("input_shape", self.row.input_shape))

    @property
    def classes(self) -> int:
        """The number of classes where no other is asked for."""
        return int(self._sizes.get("classes", self.row.classes))

    @property
    def settings(self) -> dict[str, Any]:
        """The row's arguments for the function, without those written."""
        sizes = ("input_shape", "classes")
        return {k: v for k, v in {**self.row.arguments, **self._sizes}.items() if k not in sizes}

    @property
    def _sizes(self) -> Mapping[str, Any]:
        return self.row.tiny if self.tiny else {}


def networks() -> dict[str, NetworkRow]:
    """All rows by name."""
    return {row.name: row for row in _ROWS}


def network_row(name: str) -> NetworkRow:
    """The row called ``name``; ``CrosstrainError`` names those there are."""
    rows = networks()
    if name not in rows:
        raise unknown(name)
    return rows[name]


def unknown(name: str) -> CrosstrainError:
    """The error that says so of a name that is no network, with those like it."""
    near = difflib.get_close_matches(name, networks(), 3)
    hint = f"did you mean {' or '.join(near)}" if near else "'crosstrain networks' lists them"
    return CrosstrainError(
        f"there is no network {name!r} in the zoo; {hint}, or give file.py:function, model.keras or "
        "model.onnx (net.prototxt, predict_net.pb)"
    )


def variant(text: str) -> Variant | None:
    """What ``NAME[:ARGUMENT=VALUE…]`` asks for; None where NAME is not in the catalogue. Raises
    ``CrosstrainError`` for arguments that are not written so."""
    name, *parts = text.split(":")
    row = networks().get(name)
    if row is None:
        return None
    arguments = {}
    for part in parts:
        if part == TINY:
            continue
        argument, equals, value = part.partition("=")
        if not (argument and equals and value):
            raise CrosstrainError(f"{text}: write an argument as {name}:NAME=VALUE, or {name}:{TINY}")
        if argument in arguments:
            raise CrosstrainError(f"{text} gives {argument} twice")
        arguments[argument] = value
    return Variant(row, TINY in parts, arguments)


def build(
    name: str,
    input_shape: tuple[int, ...] | None = None,
    classes: int | None = None,
    vocabulary: int | None = None,
    rows: int | None = None,
) -> keras.Model:
    """The Keras model called ``name`` (with arguments, as ``vgg16:width=0.5``); its last layer gives logits,
    (batch, classes), in segmentation (batch, height, width, classes), or as many numbers.

    ``input_shape`` is (height, width, channels), or (steps, variables), or (steps,) of tokens, of which there
    are ``vocabulary``; ``rows`` is how many rows (tokens, regions) a second input has; what is not given is
    the paper's. Raises ``CrosstrainError`` for a name or an argument that there is not, and for tokens where
    the network takes none.
    """
    wanted = variant(name)
    if wanted is None:
        raise unknown(name)
    module, _, function = wanted.row.function.partition(":")
    builder = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    written = _values(name, builder, wanted)
    settings = {**wanted.settings, **written}
    if vocabulary is not None:
        if "vocabulary" not in inspect.signature(builder).parameters:
            raise CrosstrainError(f"{wanted.row.name} takes no tokens of text; one that does is lstm")
        settings["vocabulary"] = vocabulary
    if rows is not None:
        settings[wanted.row.rows] = rows
    # Without JAX, Keras's NumPy backend learns shapes by running layers on arrays that nothing has filled.
    with deep_recursion(), np.errstate(all="ignore"):
        model: keras.Model = builder(
            tuple(input_shape or wanted.input_shape), classes or wanted.classes, **settings
        )
    model.name = slug(name)  # functions build families, and Keras has names of its own
    return model


def _values(name: str, builder: Callable[..., Any], wanted: Variant) -> dict[str, Any]:
    """The written arguments, in the types of the function's defaults."""
    parameters = inspect.signature(builder).parameters
    known = {
        key: parameter.default
        for key, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and type(parameter.default) in _READERS
        and key not in wanted.row.arguments  # what makes the network the one that it is called
    }
    values = {}
    for key, text in wanted.arguments.items():
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise CrosstrainError(f"{wanted.row.name} has no argument {key!r}; {has}")
        kind = type(known[key])
        try:
            values[key] = _READERS[kind](text)
        except (ValueError, KeyError) as error:
            raise CrosstrainError(f"{name}: {key} is {_KINDS[kind]}, not {text!r}") from error
        if kind is str:
            continue
        if not 0 <= values[key] < math.inf or (key == "width" and not values[key]):
            raise CrosstrainError(f"{name}: {key} must not be {text}")
    return values


_READERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    int: int,
    float: float,
    str: str,
}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}

"""Which augmentations there are and what their settings may be, as data. ``data/augmentation`` applies them.

An augmentation is a mapping of names to values, as ``{"flip": True, "shift": 4}``: JSON, part of a recipe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

FILLS = ("constant", "nearest", "reflect", "wrap")
"""Fill modes: ``grid-constant``, ``nearest``, ``reflect`` and ``grid-wrap`` of ``scipy.ndimage``."""


@dataclass(frozen=True)
class Kind:
    """What a value may be: in words, and as a predicate."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Setting:
    """One augmentation. ``alone`` is its value where only its name is given, None where a value is needed.

    ``evaluated`` says that it is no chance but a preparation that evaluation needs as well, ``fitted`` that
    it needs statistics of the training part, ``colour`` that it works on values from 0 to 1.
    """

    help: str
    kind: Kind
    alone: Any = None
    evaluated: bool = False
    fitted: bool = False
    colour: bool = False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _between(low: float, high: float, words: str) -> Kind:
    """Numbers above ``low``, up to ``high``."""
    return Kind(words, lambda value: _number(value) and low < value <= high)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


SWITCH = Kind("on or off", lambda value: value is True)
PIXELS = Kind("a whole number of pixels", _whole)
REACH = Kind(
    "a whole number of pixels, or a share of the side below 1",
    lambda value: _whole(value) or (_number(value) and 0 < value < 1),
)
SHARE = _between(0, 1, "a number above 0, at most 1")
FACTOR = Kind("a number above 0, below 1", lambda value: _number(value) and 0 < value < 1)

SETTINGS: Mapping[str, Setting] = {
    # -- where things are: one resampling for all of them
    "flip": Setting("mirror left to right, with probability 1/2", SWITCH, True),
    "flip-vertical": Setting("mirror top to bottom, with probability 1/2", SWITCH, True),
    "shift": Setting("move along both axes by up to so many pixels, or such a share of the side", REACH),
    "shift-x": Setting("move along the width", REACH),
    "shift-y": Setting("move along the height", REACH),
    "rotate": Setting("turn by up to so many degrees", _between(0, 180, "degrees above 0, at most 180")),
    "shear": Setting("shear by up to so many degrees", _between(0, 89, "degrees above 0, at most 89")),
    "zoom": Setting("scale both axes by one factor in [1 - zoom, 1 + zoom]", FACTOR),
    "stretch": Setting("scale each axis by a factor of its own in [1 - stretch, 1 + stretch]", FACTOR),
    "crop": Setting("a random part of so many pixels; the centre in evaluation", PIXELS, evaluated=True),
    "fill": Setting(
        "what lies beyond the edge: constant (0), nearest, reflect or wrap",
        Kind(f"one of {', '.join(FILLS)}", lambda value: value in FILLS),
    ),
    # -- colours: one affine map for all of them, clipped to 0..1 at the end
    "jitter": Setting("brightness, contrast and saturation at once", SHARE, colour=True),
    "brightness": Setting("multiply by a factor in [1 - b, 1 + b]", SHARE, colour=True),
    "contrast": Setting("distance from the mean grey, by a factor in [1 - c, 1 + c]", SHARE, colour=True),
    "saturation": Setting("distance from its own grey, by a factor in [1 - s, 1 + s]", SHARE, colour=True),
    "hue": Setting(
        "turn the hue by up to such a share of the circle",
        _between(0, 0.5, "a number above 0, at most 0.5"),
        colour=True,
    ),
    "channel-shift": Setting("add a number in [-c, c] to every value", SHARE, colour=True),
    "pca-colour": Setting(
        "add the colours' principal components, times normal numbers of this deviation (AlexNet)",
        SHARE, 0.1, fitted=True, colour=True,
    ),
    # -- numbers: the same in evaluation
    "rescale": Setting(
        "multiply by this",
        Kind("a number other than 0", lambda value: _number(value) and value != 0),
        evaluated=True,
    ),
    "center-sample": Setting("take each example's own mean away", SWITCH, True, evaluated=True),
    "standardize-sample": Setting("each example to mean 0 and deviation 1", SWITCH, True, evaluated=True),
    "center": Setting("take the training part's mean of each channel away", SWITCH, True, True, True),
    "standardize": Setting("each channel to mean 0 and deviation 1 in training", SWITCH, True, True, True),
    "zca": Setting(
        "whiten (ZCA) with the training part's covariance; the value is added to singular values",
        SHARE, 1e-6, evaluated=True, fitted=True,
    ),
    # -- what is taken away, and mixing
    "cutout": Setting("a square of so many pixels becomes 0 (DeVries and Taylor 2017)", PIXELS),
    "mixup": Setting(
        "mix pairs of examples and of their targets with weights from Beta(a, a) (Zhang et al. 2018)",
        _between(0, 100, "a number above 0, at most 100"), 0.2,
    ),
}  # fmt: skip
"""Every augmentation in the order in which they are applied, whatever the order in which they are named."""

ALSO = {"pca-color": "pca-colour"}
"""Other spellings. Those with ``_`` in place of ``-`` are read as well."""


def name_of(text: str) -> str:
    """The augmentation that ``text`` names. ``ValueError`` lists those there are."""
    name = text.strip().replace("_", "-")
    name = ALSO.get(name, name)
    if name not in SETTINGS:
        raise ValueError(f"there is no augmentation {text!r}; there are {', '.join(SETTINGS)}")
    return name


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under their names, in the order of ``SETTINGS``, without those that are off (False, 0,
    None). ``ValueError`` says which is unknown or has a wrong value."""
    given: dict[str, Any] = {}
    for text, value in settings.items():
        name = name_of(text)
        setting = SETTINGS[name]
        if name in given:
            raise ValueError(f"the augmentation {name!r} is named twice")
        # A number is no switch: 0 is off, 1 is a value.
        if value is None or value is False or (value == 0 and _number(value)):
            continue
        if value is True and setting.alone is not None:
            value = setting.alone
        if not setting.kind.fits(value):
            raise ValueError(
                f"the augmentation {name!r} cannot be {_short(value)}; it is {setting.kind.words}"
            )
        given[name] = value
    if "shift" in given and {"shift-x", "shift-y"} & given.keys():
        raise ValueError("the augmentation 'shift' is both shift-x and shift-y; give it or them")
    complete = _complete(given)
    return {name: complete[name] for name in SETTINGS if name in complete}


def _complete(given: dict[str, Any]) -> dict[str, Any]:
    """With what a setting rests on, and without what another one does anyway."""
    if "zca" in given and "standardize" not in given:
        given["center"] = True
    for name, without in (("standardize", "center"), ("standardize-sample", "center-sample")):
        if name in given:
            given.pop(without, None)
    return given


def parts(settings: Mapping[str, Any], quality: str) -> dict[str, Any]:
    """Those of checked settings that are ``evaluated``, ``fitted`` or ``colour``."""
    return {name: value for name, value in settings.items() if getattr(SETTINGS[name], quality)}


def spelled(settings: Mapping[str, Any]) -> str:
    """The settings as ``--augment`` takes them: ``flip,shift=4``."""
    return ",".join(
        name if value is True or value == SETTINGS[name].alone else f"{name}={value}"
        for name, value in settings.items()
    )


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}…{shown[-1]}"

"""How kernels begin, as data: Keras's initializers by their names, and one that an old paper has.

``{"name": "random_normal", "stddev": 0.01}``; ``{}`` leaves a network its own. Keras draws them
(``graph.keras_kernels``), once for all engines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

OWN = "own"
"""Stands for the network's own initial weights, where a recipe has others."""
OVER_FAN_IN = "uniform_over_fan_in"
"""Uniform in ± ``limit`` / inputs of the unit (LeCun et al. 1998, section III.B)."""

_TEXTS = {"mode": ("fan_in", "fan_out", "fan_avg"), "distribution": ("normal", "truncated_normal",
          "untruncated_normal", "uniform")}  # fmt: skip
_POSITIVE = ("stddev", "limit", "scale")
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "random_normal": ("mean", "stddev"),
    "truncated_normal": ("mean", "stddev"),
    "random_uniform": ("minval", "maxval"),
    "glorot_normal": (),
    "glorot_uniform": (),
    "he_normal": (),
    "he_uniform": (),
    "lecun_normal": (),
    "lecun_uniform": (),
    "variance_scaling": ("scale", "mode", "distribution"),
    OVER_FAN_IN: ("limit",),
}
"""The settings of each initializer. Keras's defaults hold for what is not said; ``limit`` has none."""


def checked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` as it is; ``ValueError`` names what is wrong with it."""
    if not spec or spec.get("name") == OWN:
        return {}
    name, settings = str(spec.get("name")), {key: each for key, each in spec.items() if key != "name"}
    if name not in SETTINGS:
        raise ValueError(f"there is no initializer {name!r}; there are {', '.join([*SETTINGS, OWN])}")
    for key, each in settings.items():
        if key not in SETTINGS[name]:
            known = ", ".join(SETTINGS[name]) or "none"
            raise ValueError(f"the initializer {name} has no setting {key!r}; it has {known}")
        if key in _TEXTS:
            if each not in _TEXTS[key]:
                raise ValueError(f"the initializer's {key} is one of {', '.join(_TEXTS[key])}, not {each!r}")
        elif isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each):
            raise ValueError(f"the initializer's {key} is {each!r}, which is not a number")
        elif key in _POSITIVE and each <= 0:
            raise ValueError(f"the initializer's {key} must be more than 0, not {each:g}")
    if name == OVER_FAN_IN and "limit" not in settings:
        raise ValueError(f"the initializer {name} needs a limit: write {name}:limit=2.4")
    if settings.get("minval", -0.05) >= settings.get("maxval", 0.05):
        raise ValueError("the initializer's minval must be less than its maxval")
    return {"name": name, **settings}


def spelled(spec: Mapping[str, Any]) -> str:
    """As ``--kernel-initializer`` takes it; "" for the network's own."""
    if not spec:
        return ""
    settings = ",".join(
        f"{key}={each if isinstance(each, str) else format(each, '.12g')}"
        for key, each in spec.items()
        if key != "name"
    )
    return f"{spec['name']}:{settings}" if settings else str(spec["name"])

"""The command line that repeats a comparison, from its settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from crosstrain.training.augmentation import spelled
from crosstrain.training.composing import MOMENTUM
from crosstrain.training.initialisers import spelled as initializer
from crosstrain.training.spelling import BALANCED, MEDIAN, size_spelled

PROGRAM = ("crosstrain", "compare")


def command(settings: Mapping[str, Any]) -> str:
    """A POSIX shell command, quoted where necessary; defaults are omitted."""
    return shlex.join(arguments(settings))


def arguments(settings: Mapping[str, Any]) -> list[str]:
    """The words of ``crosstrain compare`` that lead to these settings (``Settings.identity``).

    Threads and the device are always named: their defaults are the machine's. A recipe's metrics have no
    option of their own.
    """
    recipe = settings.get("recipe") or {}
    # Files of models may have an optimizer of their own, which what is left out would stand for.
    compiled = any(str(name).endswith((".keras", ".h5", ".hdf5")) for name in settings["networks"])
    networks = ",".join([_networks(settings), *(settings.get("classical") or ())])
    words = [*PROGRAM, networks, "--data", str(settings["data"])]
    words += ["--engines", ",".join(settings["engines"])]
    plain = {
        "--sizes": ",".join(size_spelled(size) or "" for size in settings.get("sizes") or ()),
        "--epochs": recipe.get("epochs"),
        "--seeds": _unless(settings.get("seeds"), 1),
        "--seed": _unless(recipe.get("seed"), 0),
        "--repeats": settings.get("repeats"),
        "--batch-size": _unless(recipe.get("batch_size"), 64),
        "--schedule": _unless(
            _named(recipe.get("schedule") or {"name": "constant"}, "settings"),
            None if compiled else "constant",
        ),
        "--prepare": settings.get("prepare"),
        "--split": settings.get("split"),
        "--limit": settings.get("limit"),
        "--augment": spelled(recipe.get("augmentation") or {}),
        "--label-smoothing": recipe.get("label_smoothing") or None,
        "--class-weight": _class_weight(recipe.get("class_weight") or {}),
        "--kernel-initializer": initializer(recipe.get("kernel_initializer") or {}),
        "--early-stopping": recipe.get("early_stopping"),
        "--device": settings.get("device"),
        "--precision": _unless(settings.get("precision"), "float32"),
        "--threads": settings.get("threads"),
        "--workers": settings.get("workers"),
        "--budget": settings.get("budget"),
        "--repeats-until": settings.get("repeats_until"),
        "--twins": settings.get("twins") or None,
        "--prefer": settings.get("prefer"),
        "--require": settings.get("require"),
        "--output": settings.get("output"),
        "--weights": settings.get("weights"),
    }
    words += _optimizer(recipe.get("optimizer") or {}, compiled)
    for name, value in plain.items():
        if value not in (None, ""):
            words += [name, f"{value:.12g}" if isinstance(value, float) else str(value)]
    for output, loss in (recipe.get("losses") or {}).items():
        words += ["--loss", f"{output}=" * bool(output) + _loss(loss)]
    words += _options(settings)
    words += [f"--{name}" for name in ("tuned", "criteria") if settings.get(name)]
    return words + ["--no-proof"] * (settings.get("proof") is False)


def _networks(settings: Mapping[str, Any]) -> str:
    """``a,b``, or ``a@32+48,b`` where networks have sizes of their own."""
    if not settings.get("pairs"):
        return ",".join(settings["networks"])
    own: dict[str, list[str]] = {}
    for name, size in settings["pairs"]:
        own.setdefault(name, []).extend(filter(None, [size_spelled(size)]))
    return ",".join(f"{name}@{'+'.join(sizes)}" if sizes else name for name, sizes in own.items())


def inference_command(settings: Mapping[str, Any]) -> str:
    """The line that repeats a comparison at inference (``InferenceSettings.identity``)."""
    words = [*PROGRAM, ",".join(settings["subjects"]), "--task", "inference"]
    plain = {
        "--data": settings.get("data"),
        "--engines": ",".join(settings["engines"]),
        "--sizes": size_spelled(settings.get("size")),
        "--batch-sizes": ",".join(map(str, settings["batch_sizes"])),
        "--repeats": settings.get("repeats"),
        "--device": settings.get("device"),
        "--threads": settings.get("threads"),
    }
    for name, value in plain.items():
        words += [] if value is None else [name, str(value)]
    return shlex.join([*words, *_options(settings)])


def _options(settings: Mapping[str, Any]) -> list[str]:
    return [
        word
        for engine, options in (settings.get("options") or {}).items()
        for key, value in options.items()
        for word in ("--option", f"{engine}.{key}={_value(value)}")
    ]


def _unless(value: Any, default: Any) -> Any:
    return None if value == default else value


def _optimizer(optimizer: Mapping[str, Any], compiled: bool) -> list[str]:
    """The optimizer in full: which of its settings are defaults may change between versions."""
    if not optimizer:
        return []
    name = optimizer.get("name", "sgd")
    rest = {k: v for k, v in optimizer.items() if k != "name" and v is not None and v is not False}
    words = []
    for key, option in (("learning_rate", "--learning-rate"), ("weight_decay", "--weight-decay")):
        if key in rest:
            words += [option, repr(rest.pop(key))]
    momentum = rest.pop("momentum", 0.0)
    spelled = _spelled(name, rest)
    # Plain sgd takes a momentum of its own where nothing is said, and no other spelling does.
    if momentum != (MOMENTUM if spelled == "sgd" else 0.0):
        words += ["--momentum", repr(momentum)]
    return [*(["--optimizer", spelled] if compiled or spelled != "sgd" else []), *words]


def _class_weight(weights: Mapping[str, Any]) -> str:
    """``balanced``, ``median-frequency``, or ``0=1,1=5``."""
    named = next((how for how in (BALANCED, MEDIAN) if how in weights), None)
    return named or ",".join(f"{key}={each:.12g}" for key, each in weights.items())


def _named(entry: Mapping[str, Any], inside: str) -> str:
    return _spelled(str(entry["name"]), entry.get(inside) or {})


def _loss(loss: Mapping[str, Any]) -> str:
    weight = loss.get("weight", 1.0)
    return _spelled(
        str(loss["name"]), {**(loss.get("settings") or {}), **({} if weight == 1.0 else {"weight": weight})}
    )


def _spelled(name: str, settings: Mapping[str, Any]) -> str:
    """``name:key=value,key=value``, as ``compare.spelling`` reads it."""
    pairs = ",".join(f"{key}={_value(value)}" for key, value in settings.items())
    return f"{name}:{pairs}" if pairs else name


def _value(value: Any) -> str:
    """As JSON; text that is not itself valid JSON stays unquoted."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, separators=(",", ":"))

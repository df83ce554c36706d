"""The recipe that a compiled Keras model carries in its file, in crosstrain's terms.

Keras 3 keeps it as ``compile_config`` in the zip of a ``.keras`` file, Keras 2 too; HDF5 files have a
``training_config`` (``keras.Model.compile`` documents the arguments). What crosstrain has no form of
becomes a sentence in ``lacking``, and crosstrain's own default stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from crosstrain.training.optimizers import FAMILIES, Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule

OPTIMIZER_SETTINGS = {f.name for f in fields(Optimizer)} - {"name", "learning_rate"}
RENAMED = {
    "initial_accumulator_value": "initial_accumulator",
    "clip_norm": "clipnorm",
    "clip_value": "clipvalue",
    "gradient_accumulation_steps": "accumulate",
}
CHANGES = {"ema_overwrite_frequency": "the overwriting of weights by their moving average in training"}
"""Settings of an optimizer that change what is trained and that crosstrain has no form of."""
LOSS_SETTINGS_LEFT_OUT = {"name", "dtype", "fn"}
AUTOMATIC = ("auto", "sum_over_batch_size", None)
"""Reductions that mean the mean over the batch."""


@dataclass(frozen=True)
class Compiled:
    """What a file says of its training. ``optimizer``, ``schedule`` and ``metrics`` are None where it says
    nothing that crosstrain can follow; ``losses`` are by output name (``""`` for the only one)."""

    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    losses: Mapping[str, Loss] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    def summary(self) -> str:
        """The recipe in a few words, as ``adam (learning rate 0.001), loss mse, metric mae``."""
        parts = []
        if self.optimizer:
            changing = f", {self.schedule.name}" if self.schedule and self.schedule.name != "constant" else ""
            parts.append(f"{self.optimizer.name} (learning rate {self.optimizer.learning_rate:g}{changing})")
        if self.losses:
            names = [f"{output}={loss.name}" if output else loss.name for output, loss in self.losses.items()]
            parts.append(f"loss {', '.join(names)}")
        if self.metrics:
            parts.append(f"metrics {', '.join(self.metrics)}")
        return ", ".join(parts)


def read_compiled(config: Mapping[str, Any], outputs: Sequence[str]) -> Compiled:
    """The recipe in a ``compile_config`` or ``training_config``; ``outputs`` are the names of the model's
    outputs in their order. Nothing in it is run: configurations are looked up in tables."""
    lacking: list[str] = []
    optimizer, schedule = _optimizer(config.get("optimizer") or config.get("optimizer_config"), lacking)
    losses = _losses(config.get("loss"), config.get("loss_weights"), outputs, lacking)
    metrics = tuple(dict.fromkeys(_metrics([config.get("metrics"), config.get("weighted_metrics")], lacking)))
    return Compiled(optimizer, schedule, losses, metrics, tuple(dict.fromkeys(lacking)))


# -- optimizers -----------------------------------------------------------------------------------
def _optimizer(entry: Any, lacking: list[str]) -> tuple[Optimizer | None, Schedule | None]:
    if entry is None:
        return None, None
    class_name, config = _named(entry)
    name = class_name.rpartition(">")[2].lower()
    if name not in FAMILIES:
        lacking.append(f"its optimizer {class_name!r}, which crosstrain has no form of")
        return None, None
    for key, what in CHANGES.items():
        if config.get(key):
            lacking.append(f"{what} ({key})")
    rate, schedule = _rate(config.get("learning_rate", config.get("lr")), lacking)
    if decay := config.get("decay"):  # Keras 1 and 2: rate / (1 + decay · step)
        schedule = Schedule("inverse_time", {"decay_steps": 1, "decay_rate": _single(decay)})
    settings = {RENAMED.get(key, key): value for key, value in config.items()}
    if config.get("use_ema"):
        settings["ema"] = config.get("ema_momentum", 0.99)
    known = {k: _single(v) for k, v in settings.items() if k in OPTIMIZER_SETTINGS and v is not None}
    try:
        if not all(isinstance(each, int | float) for each in (rate or 0, *known.values())):
            raise ValueError("one of its settings is no number")
        return Optimizer(name, learning_rate=rate, **known), schedule
    except (TypeError, ValueError) as error:
        lacking.append(f"its optimizer {class_name!r} ({error})")
        return None, None


def _rate(entry: Any, lacking: list[str]) -> tuple[float | None, Schedule | None]:
    """The initial rate, and how it changes."""
    if not isinstance(entry, Mapping):
        return (None if entry is None else _single(entry)), None
    class_name, config = _named(entry)
    initial = config.get("initial_learning_rate")
    read = SCHEDULES.get(class_name)
    try:
        if read is not None:
            return read(config)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        lacking.append(f"the schedule {class_name!r} of its learning rate, whose settings are not whole")
        return None, None
    lacking.append(f"the schedule {class_name!r} of its learning rate")
    return (_single(initial) if isinstance(initial, int | float) else None), None


def _keeping(name: str, *keys: str) -> Callable[[Mapping[str, Any]], tuple[float, Schedule]]:
    def read(config: Mapping[str, Any]) -> tuple[float, Schedule]:
        settings = {key: config[key] for key in keys if config.get(key) is not None}
        return _single(config["initial_learning_rate"]), Schedule(name, settings)

    return read


def _piecewise(config: Mapping[str, Any]) -> tuple[float, Schedule]:
    first, *rest = map(float, config["values"])
    if len(rest) != len(config["boundaries"]):
        raise ValueError("boundaries and values do not match")
    return first, Schedule(
        "step", {"boundaries": list(config["boundaries"]), "factors": [value / first for value in rest]}
    )


SCHEDULES: Mapping[str, Callable[[Mapping[str, Any]], tuple[float, Schedule]]] = {
    "ExponentialDecay": _keeping("exponential", "decay_steps", "decay_rate", "staircase"),
    "InverseTimeDecay": _keeping("inverse_time", "decay_steps", "decay_rate"),
    "CosineDecay": _keeping("cosine", "decay_steps", "alpha", "warmup_target", "warmup_steps"),
    "PiecewiseConstantDecay": _piecewise,
}
"""Keras's schedules that crosstrain has a form of: the initial rate and the schedule of a configuration."""


# -- losses ---------------------------------------------------------------------------------------
def _losses(entry: Any, weights: Any, outputs: Sequence[str], lacking: list[str]) -> dict[str, Loss]:
    by_output = _by_output(entry, outputs)
    parts = _by_output(weights, outputs)
    losses = {}
    for output, each in by_output.items():
        loss = None if each is None else _loss(each, lacking)
        if loss is not None:
            weight = parts.get(output)
            losses[output] = Loss(loss.name, loss.settings, 1.0 if weight is None else float(weight))
    # A loss that is lacking leaves the choice of all to crosstrain: half a sum is another training.
    return losses if len(losses) == sum(each is not None for each in by_output.values()) else {}


def _by_output(entry: Any, outputs: Sequence[str]) -> dict[str, Any]:
    """One thing for each output, from one thing, a list in the order of outputs or a mapping by name."""
    if entry is None:
        return {}
    if isinstance(entry, Mapping) and "class_name" not in entry:
        named = dict(entry)
    elif isinstance(entry, list | tuple):
        named = dict(zip(outputs if len(entry) > 1 else [""], entry, strict=False))
    else:
        named = {"": entry} if len(outputs) < 2 else dict.fromkeys(outputs, entry)
    return {"": next(iter(named.values()))} if len(outputs) < 2 and len(named) == 1 else named


def _loss(entry: Any, lacking: list[str]) -> Loss | None:
    class_name, config = _named(entry)
    if class_name in ("function", "LossFunctionWrapper") or ">" in class_name:
        registered = entry.get("registered_name") if isinstance(entry, Mapping) else None
        own = config.get("name") or registered or class_name
        lacking.append(f"its loss {own!r}, which is code of its author's")
        return None
    settings = {k: v for k, v in config.items() if k not in LOSS_SETTINGS_LEFT_OUT and v is not None}
    if settings.get("reduction") in AUTOMATIC:
        settings.pop("reduction", None)
    return Loss(class_name, settings)


# -- metrics --------------------------------------------------------------------------------------
_ACCURACIES = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
_TOP_K = ("top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy")


def _metrics(entry: Any, lacking: list[str]) -> Iterator[str]:
    """crosstrain's names of metrics that lie in lists and mappings in any depth."""
    if isinstance(entry, list | tuple):
        for each in entry:
            yield from _metrics(each, lacking)
    elif isinstance(entry, Mapping) and "class_name" not in entry:
        for each in entry.values():
            yield from _metrics(each, lacking)
    elif entry is not None:
        class_name, config = _named(entry)
        name = snake_case(class_name)
        if name == "mean_metric_wrapper":
            name = str(config.get("name"))
        if name in _ACCURACIES:
            yield "accuracy"
        elif name in _TOP_K:
            yield f"top_k:{int(config.get('k', 5))}"
        elif name in ("mae", "mean_absolute_error"):
            yield "mae"
        else:
            lacking.append(f"its metric {class_name!r}")


def snake_case(name: str) -> str:
    """``MeanAbsoluteError`` as ``mean_absolute_error``; names in small letters, and abbreviations in capital
    ones (``MAE``), in small letters."""
    if name.isupper() or name.islower():
        return name.lower()
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


# -- what lies in a configuration -----------------------------------------------------------------
def _named(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """The name and the settings of an object in a configuration: text, or a mapping with ``class_name``."""
    if isinstance(entry, Mapping):
        config = entry.get("config")
        settings = config if isinstance(config, Mapping) else {"name": config} if config else {}
        return str(entry.get("class_name")), settings
    return str(entry), {}


def _single(value: Any) -> Any:
    """A float as it was written: Keras keeps rates in single precision, which 0.001 comes out of as
    0.0010000000474974513."""
    if not isinstance(value, float):
        return value
    short = float(str(np.float32(value)))
    return short if np.float32(value) == value else value

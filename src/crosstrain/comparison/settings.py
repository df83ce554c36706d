"""What a comparison was asked to do, as data, checked as far as it can be without running anything."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.advice.preferences import weights
from crosstrain.comparison import entrants
from crosstrain.engines.registry import engine_of
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import default, ready
from crosstrain.errors import CrosstrainError
from crosstrain.statistics.location import FEWEST_RANKED
from crosstrain.training import spelling
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from crosstrain.training.schedules import Schedule
from crosstrain.zoo import networks as zoo

RUNS = Path("crosstrain-runs")
"""Where folders lie that nobody has named."""

PRECISIONS = ("float32", "float64")
DEFAULT_EPOCHS = 5
MOST_EPOCHS, MOST_REPEATS = 100, 5
"""What a budget may fill where the numbers are not given."""

ALL = "all"
"""Stands for all engines that can run here."""

MOMENTUM = 0.9
"""What ``sgd`` uses where nothing is said: the momentum of most of the literature on images."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a comparison's results, and how long and how large a cell may grow.

    ``networks`` are names of the zoo, ``file.py:function`` or ``model.keras``; ``sizes`` empty means each
    network's own; ``pairs``, where there are any, are the networks with sizes of their own (``idsia@48``).
    ``engines`` may have further names (``torch@wide``), and ``options`` are by these. ``budget`` and
    ``timeout`` are seconds, ``memory_limit`` bytes.
    """

    networks: tuple[str, ...]
    data: str
    engines: tuple[str, ...]
    recipe: Recipe
    sizes: tuple[int, ...] = ()
    pairs: tuple[tuple[str, int | None], ...] = ()
    seeds: int = 1
    repeats: int = 1
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    proof: bool = True
    trust: bool = False
    prepare: str = ""
    split: str = ""
    tuned: bool = False
    criteria: bool = False
    prefer: str = ""
    repeats_until: float | None = None
    budget: float | None = None
    timeout: float | None = None
    memory_limit: int | None = None

    def subjects(self) -> list[tuple[str, int | None]]:
        """Each network with each of its sizes; None is its own."""
        return list(self.pairs) or [(n, size) for n in self.networks for size in self.sizes or (None,)]

    def identity(self) -> dict[str, Any]:
        """What must be equal for two runs to be parts of one comparison. Limits are not in it, nor what is
        preferred: that only chooses among the results."""
        pairs = {"pairs": [list(pair) for pair in self.pairs]} if self.pairs else {}
        return pairs | {
            "networks": list(self.networks), "data": self.data, "engines": list(self.engines),
            "sizes": list(self.sizes), "seeds": self.seeds, "repeats": self.repeats, "device": self.device,
            "precision": self.precision, "threads": self.threads,
            "options": {k: dict(v) for k, v in self.options.items()}, "proof": self.proof,
            "prepare": self.prepare, "split": self.split, "tuned": self.tuned,
            "repeats_until": self.repeats_until, "budget": self.budget,
            "recipe": json.loads(json.dumps(self.recipe.to_json())),
        }  # fmt: skip

    @property
    def default_folder(self) -> Path:
        """``crosstrain-runs/<networks>-<data>-<hash>``: the same command finds its folder again."""
        text = json.dumps(self.identity(), sort_keys=True)
        words = "-".join([*(slug(n) for n in self.networks[:3]), slug(self.data.partition(":")[0])])
        return RUNS / f"{words}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def settings(
    networks: str | Sequence[str],
    data: str,
    *,
    engines: str | Sequence[str] | None = None,
    sizes: int | Sequence[int] | None = None,
    epochs: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    repeats: int | None = None,
    batch_size: int = 64,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | Schedule = "constant",
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    proof: bool = True,
    trust: bool = False,
    prepare: str | None = None,
    split: str | None = None,
    tuned: bool = False,
    criteria: bool = False,
    prefer: str | None = None,
    repeats_until: str | float | None = None,
    budget: str | float | None = None,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
) -> Settings:
    """Settings from what a user says; ``CrosstrainError`` names the first thing that is wrong.

    Without ``engines``, the native ones in the user's own Python; ``all`` adds those in environments of
    their own, and Keras. ``epochs`` without a budget are five, with one as many
    as fit, up to 100; ``repeats`` likewise one, or as many as fit up to five. ``seed`` is the first.
    """
    counts = {
        "epochs": epochs,
        "seeds": seeds,
        "repeats": repeats,
        "batch size": batch_size,
        "threads": threads,
    }
    for name, number in counts.items():
        if number is not None and number < 1:
            raise CrosstrainError(f"{name} must be at least 1, not {number}")
    if precision not in PRECISIONS:
        raise CrosstrainError(f"there is no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    if seed < 0:
        raise CrosstrainError(f"a seed must be at least 0, not {seed}")
    if learning_rate is not None and learning_rate <= 0:
        raise CrosstrainError(f"the learning rate must be more than 0, not {learning_rate}")
    seconds, chosen = spelling.seconds(budget), _engines(engines)
    narrow = spelling.share(repeats_until)
    if momentum is None and optimizer == "sgd":
        momentum = MOMENTUM
    names, at = spelling.networks(networks)
    wanted = _sizes(sizes)
    return Settings(
        networks=_networks(names),
        data=data,
        engines=chosen,
        sizes=wanted,
        pairs=tuple(dict.fromkeys((n, s) for n, own in at for s in own or wanted or (None,)))
        if any(own for _, own in at)
        else (),
        recipe=Recipe(
            losses=spelling.losses(loss),
            optimizer=spelling.optimizer(
                optimizer, learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay
            ),
            schedule=spelling.schedule(schedule),
            batch_size=batch_size,
            epochs=epochs or (DEFAULT_EPOCHS if seconds is None or narrow else MOST_EPOCHS),
            seed=seed,
        ),
        seeds=seeds,
        repeats=repeats or _repeats(seeds, budget=seconds is not None, narrow=narrow is not None),
        device=device,
        precision=precision,
        threads=threads or usable_cores(),
        options=_options(options, chosen),
        proof=proof,
        trust=trust,
        prepare=prepare or "",
        split=split or "",
        tuned=tuned,
        criteria=criteria,
        prefer=_preference(prefer, criteria),
        repeats_until=narrow,
        budget=seconds,
        timeout=spelling.seconds(timeout),
        memory_limit=spelling.size_in_bytes(memory_limit),
    )


def _repeats(seeds: int, *, budget: bool, narrow: bool) -> int:
    """How often each seed is repeated where nothing is said."""
    if narrow:
        return -(-FEWEST_RANKED // seeds)
    return MOST_REPEATS if budget else 1


def source(network: str) -> str:
    """What a worker is told to build: a name of the zoo, or a path made absolute."""
    if network in zoo():
        return network
    path, colon, function = network.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, colon, function = network, "", ""
    if not path.endswith((".py", ".keras", ".h5", ".onnx")):
        raise CrosstrainError(
            f"there is no network {network!r} in the zoo; there are {', '.join(zoo())}, "
            "or give file.py:function, model.keras or model.onnx"
        )
    if path.endswith(".py") and not function:
        raise CrosstrainError(f"{network} names a file but no function in it; write {network}:FUNCTION")
    if not Path(path).is_file():
        raise CrosstrainError(f"there is no file {path} (given as network {network!r})")
    return f"{Path(path).resolve()}{colon}{function}"


def usable_cores() -> int:
    """The cores this process may run on; every engine is given as many threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slug(text: str) -> str:
    """A short name for files: the last part of a path, letters, digits, ``-`` and ``_`` only."""
    base = Path(text).name
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in base).strip("-_")[:40]
        or "network"
    )


def _networks(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise CrosstrainError("name at least one network, as lenet5 (crosstrain networks lists them)")
    for name in names:
        source(name)
    return tuple(dict.fromkeys(names))


def _engines(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of engines that train, or of such under further names; ``all`` stands for those that can run
    here, in whatever environment."""
    rows = engine_rows()
    trainers = [name for name, row in rows.items() if row.trains]
    names = spelling.items(given) if isinstance(given, str) else list(given or ())
    if given is not None and not names:
        raise CrosstrainError(f"name at least one engine; there are {', '.join(trainers)}")
    for name in names:
        engine = engine_of(name)
        if engine in rows and not rows[engine].trains:
            raise CrosstrainError(
                f"the engine {engine!r} runs trained networks and does not train; there are "
                f"{', '.join(trainers)}"
            )
        if engine not in rows and name != ALL:
            raise CrosstrainError(f"there is no engine {engine!r}; there are {', '.join(trainers)}, or all")
        entrants.check(name)
    able = ready(training=True) if ALL in names else ()
    chosen = tuple(dict.fromkeys(each for name in names for each in (able if name == ALL else (name,))))
    chosen = chosen or (default() if given is None else ())
    if not chosen:
        elsewhere = ready(training=True)
        raise CrosstrainError(
            f"your own Python has no engine; say which to take, as --engines {elsewhere[0]}, or --engines all"
            if elsewhere
            else f"no engine is installed; one comes with: {next(iter(rows.values())).how_to_install}"
        )
    return chosen


def _preference(given: str | None, criteria: bool) -> str:
    if "latency" in weights(given or "") and not criteria:
        raise CrosstrainError("latency is measured only with --criteria; add it, or prefer something else")
    return given or ""


def _sizes(given: int | Sequence[int] | None) -> tuple[int, ...]:
    sizes = (given,) if isinstance(given, int) else tuple(given or ())
    for size in sizes:
        if size < 1:
            raise CrosstrainError(f"an input size of {size} is less than one pixel")
    return tuple(dict.fromkeys(sizes))


def _options(
    given: Mapping[str, Mapping[str, Any]] | None, chosen: Sequence[str]
) -> dict[str, dict[str, Any]]:
    for engine in given or ():
        if engine not in chosen:
            raise CrosstrainError(
                f"there is an option for {engine!r}, which is not among the engines {', '.join(chosen)}"
            )
    return {engine: dict(options) for engine, options in (given or {}).items()}

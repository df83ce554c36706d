"""What a comparison was asked to do, as data, checked as far as it can be without running anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Unpack

from crosstrain import zoo
from crosstrain.advice.preferences import weights
from crosstrain.advice.requirements import NEEDS_CRITERIA, requirements
from crosstrain.comparison import entrants
from crosstrain.comparison.declaring import declared
from crosstrain.comparison.parameters import Compare, Data, SeveralNetworks
from crosstrain.engines.registry import engine_of
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import default, ready
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import SearchResult, Size
from crosstrain.runs.compiled import recipe_of
from crosstrain.runs.definition import MODELS, check_choice, source
from crosstrain.statistics.location import FEWEST_RANKED
from crosstrain.system.files import slug
from crosstrain.system.machine import usable_cores
from crosstrain.training import spelling
from crosstrain.training.composing import composed
from crosstrain.training.papers import PaperRecipe, papers, recipe_for
from crosstrain.training.recipe import Recipe
from crosstrain.training.spelling import PictureSize

RUNS = Path("crosstrain-runs")
"""Where folders lie that nobody has named."""

PRECISIONS = ("float32", "float64")
DEFAULT_EPOCHS = 5
MOST_EPOCHS, MOST_REPEATS = 100, 5
"""What a budget may fill where the numbers are not given."""

MOST_TWINS = 100
"""More rounding twins than this of one training show nothing new."""

MOST_WORKERS = 64
"""Each has a connection to each of the others."""

LARGEST = 2**31 - 1
"""The largest count or seed: every framework has integers that hold it."""

ALL = "all"
"""Stands for all engines that can run here."""

PAPER = "paper"
"""Stands for the recipe of the network's own paper."""


def verbatim(default: Any) -> Any:
    """A field that holds what was asked, unread: the parameter of the same name."""
    return field(default=default, metadata={"verbatim": True})


@dataclass(frozen=True)
class Settings:
    """Everything that decides a comparison's results, and how long and how large a cell may grow.

    ``networks`` are names of the zoo, ``file.py:function`` or ``model.keras``; ``sizes`` empty means each
    network's own; ``pairs``, where there are any, are the networks with sizes of their own (``idsia@48``).
    ``engines`` may have further names (``torch@wide``), and ``options`` are by these. ``budget`` and
    ``timeout`` are seconds, ``memory_limit`` bytes. ``output``, ``weights``,
    ``replace_head``, ``freeze_until`` and ``whole`` are those of ``runs.definition.define``; ``classical``
    are estimators of ``crosstrain.classic``, beside the networks; ``workers`` are the processes that train a
    cell together, each with ``threads``; ``twins`` is how many rounding twins each
    row has for each seed; ``search`` is that for some of the recipe's
    values, if there was one; ``remarks`` are sentences on where the recipe comes from.
    """

    networks: tuple[str, ...]
    data: str
    engines: tuple[str, ...]
    recipe: Recipe
    sizes: tuple[PictureSize, ...] = ()
    pairs: tuple[tuple[str, PictureSize | None], ...] = ()
    seeds: int = verbatim(1)
    repeats: int = 1
    device: str = verbatim("cpu")
    precision: str = verbatim("float32")
    threads: int = 1
    workers: int = verbatim(1)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    proof: bool = verbatim(True)
    trust: bool = verbatim(False)
    prepare: str = ""
    split: str = ""
    limit: int | None = verbatim(None)
    tuned: bool = verbatim(False)
    criteria: bool = verbatim(False)
    twins: int = verbatim(0)
    prefer: str = ""
    require: str = ""
    repeats_until: float | None = None
    budget: float | None = None
    timeout: float | None = None
    memory_limit: int | None = None
    output: str = ""
    weights: str = ""
    replace_head: bool = False
    freeze_until: str = ""
    whole: bool = False
    classical: tuple[str, ...] = ()
    search: SearchResult | None = None
    remarks: tuple[str, ...] = ()

    def subjects(self) -> list[tuple[str, PictureSize | None]]:
        """Each network with each of its sizes; None is its own."""
        return list(self.pairs) or [(n, size) for n in self.networks for size in self.sizes or (None,)]

    def identity(self) -> dict[str, Any]:
        """What must be equal for two runs to be parts of one comparison. Limits of time and memory are not in
        it, nor what is preferred: that only chooses among the results."""
        pairs = {"pairs": [[network, _plain(size)] for network, size in self.pairs]} if self.pairs else {}
        names = ("output", "weights", "replace_head", "freeze_until", "whole")
        chosen = {key: each for key in names if (each := getattr(self, key))}
        if self.classical:
            chosen["classical"] = list(self.classical)
        return pairs | chosen | {
            "networks": list(self.networks), "data": self.data, "engines": list(self.engines),
            "sizes": [_plain(size) for size in self.sizes],
            "seeds": self.seeds, "repeats": self.repeats, "device": self.device,
            "precision": self.precision, "threads": self.threads,
            "options": {k: dict(v) for k, v in self.options.items()}, "proof": self.proof,
            "prepare": self.prepare, "split": self.split, **({"limit": self.limit} if self.limit else {}),
            **({"twins": self.twins} if self.twins else {}),
            **({"workers": self.workers} if self.workers > 1 else {}),
            "tuned": self.tuned,
            "repeats_until": self.repeats_until, "budget": self.budget,
            "recipe": json.loads(json.dumps(self.recipe.to_json())),
        }  # fmt: skip

    @property
    def default_folder(self) -> Path:
        """``crosstrain-runs/<networks>-<data>-<hash>``: the same command finds its folder again."""
        text = json.dumps(self.identity(), sort_keys=True)
        words = "-".join([*(slug(n) for n in self.networks[:3]), slug(self.data.partition(":")[0])])
        return RUNS / f"{words}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _plain(size: PictureSize | None) -> Size:
    """As JSON has it."""
    return list(size) if isinstance(size, tuple) else size


@declared("a comparison")
def settings(network: SeveralNetworks, data: Data, **arguments: Unpack[Compare]) -> Settings:
    """Settings from what a user says; ``CrosstrainError`` names the first thing that is wrong.

    Without ``engines``, the native ones in the user's own Python; ``all`` adds those in environments of
    their own, and Keras. ``epochs`` without a budget are five, with one as many
    as fit, up to 100; ``repeats`` likewise one, or as many as fit up to five. ``seed`` is the first.
    """
    counts = {
        "epochs": arguments["epochs"], "seeds": arguments["seeds"], "repeats": arguments["repeats"],
        "batch size": arguments["batch_size"], "threads": arguments["threads"],
        "limit": arguments["limit"], "workers": arguments["workers"],
    }  # fmt: skip
    for name, number in counts.items():
        if number is not None and number < 1:
            raise CrosstrainError(f"{name} must be at least 1, not {number}")
        if number is not None and number > LARGEST:
            raise CrosstrainError(f"{name} must be at most {LARGEST}, not {spelling.shortened(number)}")
    if not 0 <= arguments["twins"] <= MOST_TWINS:
        raise CrosstrainError(f"twins must be from 0 to {MOST_TWINS}, not {arguments['twins']}")
    if arguments["precision"] not in PRECISIONS:
        raise CrosstrainError(
            f"there is no precision {arguments['precision']!r}; there are {', '.join(PRECISIONS)}"
        )
    if arguments["seed"] < 0:
        raise CrosstrainError(f"a seed must be at least 0, not {arguments['seed']}")
    if arguments["seed"] > LARGEST:
        raise CrosstrainError(
            f"a seed must be at most {LARGEST}, not {spelling.shortened(arguments['seed'])}"
        )
    if arguments["workers"] > 1:
        arguments["device"] = _workers_device(arguments)
    rate = arguments["learning_rate"]
    if rate is not None and rate <= 0:
        raise CrosstrainError(f"the learning rate must be more than 0, not {rate}")
    seconds, engines = spelling.seconds(arguments["budget"]), _engines(arguments["engines"])
    narrow = spelling.share(arguments["repeats_until"])
    names, with_sizes = spelling.networks(network)
    networks, output = _networks(names), arguments.get("output") or ""
    weights_file = check_choice(networks, output, arguments.get("weights"))
    paper = _paper(arguments["recipe"], networks)
    freeze_until, replace_head = arguments.get("freeze_until") or "", bool(arguments.get("replace_head"))
    if freeze_until and len(networks) != 1:
        raise CrosstrainError(f"--freeze-until belongs to one network; there are {', '.join(networks)}")
    compiled, remarks = recipe_of(networks, output)
    epochs = arguments["epochs"] or (DEFAULT_EPOCHS if seconds is None or narrow else MOST_EPOCHS)
    recipe = composed(arguments, compiled, paper, epochs)
    if paper:
        remarks += (
            f"{paper.summary(epochs, recipe)}.",
            *(f"Not as in the paper: {each}." for each in paper.differs),
        )
    if recipe.kernel_initializer:
        remarks += tuple(f"{n} keeps the weights of its file." for n in networks if n.endswith(MODELS))
    sizes = tuple(dict.fromkeys(spelling.sizes(arguments["sizes"])))
    return Settings(
        networks=networks,
        data=data,
        engines=engines,
        sizes=sizes,
        pairs=tuple(dict.fromkeys((n, s) for n, own in with_sizes for s in own or sizes or (None,)))
        if any(own for _, own in with_sizes)
        else (),
        recipe=recipe,
        repeats=arguments["repeats"]
        or _repeats(arguments["seeds"], budget=seconds is not None, narrow=narrow is not None),
        threads=arguments["threads"] or max(1, usable_cores() // arguments["workers"]),
        options=_options(spelling.by_engine(arguments["options"]), engines),
        prepare=arguments["prepare"] or "",
        split=arguments["split"] or "",
        prefer=_preference(arguments["prefer"], arguments["criteria"]),
        require=_requirement(arguments["require"], arguments["criteria"]),
        repeats_until=narrow,
        budget=seconds,
        timeout=spelling.seconds(arguments["timeout"]),
        memory_limit=spelling.size_in_bytes(arguments["memory_limit"]),
        output=output,
        weights=weights_file,
        replace_head=replace_head,
        freeze_until=freeze_until,
        remarks=remarks,
        **_verbatim(arguments),
    )


def _workers_device(arguments: Mapping[str, Any]) -> str:
    """Where several workers train: on the processor."""
    if arguments["workers"] > MOST_WORKERS:
        raise CrosstrainError(f"workers must be at most {MOST_WORKERS}, not {arguments['workers']}")
    if arguments["device"] not in ("auto", "cpu"):
        raise CrosstrainError(
            f"several workers train on the CPU, not on {arguments['device']}; use --device cpu, or one worker"
        )
    if arguments["tuned"]:
        raise CrosstrainError("what --tuned knows is the fastest for one worker; leave out --workers or it")
    return "cpu"


def _paper(name: str | None, networks: Sequence[str]) -> PaperRecipe | None:
    """The recipe called ``name``; ``paper`` is that of the networks' own."""
    if not name:
        return None
    if name in papers():
        return papers()[name]
    if name != PAPER:
        raise CrosstrainError(f"there is no recipe {name!r}; there are {', '.join(papers())}, or {PAPER}")
    found: dict[str, str] = {}
    for network in networks:
        variant = zoo.variant(network)
        recipe = recipe_for(variant.row.name) if variant else None
        if recipe is None:
            raise CrosstrainError(
                f"crosstrain knows no paper's recipe for {network}; name one of {', '.join(papers())}"
            )
        found.setdefault(recipe.name, network)
    if len(found) > 1:
        kinds = ", ".join(f"{network} has {recipe}" for recipe, network in found.items())
        raise CrosstrainError(
            f"a comparison has one recipe, and the papers have several ({kinds}); name one, or compare apart"
        )
    return papers()[next(iter(found))]


def _verbatim(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are taken over as they are, without parsing."""
    names = {each.name for each in fields(Settings) if each.metadata.get("verbatim")}
    return {name: value for name, value in arguments.items() if name in names}


def _repeats(seeds: int, *, budget: bool, narrow: bool) -> int:
    """How often each seed is repeated by default."""
    if narrow:
        return -(-FEWEST_RANKED // seeds)
    return MOST_REPEATS if budget else 1


def _networks(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise CrosstrainError(
            "name at least one network, for example lenet5 (crosstrain networks lists them)"
        )
    for name in names:
        source(name)
    return tuple(dict.fromkeys(names))


def _engines(engines: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of engines that train, or of such under further names; ``all`` stands for those that can run
    here, in whatever environment."""
    rows = engine_rows()
    trainers = [name for name, row in rows.items() if row.trains]
    names = spelling.items(engines) if isinstance(engines, str) else list(engines or ())
    if engines is not None and not names:
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
    chosen = chosen or (default() if engines is None else ())
    if not chosen:
        elsewhere = ready(training=True)
        raise CrosstrainError(
            f"your own Python has no engine; use --engines all, or name one, as --engines {elsewhere[0]}"
            if elsewhere
            else f"no engine is installed; one comes with: {next(iter(rows.values())).how_to_install}"
        )
    return chosen


def _preference(prefer: str | None, criteria: bool) -> str:
    if "latency" in weights(prefer or "") and not criteria:
        raise CrosstrainError("latency is measured only with --criteria; add it, or prefer something else")
    return prefer or ""


def _requirement(require: str | None, criteria: bool) -> str:
    names = [each.name for each in requirements(require or "")]
    if not criteria and (unknown := [name for name in names if name in NEEDS_CRITERIA]):
        raise CrosstrainError(
            f"{unknown[0]} is measured only with --criteria; add it, or require something else"
        )
    return require or ""


def _options(by_engine: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]) -> dict[str, dict[str, Any]]:
    for engine in by_engine:
        if engine not in chosen:
            raise CrosstrainError(
                f"there is an option for {engine!r}, which is not among the engines {', '.join(chosen)}"
            )
    return {engine: dict(options) for engine, options in by_engine.items()}

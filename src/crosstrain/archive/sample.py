"""The part of a bundled comparison that is proved and trained again: its settings here, its definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crosstrain import zoo
from crosstrain.archive.opening import Bundle
from crosstrain.archive.packing import RUN
from crosstrain.comparison.entrants import TUNED
from crosstrain.comparison.plan import labels
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Refused, Tell, Workshop, definition_name
from crosstrain.data.registry import parse
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import Row, rows
from crosstrain.results.schema import CellResult, ComparisonResult, Size
from crosstrain.system.machine import usable_cores
from crosstrain.training.recipe import Recipe

ALL = "all"
"""Stands for all networks of the bundle."""


@dataclass(frozen=True)
class Asked:
    """What takes the place of the bundle's own: where the data lies here, which of the networks (or all) and
    engines, on what device, with how many threads, and the limits of a process."""

    data: str | None = None
    networks: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    repeats: int = 1
    device: str | None = None
    threads: int | None = None
    timeout: float | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Sample:
    """Rows of a bundled comparison, and the settings that measure them again: one seed, all epochs."""

    result: ComparisonResult
    rows: tuple[Row, ...]
    settings: Settings

    @property
    def before(self) -> ComparisonResult:
        """The bundled result as far as it is measured again: these rows, this seed."""
        cells = [c for row in self.rows for c in row.cells if c.seed == self.settings.recipe.seed]
        return self.result.model_copy(update={"cells": cells})


def sample(bundle: Bundle, result: ComparisonResult, asked: Asked) -> Sample:
    """By default all engines of the recommended network at its size; ``CrosstrainError`` where what is asked
    for is not part of the bundle, and for a plan that makes no sense."""
    try:
        return _sample(bundle, result, asked)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, CrosstrainError):
            raise
        raise CrosstrainError(
            f"{bundle.path} has a plan that this version of crosstrain cannot read"
        ) from error


def _sample(bundle: Bundle, result: ComparisonResult, asked: Asked) -> Sample:
    done = [row for row in rows(result.cells) if row.done and not row.engine.endswith(f"@{TUNED}")]
    if not done:
        raise CrosstrainError(f"{bundle.path} has no training that ended well, so there is none to repeat")
    chosen = _engines(bundle, _networks(bundle, result, done, asked.networks), asked.engines)
    subjects = list(dict.fromkeys((row.network, _hashable(row.input_size)) for row in chosen))
    plan = bundle.read_json(f"{RUN}/plan.json")
    identity: Mapping[str, Any] = plan["identity"]
    recipe = Recipe.from_json(identity["recipe"])
    own = [network for network, size in subjects if size is None and not zoo.variant(network)]
    if own and parse(asked.data or str(identity["data"]))[0].resized:
        raise CrosstrainError(f"{bundle.path} has no input size for {own[0]}, which its data needs")
    engines = tuple(dict.fromkeys(row.engine for row in chosen))
    options = {k: dict(v) for k, v in identity.get("options", {}).items() if k in engines}
    settings = Settings(
        networks=tuple(dict.fromkeys(network for network, _ in subjects)),
        data=asked.data or str(identity["data"]),
        engines=engines,
        recipe=replace(recipe, epochs=int((plan.get("choice") or {}).get("epochs") or recipe.epochs)),
        pairs=tuple((network, _pair(size)) for network, size in subjects),
        repeats=asked.repeats,
        device=asked.device or str(identity["device"]),
        precision=str(identity["precision"]),
        threads=asked.threads or min(int(identity["threads"]), usable_cores()),
        options=options,
        proof=bool(identity.get("proof", True)),
        prepare=str(identity.get("prepare") or ""),
        split=str(identity.get("split") or ""),
        limit=identity.get("limit"),
        timeout=asked.timeout,
        memory_limit=asked.memory_limit,
    )
    part = Sample(result, tuple(chosen), settings)
    if any(_runs_files(bundle.read_json(f"{each}/definition.json")) for each in _definitions(bundle, part)):
        part = replace(part, settings=replace(settings, proof=False))
    return part


def _runs_files(definition: Mapping[str, Any]) -> bool:
    """Whether proving a network would run its author's code: Keras, which is the truth, builds it from its
    source. Training takes the graph alone."""
    losses = [str(loss["name"]) for loss in definition["losses"].values()]
    return not zoo.variant(str(definition["source"])) or not all(map(str.isidentifier, losses))


def _networks(
    bundle: Bundle, result: ComparisonResult, done: Sequence[Row], wanted: Sequence[str]
) -> list[Row]:
    if ALL in wanted:
        return list(done)
    for name in wanted:
        if name not in {row.network for row in done}:
            there = ", ".join(dict.fromkeys(row.network for row in done))
            raise CrosstrainError(f"{bundle.path} has no network {name!r} that was trained; it has {there}")
    if wanted:
        return [row for row in done if row.network in wanted]
    advice = result.recommendation
    taken = [r for r in done if (r.network, r.input_size) == (advice.network, advice.input_size)]
    return taken or [r for r in done if (r.network, r.input_size) == (done[0].network, done[0].input_size)]


def _engines(bundle: Bundle, rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    for name in wanted:
        if name not in {row.engine for row in rows}:
            there = ", ".join(dict.fromkeys(row.engine for row in rows))
            raise CrosstrainError(f"{bundle.path} has no training on {name!r}; it has {there}")
    return [row for row in rows if not wanted or row.engine in wanted]


def _hashable(size: Size) -> Any:
    return tuple(size) if isinstance(size, list) else size


def _pair(size: Any) -> tuple[int, int] | None:
    """As settings have it: height and width."""
    return (size, size) if isinstance(size, int) else size


# -- what it needs ----------------------------------------------------------------------------------
def unpack(bundle: Bundle, sample: Sample, folder: Path) -> None:
    """Put the definitions of the sample where a comparison in ``folder`` looks for them: the very graphs and
    initial weights, without the source that they were made of."""
    names, seed = labels(sample.settings.networks), sample.settings.recipe.seed
    for source, cell in _definitions(bundle, sample).items():
        target = folder / "networks" / definition_name(names[cell.network], cell.input_size, seed)
        bundle.extract(source, target)


def _definitions(bundle: Bundle, sample: Sample) -> dict[str, CellResult]:
    """Where the definitions of the sample lie in the bundle, each with a cell that was trained from it."""
    seed, places = sample.settings.recipe.seed, {}
    for cell in {(r.network, str(r.input_size)): _of_seed(r, seed) for r in sample.rows}.values():
        source = f"{RUN}/{(cell.model_extra or {}).get('definition')}"
        if f"{source}/definition.json" not in bundle.sums:
            raise CrosstrainError(f"{bundle.path} lacks the definition of {cell.network} ({source})")
        places[source] = cell
    return places


def _of_seed(row: Row, seed: int) -> CellResult:
    return next((cell for cell in row.done if cell.seed == seed), row.done[0])


def agree_on_data(sample: Sample, folder: Path, tell: Tell) -> None:
    """Raise ``CrosstrainError`` where the data as prepared here is not what was trained on."""
    hashes = {(r.network, str(r.input_size)): r.done[0].data_hash for r in sample.rows}
    hint = "(--data says where the data lies here)"
    try:
        subjects = list(Workshop(sample.settings, folder, tell).subjects())
    except CrosstrainError as error:
        raise CrosstrainError(f"{error} {hint}") from error
    for subject in subjects:
        if isinstance(subject, Refused):
            raise CrosstrainError(f"{subject.reason} {hint}")
        expected, here = hashes[subject.network, str(subject.size)], subject.data.hash
        if expected and here != expected:
            raise CrosstrainError(
                f"the data {sample.settings.data} is not what was trained on: as prepared here its hash is "
                f"{here[:12]}, in the bundle {expected[:12]}"
            )

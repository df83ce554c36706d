"""Drives tuning: one engine after the other, each within its budget; what is finished is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crosstrain.comparison import entrants
from crosstrain.comparison import folder as folders
from crosstrain.comparison.devices import settled
from crosstrain.comparison.engines import muster
from crosstrain.comparison.entrants import Division
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import RUNS, Settings
from crosstrain.comparison.subjects import Refused, Subject, Workshop, fingerprint, source_hashes
from crosstrain.data.prepared import unit_of
from crosstrain.data.registry import parse
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.environments.versions import machine, versions_of
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import Size
from crosstrain.runs.descriptions import describe
from crosstrain.runs.store import Store
from crosstrain.statistics import ratios as statistics
from crosstrain.system.files import slug, write_json
from crosstrain.system.machine import own_version
from crosstrain.tuning import profiles, search
from crosstrain.tuning.profiles import Profile
from crosstrain.tuning.space import Choice, Space, in_words, space_of
from crosstrain.tuning.trials import CONFIRMING_ROUND, Bench

KIND = "tuning"
BUDGET = 300.0
"""Default seconds for an engine."""

DIVISIONS: tuple[Division, ...] = ("closed", "open")
SHORTEST, LONGEST, TRIALS = 0.1, 4.0, 150
"""A trial measures for the budget over ``TRIALS``, between these seconds."""


class TuningResult(BaseModel):
    """What ``crosstrain tune`` found, an entry for each engine; ``kept`` are those whose profile was there
    before."""

    model_config = ConfigDict(extra="allow")

    format: int = profiles.FORMAT
    crosstrain: str
    folder: str
    network: str
    input_size: Size = None
    batch_size: int
    device: str
    division: Division
    budget: float
    unit: str = "images"
    machine: dict[str, Any] = Field(default_factory=dict)
    engines: list[Profile] = Field(default_factory=list)
    kept: list[str] = Field(default_factory=list)
    absent: dict[str, str] = Field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every engine could be tuned."""
        return not self.absent and all(each.status != "failed" for each in self.engines)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.model_dump_json())
        return data


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. ``result`` holds the engines that were finished; running the same again does the rest."""

    def __init__(self, result: TuningResult) -> None:
        super().__init__("interrupted; run the same command again to go on")
        self.result = result


def tune(
    settings: Settings,
    *,
    division: Division = "closed",
    again: bool = False,
    out: Path | None = None,
    watch: Watch | None = None,
) -> TuningResult:
    """Tune every engine of ``settings`` for its one network at its one size; ``budget`` is for each of them.

    An engine that has a profile for this is left as it is, unless ``again``. ``out`` takes the definition
    and the logs of the trials. Raises ``CrosstrainError`` for wrong use, ``Interrupted`` on Ctrl-C.
    """
    if len(settings.networks) != 1 or len(settings.sizes) > 1:
        raise CrosstrainError("tuning takes one network and one input size; tune them one after the other")
    if division not in DIVISIONS:
        raise CrosstrainError(f"there is no division {division!r}; there are {' and '.join(DIVISIONS)}")
    entrants.plain(settings.engines, "tuning")
    if settings.options:
        raise CrosstrainError("tuning looks for the options itself; leave them out")
    parse(settings.data)
    settings = settled(settings, (watch or Silent()).note)
    with folders.opened(out or _default_folder(settings)) as store:
        return _Tuning(settings, division, store, watch or Silent()).run(again=again)


def _default_folder(settings: Settings) -> Path:
    words = [slug(settings.networks[0]), slug(settings.data.partition(":")[0])]
    return RUNS / f"tune-{'-'.join(words)}-{fingerprint(_identity(settings))[:8]}"


def _identity(settings: Settings) -> dict[str, Any]:
    """What decides data and definition: the rest may differ from one tuning in a folder to the next."""
    identity = settings.identity()
    names = ("networks", "data", "sizes", "prepare", "split", "limit")
    return {
        **{k: identity[k] for k in names if k in identity},
        "recipe": identity["recipe"],
        "files": source_hashes(settings),
    }


class _Tuning:
    """One run over a tuning's folder."""

    def __init__(self, settings: Settings, division: Division, store: Store, watch: Watch) -> None:
        self.settings, self.division, self.store, self.watch = settings, division, store, watch
        self.budget = settings.budget or BUDGET

    def run(self, *, again: bool) -> TuningResult:
        identity = _identity(self.settings)
        folders.agree(self.store, KIND, identity)
        field = muster(self.settings, self.store.logs)
        self.store.write_plan(
            {"format": folders.FORMAT, "kind": KIND, "crosstrain": own_version(), "identity": identity}
        )
        subject = self._subject()
        result = self._empty(subject, field.absent)
        for reason in field.absent.values():
            self.watch.note(reason)
        try:
            for engine in field.ready:
                profile = None if again else self._reusable(engine, subject, result)
                result.engines.append(profile or self._tuned(engine, subject))
                write_json(self.store.folder / "result.json", result.to_json())
        except KeyboardInterrupt as interrupt:
            raise Interrupted(result) from interrupt
        return result

    def _subject(self) -> Subject:
        (subject,) = Workshop(self.settings, self.store.folder, self.watch.stage).subjects()
        if isinstance(subject, Refused):
            raise CrosstrainError(subject.reason)
        return subject

    def _empty(self, subject: Subject, absent: Mapping[str, str]) -> TuningResult:
        return TuningResult(
            crosstrain=own_version(), folder=str(self.store.folder), network=subject.network,
            input_size=subject.size, batch_size=self.settings.recipe.batch_size, device=self.settings.device,
            division=self.division, budget=self.budget,
            unit=unit_of(subject.data.manifest), machine=machine(), absent=dict(absent),
        )  # fmt: skip

    def _reusable(self, engine: str, subject: Subject, result: TuningResult) -> Profile | None:
        key = profiles.key_of(self.settings, subject, self.division)
        stored = profiles.find(engine, subject.network, key)
        if stored.why_not:
            self.watch.note(f"{stored.why_not}; {engine} is tuned again.")
        if stored.profile:
            self.watch.note(
                f"{engine} is already tuned for {subject} ({stored.profile.made}); --again redoes it."
            )
            result.kept.append(engine)
        return stored.profile

    # -- one engine -----------------------------------------------------------------------------
    def _tuned(self, engine: str, subject: Subject) -> Profile:
        space = self._space(engine, subject)
        seconds = min(max(self.budget / TRIALS, SHORTEST), LONGEST)
        bench = Bench(self.settings, subject, space, self.store.logs, self.watch.stage, seconds, self.budget)
        winner = search.Search(space, bench.measure, bench.has_time).best()
        empty = Profile(
            crosstrain=own_version(), engine=engine, engine_version=versions_of([engine])[engine],
            network=subject.network, input_size=subject.size,
            key=profiles.key_of(self.settings, subject, self.division), status="default",
            threads=self.settings.threads, examples=subject.data.examples("train"),
            made=time.strftime("%Y-%m-%d %H:%M"),
        )  # fmt: skip
        if all(trial.seconds is None for trial in bench.trials if not trial.settings):
            error = bench.trials[0].error or "it could not be measured"
            self.watch.note(f"{engine}: {error}")
            return empty.model_copy(update={"status": "failed", "error": error, "trials": bench.trials})
        profile = self._settled(empty, bench, winner)
        profiles.keep(profile)
        measured = {in_words(trial.settings.items()) for trial in bench.trials}
        planned = [in_words(choice) for choice in space.singles()]
        if missed := sum(words not in measured for words in planned):
            note = f"no time for {missed} of {len(planned)} settings"
            self.watch.note(f"{engine}: {note}; increase --budget to try them.")
        self.watch.note(_summary(profile))
        return profile

    def _space(self, engine: str, subject: Subject) -> Space:
        row = engine_row(engine)
        where = find(row)
        broken = {"status": "broken", "error": "it is not installed"}
        description: dict[str, Any] = describe(row, where) if where else broken
        if description["status"] != "ready":
            raise CrosstrainError(f"the engine {engine} cannot describe itself: {description['error']}")
        definition = subject.definitions[self.settings.recipe.seed]
        return space_of(
            engine, description["options"], device=self.settings.device, threads=self.settings.threads,
            division=self.division, ops={node.op for node in definition.graph.nodes},
        )  # fmt: skip

    def _settled(self, empty: Profile, bench: Bench, winner: Choice) -> Profile:
        """The profile after the confirming run: the winner's if it is clearly faster, else the default's."""
        changes: dict[str, Any] = {}
        if winner != search.DEFAULT:
            bench.confirming = True
            confirmed = search.confirm(winner, bench.measure, bench.processes(), CONFIRMING_ROUND)
            intervals = {
                "default": statistics.median(confirmed.default),
                "tuned": statistics.median(confirmed.tuned),
                "factor": confirmed.factor,
            }
            changes = {name: each.to_json() for name, each in intervals.items() if each}
            if confirmed.keeps:
                setup = bench.space.setup(winner)
                times = [t.compile_seconds for t in bench.trials[-2:] if t.settings and t.compile_seconds]
                changes |= {
                    "status": "tuned", "changes": dict(winner), "division": setup.division,
                    **setup.to_json(), "compile_seconds": times[0] if times else None,
                }  # fmt: skip
        else:
            runs = [t.samples for t in bench.trials if not t.settings and t.samples]
            default = statistics.median(runs)
            changes = {"default": default.to_json()} if default else {}
        return empty.model_copy(update={**changes, "trials": bench.trials, "seconds": bench.spent})


def _summary(profile: Profile) -> str:
    factor = profile.interval("factor")
    if profile.status == "tuned" and factor:
        return f"{profile.engine}: {factor.value:.2f} times as fast [{factor.low:.2f}–{factor.high:.2f}]."
    return f"{profile.engine}: nothing was clearly faster than the default, which stays."


__all__ = ["Interrupted", "TuningResult", "tune"]

"""Runs a study: each part of its plan as a comparison in a folder, and the result of all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstrain.comparison.devices import AUTO, choose
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import ALL, RUNS, Settings, settings
from crosstrain.engines.registry import engine_of, engines
from crosstrain.environments.environments import find
from crosstrain.environments.environments import ready as installed
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.runs.descriptions import describe
from crosstrain.studies import comparison as comparing
from crosstrain.studies import original
from crosstrain.studies import plan as plans
from crosstrain.studies.page import PAGE, write_page
from crosstrain.studies.plan import GPU, Part, Plan, Scale
from crosstrain.studies.then_and_now import Beside, then_and_now
from crosstrain.system.files import slug, write_json
from crosstrain.training import spelling

FORMAT = 1
PLAN, RESULT = "study.toml", "study.json"


@dataclass(frozen=True)
class Request:
    """A plan and how to run it here. ``engines``, ``budget`` and ``limit`` replace those of the plan;
    ``published`` is a file of further published figures."""

    plan: Plan
    file: Path
    data: str = ""
    scale: str | None = None
    engines: tuple[str, ...] = ()
    budget: str | None = None
    prefer: str | None = None
    threads: int | None = None
    limit: int | None = None
    published: Path | None = None

    @property
    def name(self) -> str:
        return slug(self.file.stem)

    @property
    def folder(self) -> Path:
        """``crosstrain-runs/study-<name>-<scale>-<hash>``: the same command finds its folder again."""
        scale, _ = self.plan.scale(self.scale)
        facts = [self.plan.model_dump(exclude={"prefer"}), self.data, scale, self.engines, self.budget]
        digest = hashlib.sha256(
            json.dumps([*facts, self.threads, self.limit], sort_keys=True).encode()
        ).hexdigest()
        return RUNS / f"study-{self.name}-{slug(scale)}-{digest[:8]}"


@dataclass(frozen=True)
class PartResult:
    """A part and its comparison, or why there is none. ``absent`` says of each engine that did not take
    part why."""

    part: Part
    comparison: Comparison | None = None
    skipped: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": self.part.name, "device": self.part.device, "skipped": self.skipped or None,
            "absent": dict(self.absent), "result": None,
        }  # fmt: skip
        return entry if self.comparison is None else {**entry, "result": self.comparison.to_json()}


@dataclass(frozen=True)
class Study:
    """What ``crosstrain.study`` returns: the parts with their comparisons, and the study's files."""

    plan: Plan
    scale: str
    folder: Path
    parts: tuple[PartResult, ...]

    @property
    def comparisons(self) -> list[Comparison]:
        return [part.comparison for part in self.parts if part.comparison is not None]

    @property
    def ok(self) -> bool:
        """Whether something ran, and every cell of it ended well and no certificate departs."""
        return bool(self.comparisons) and all(each.ok for each in self.comparisons)

    @property
    def original(self) -> list[original.Replication]:
        """The published figures, each with those measured here."""
        return original.replications(self.plan.published, [each.result for each in self.comparisons])

    @property
    def then_and_now(self) -> list[Beside]:
        """The published times and accuracies, each with those measured here."""
        return then_and_now(self.plan.published.times, [each.result for each in self.comparisons])

    def to_json(self) -> dict[str, Any]:
        """What ``study.json`` and ``--json`` hold (docs/study.md)."""
        return {
            "format": FORMAT, "title": self.plan.title, "question": self.plan.question, "scale": self.scale,
            "folder": str(self.folder), "parts": [part.to_json() for part in self.parts],
            "original": [each.to_json() for each in self.original],
            "then_and_now": [each.to_json() for each in self.then_and_now],
        }  # fmt: skip


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. ``study`` holds what was finished; running the same again does the rest."""

    def __init__(self, study: Study) -> None:
        super().__init__("interrupted; run the same command again to go on")
        self.study = study


def run(
    request: Request,
    out: Path | None = None,
    watch: Watch | None = None,
    finish: Callable[[Path], object] = lambda folder: None,
) -> Study:
    """Run a study, or what is missing of it. ``finish`` is called with each comparison's folder once it
    has a result (it writes the page). Raises ``CrosstrainError`` for wrong use, before anything is trained,
    and ``Interrupted`` on Ctrl-C."""
    if request.published:
        # Its default folder stays that of the plan alone: what was published changes no measurement.
        folder = out or request.folder
        request = replace(request, plan=plans.with_published(request.plan, request.published), published=None)
        return run(request, folder, watch, finish)
    name, scale = request.plan.scale(request.scale)
    folder, watch = out or request.folder, watch or Silent()
    parts = request.plan.parts_of(scale)
    ready = [_ready(part, request, watch.note) for part in parts]
    # All settings come first, so that an error in the last part stops the study before the first trains.
    all_settings = [_settings(request, name, scale, each) for each in ready]
    results: list[PartResult] = []
    for each, part_settings in zip(ready, all_settings, strict=True):
        for reason in (each.skipped, *each.absent.values()):
            if reason:
                watch.note(f"{each.part.name}: {reason}")
        if part_settings is None:
            results.append(each)
            continue
        place = folder if each is ready[0] else folder / each.part.name
        try:
            comparison = Comparison(comparing.run(part_settings, place, watch))
        except comparing.Interrupted as stop:
            results.append(replace(each, comparison=Comparison(stop.result)))
            finish(place)
            raise Interrupted(_save(request, name, folder, results)) from stop
        results.append(replace(each, comparison=comparison))
        finish(place)
        _save(request, name, folder, results)
    if all(each.comparison is None for each in results):
        raise CrosstrainError("; ".join(f"{each.part.name}: {each.skipped}" for each in results))
    return _save(request, name, folder, results)


def _save(request: Request, scale: str, folder: Path, results: Sequence[PartResult]) -> Study:
    """Write the study so far and a copy of its plan to ``folder``, and return the study."""
    study = Study(request.plan, scale, folder, tuple(results))
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / PLAN
    if not (copy.exists() and copy.samefile(request.file)):
        shutil.copyfile(request.file, copy)
    write_json(folder / RESULT, study.to_json())
    if beside := study.then_and_now:
        write_page(study.plan.title, beside, folder / PAGE)
    return study


# -- what takes part ------------------------------------------------------------------------------
def _ready(part: Part, request: Request, tell: Callable[[str], None]) -> PartResult:
    """The part with the engines that are installed and have its device; ``skipped`` where none has."""
    names = list(request.engines or part.engines)
    if ALL in names:
        names = list(installed(training=True))
    absent: dict[str, str] = {}
    devices: dict[str, str] = {}
    rows = engines()
    if part.device == AUTO:
        choice = choose([name for name in names if engine_of(name) in rows])
        part = part.model_copy(update={"device": choice.device})
        if choice.note:
            tell(f"{part.name}: {choice.note}")
    for name in names:
        row = rows.get(engine_of(name))
        if row is None:
            where = "" if request.engines else f"{request.file}, part {part.name}: "
            raise CrosstrainError(f"{where}there is no engine {name!r}; there are {', '.join(rows)}")
        here = find(row)
        if here is None:
            absent[name] = f"{name} is not installed; install it with: {row.how_to_install}"
            continue
        available = ["cpu"] if part.device == "cpu" else list(describe(row, here).get("devices") or ())
        if part.device not in available and not (part.device == GPU and any(d != "cpu" for d in available)):
            absent[name] = f"{name} finds no {part.device} on this machine"
            continue
        devices[name] = next(d for d in available if d != "cpu") if part.device == GPU else part.device
    if not devices and part.device == "cpu":
        return PartResult(part, skipped="left out, since no engine of it is installed", absent=absent)
    if not devices:
        return PartResult(part, skipped=f"left out, since no engine finds a {part.device} here")
    # Engines call one GPU alike; where they do not, the first one's name counts for all.
    device = next(iter(devices.values()))
    for name in [name for name, each in devices.items() if each != device]:
        absent[name] = f"{name} calls its device {devices.pop(name)} and not {device}"
    taking_part = part.model_copy(update={"engines": list(devices), "device": device})
    return PartResult(taking_part, absent=absent)


def _settings(request: Request, name: str, scale: Scale, ready: PartResult) -> Settings | None:
    if ready.skipped:
        return None
    plan, part = request.plan, ready.part
    data = request.data or plan.data.default
    if not data:
        form = plan.data.form or "digits, mnist:DIR, … (crosstrain datasets)"
        raise CrosstrainError(f"name the data of the study with --data: {form}")
    recipe, amount = plan.recipe.model_dump(), scale.amount(part)
    with _of_the_file(request.file, f"scale {name}, part {part.name}"):
        return settings(
            [_beside(network, request.file.parent) for network in part.networks or scale.networks],
            data,
            engines=part.engines,
            epochs=amount.epochs,
            seeds=amount.seeds or 1,
            repeats=amount.repeats,
            device=part.device,
            threads=request.threads,
            options={engine: values for engine, values in part.options.items() if engine in part.engines},
            prepare=plan.data.prepare if amount.prepare is None else amount.prepare,
            split=plan.data.split if amount.split is None else amount.split,
            limit=request.limit or amount.limit or plan.data.limit,
            tuned=bool(amount.tuned),
            criteria=bool(amount.criteria),
            twins=amount.twins or 0,
            prefer=next((p for p in (request.prefer, amount.prefer) if p is not None), plan.prefer),
            repeats_until=amount.repeats_until,
            budget=request.budget or amount.budget,
            **recipe,
        )


def _beside(network: str, folder: Path) -> str:
    """A network's file beside the plan, where the working directory has none."""
    names, _ = spelling.networks([network])
    path = names[0].rpartition(":")[0] if ".py:" in names[0] else names[0]
    if Path(path).suffix and not Path(path).exists() and (folder / path).is_file():
        return str(folder / network)
    return network


@contextlib.contextmanager
def _of_the_file(file: Path, where: str) -> Iterator[None]:
    """Add the file and place to the message of a wrong setting."""
    try:
        yield
    except CrosstrainError as error:
        raise CrosstrainError(f"{file} ({where}): {error}") from error

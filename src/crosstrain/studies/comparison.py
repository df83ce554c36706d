"""Drives a comparison: data, definitions, certificates, cells, results. Whatever fails costs its own cell."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosstrain.advice.recommendation import pareto, recommend
from crosstrain.comparison import folder as folders
from crosstrain.comparison import narrowing
from crosstrain.comparison.budget import Choice, Estimate, choose
from crosstrain.comparison.cells import Bench, Key
from crosstrain.comparison.certify import Certifier, shortcomings
from crosstrain.comparison.devices import settled
from crosstrain.comparison.engines import Field, muster
from crosstrain.comparison.entrants import Setup
from crosstrain.comparison.plan import Cell, Group, Round, cells, rounds
from crosstrain.comparison.progress.account import Account
from crosstrain.comparison.progress.publish import Published, Sparing
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Refused, Subject, Workshop, source_hashes
from crosstrain.criteria import Criteria
from crosstrain.data.registry import parse
from crosstrain.engines.registry import engine_of, engine_row
from crosstrain.environments.installing import provide
from crosstrain.environments.versions import machine, versions_of
from crosstrain.errors import CrosstrainError
from crosstrain.forecasting.summary import summarized
from crosstrain.results.growth import growth
from crosstrain.results.overfitting import over_fits
from crosstrain.results.pairwise import pairwise
from crosstrain.results.quality import quality
from crosstrain.results.rounding import rounding
from crosstrain.results.rows import counted, rows, size_text
from crosstrain.results.schema import CellResult, CertificateResult, ComparisonResult, Size
from crosstrain.results.stability import stability
from crosstrain.runs.store import Store
from crosstrain.studies.classical import Classical
from crosstrain.studies.twins import Twins
from crosstrain.system.files import write_json
from crosstrain.system.machine import own_version, usable_cores
from crosstrain.tuning.tuned import Tuned, compared, tuned


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. ``result`` holds what was finished; running the same again does the rest."""

    def __init__(self, result: ComparisonResult) -> None:
        super().__init__("interrupted; run the same command again to go on")
        self.result = result


def run(settings: Settings, out: Path | None = None, watch: Watch | None = None) -> ComparisonResult:
    """Run a comparison, or what is missing of it, in the folder ``out`` (default: one that is named after
    the settings). Raises ``CrosstrainError`` for wrong use, before anything is trained, and
    ``StorageError`` where the disk does not take the results."""
    parse(settings.data)
    provide([engine_row(engine_of(name)) for name in settings.engines], (watch or Silent()).stage)
    settings = settled(settings, (watch or Silent()).note)
    with (
        folders.opened(out or settings.default_folder) as store,
        Published(watch or Silent(), store.folder) as published,
    ):
        return _Comparison(settings, store, published).run()


class _Comparison:
    """One run over a comparison's folder."""

    def __init__(self, settings: Settings, store: Store, watch: Watch) -> None:
        self.settings, self.store, self.watch = settings, store, watch
        self.subjects: dict[Key, Subject] = {}
        self.refused: list[Refused] = []
        self.certificates: dict[Key, list[CertificateResult]] = {}
        self.field = Field({})
        self.tuned = Tuned()
        self.planned: list[Cell] = []
        self.results: dict[str, CellResult] = {}
        self.notes: list[str] = []
        self.begun = False
        self.sparing = Sparing()
        self.account = Account(_read(store.folder / "wall.json"))
        self.bench = Bench(
            settings, store, watch, self.account, self.field, self.subjects, self.certificates, self.results
        )
        self.criteria = Criteria(self.bench)
        self.classical = Classical(self.bench)
        self.twins = Twins(self.bench)

    # -- the way --------------------------------------------------------------------------------
    def run(self) -> ComparisonResult:
        identity = {**self.settings.identity(), "files": source_hashes(self.settings)}
        plan = folders.agree(self.store, "comparison", identity) or {}
        self.field = self.bench.field = muster(self.settings, self.store.logs)
        for reason in self.field.absent.values():
            self.watch.note(reason)
        try:
            plan = self._write_plan(plan, identity=identity)
            self._prepare()
            self._take_profiles()
            self._agree_on_content(plan)
            plan = self._write_plan(plan, content={**plan.get("content", {}), **self._content()})
            # First: an estimator that refuses a parameter says so before anything is trained.
            self.classical.measure(list(self.subjects.values()), self._passes())
            self._certify()
            choice = self._choice(plan)
            while True:
                plan = self._write_plan(
                    plan, choice=choice.to_json(), cells=[c.id for c in self._plan(choice)]
                )
                self._cells(choice)
                if choice.settled:
                    break
                choice = self._more(choice)
            for extra in self._further(choice):
                plan = self._write_plan(plan, cells=[c.id for c in (*self.planned, *extra)])
                self._measure(extra, choice.epochs)
            twins = self.twins.plan(self.planned)
            if twins:
                plan = self._write_plan(plan, twins=[c.id for c in twins])
            self.twins.measure(twins, choice.epochs)
            self._criteria()
        except KeyboardInterrupt as interrupt:
            raise Interrupted(self._result()) from interrupt
        return self._result()

    def _write_plan(self, plan: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
        """Add ``parts`` to the plan, write it to disk and return it; a later run must agree with it."""
        full_plan = {
            "format": folders.FORMAT,
            "kind": "comparison",
            "crosstrain": own_version(),
            **plan,
            **parts,
        }
        self.store.write_plan(full_plan)
        return full_plan

    def _prepare(self) -> None:
        for subject in Workshop(self.settings, self.store.folder, self.watch.stage, self.account).subjects():
            if isinstance(subject, Refused):
                self.refused.append(subject)
            else:
                self.subjects[subject.network, size_text(subject.size)] = subject
        if not self.subjects:
            raise CrosstrainError(self.refused[0].reason)
        for refused in self.refused:
            self.watch.note(f"{refused.network}: {refused.reason}")
        remarks = [r for s in self.subjects.values() for d in s.definitions.values() for r in d.remarks]
        for remark in dict.fromkeys([*self.settings.remarks, *remarks]):
            self._note(remark)
        for warning in dict.fromkeys(w for s in self.subjects.values() for w in s.data.warnings):
            self._note(f"{self.settings.data}: {warning}")

    def _take_profiles(self) -> None:
        """With ``tuned``, engines take part also as their profiles say."""
        if not self.settings.tuned:
            return
        engines = [name for name in self.field.ready if name == engine_of(name)]
        self.tuned = tuned(self.settings, self.subjects, engines)
        self.field = self.bench.field = replace(self.field, tuned=self.tuned.setups)
        for note in self.tuned.notes:
            self._note(note)

    def _agree_on_content(self, plan: Mapping[str, Any]) -> None:
        """Refuse to mix cells of data, networks or frameworks that have changed in between."""
        recorded = plan.get("content", {})
        for key, value in self._content().items():
            if key in recorded and recorded[key] != value:
                raise CrosstrainError(
                    f"{key} has changed since the comparison in {self.store.folder} began; "
                    "name another folder with --out"
                )

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for subject in self.subjects.values():
            content[f"the data {self.settings.data} ({subject})"] = subject.data.hash
            content[f"the network {subject}"] = subject.definition.graph.hash
        for (network, size), setups in self.tuned.setups.items():
            for name, setup in setups.items():
                content[f"the profile of {name} for {network} at {size}"] = setup.to_json()
        versions = versions_of(list(self.field.ready))
        return content | {f"the version of {name}": version for name, version in versions.items()}

    def _certify(self) -> None:
        if not self.settings.proof:
            return
        certifier = Certifier(self.settings, self.store.folder, self.watch.stage)
        with self.account.part("proving"):
            subjects = {key: (subject, self._setups(subject)) for key, subject in self.subjects.items()}
            self.certificates.update(certifier.certify(subjects))
        for sentence in shortcomings(
            [c for certificates in self.certificates.values() for c in certificates]
        ):
            self._note(sentence)

    def _setups(self, subject: Subject) -> dict[str, Setup]:
        """How the processes of each of a subject's entrants are started."""
        names = self.field.of(subject.network, subject.size)
        return {name: self.field.setup(self.settings, subject.network, subject.size, name) for name in names}

    # -- how much -------------------------------------------------------------------------------
    def _passes(self) -> list[Round]:
        return rounds(self.settings.seeds, self.settings.repeats, first=self.settings.recipe.seed)

    def _choice(self, plan: Mapping[str, Any]) -> Choice:
        """Epochs and rounds: as requested, as chosen when the comparison began, or as the budget allows."""
        epochs, passes = self.settings.recipe.epochs, self._passes()
        if self.settings.budget is None:
            return Choice(epochs, len(passes), settled=True)
        if plan.get("choice"):
            return Choice(**plan["choice"])
        probes = self._plan(Choice(1, 1))
        self.watch.note(
            f"Measuring one epoch of each of {len(probes)} cells, to see how many epochs fit in the budget."
        )
        self.watch.begin(probes, [], 1)
        for cell in probes:
            # A cell of one epoch, taken up again later; if it comes to no more than that, it is the result.
            self.bench.measure(cell, 1)
        # Each twin of a seed takes as long as a round with one seed.
        share = len(passes) / (len(passes) + self.settings.seeds * self.settings.twins)
        remaining = share * (self.bench.remaining() or 0.0)
        choice = choose(self._estimates(), remaining, epochs=epochs, passes=passes)
        schedule = f"{counted(choice.epochs, 'epoch')} in {choice.rounds} of {counted(len(passes), 'round')}"
        self.watch.note(f"The budget allows {schedule}.")
        return choice

    def _more(self, choice: Choice) -> Choice:
        """One more round where the budget allows it; else the choice is final."""
        cost = sum(estimate.seconds(choice.epochs) for estimate in self._estimates().values())
        passes = self._passes()
        remaining = (self.bench.remaining() or 0.0) - self._twins_seconds(choice.epochs)
        if choice.rounds < len(passes) and cost <= remaining:
            return replace(choice, rounds=choice.rounds + 1)
        return replace(choice, settled=True)

    def _twins_seconds(self, epochs: int) -> float:
        """What of the budget is kept for twins."""
        trainings = self.settings.seeds * self.settings.twins
        return trainings * sum(estimate.seconds(epochs) for estimate in self._estimates().values())

    def _estimates(self) -> dict[Group, Estimate]:
        """What a cell of each group costs, from the last one that was measured."""
        cells = {cell.id: cell for cell in self._plan(Choice(1, len(self._passes())))}
        estimates = {}
        for name, result in self.results.items():
            if name in cells and (estimate := Estimate.of(result)):
                estimates[cells[name].group] = estimate
        return estimates

    def _plan(self, choice: Choice) -> list[Cell]:
        return cells(self._sizes(), self.field.names, self._passes()[: choice.rounds], self.field.takes_part)

    def _sizes(self) -> dict[str, list[Size]]:
        """The input sizes of each network."""
        sizes: dict[str, list[Size]] = {}
        for subject in self.subjects.values():
            sizes.setdefault(subject.network, []).append(subject.size)
        return sizes

    # -- cells ----------------------------------------------------------------------------------
    def _cells(self, choice: Choice) -> None:
        self.planned = []
        self._measure(self._plan(choice), choice.epochs)
        if choice.settled:
            self.bench.forget_checkpoints()
            if left_out := choice.left_out(self.settings.recipe.epochs, len(self._passes())):
                self._note(f"The budget of {self.settings.budget:g} s left out {left_out}.")

    def _measure(self, added: list[Cell], epochs: int) -> None:
        """Add these cells to the plan, and run those that are missing."""
        self.planned += added
        # What is there may be a probe of one epoch: only cells that have all of them count.
        finished = {c.id: result for c in added if (result := self.bench.stored_result(c, epochs))}
        missing = [cell for cell in added if cell.id not in finished]
        self.results.update(finished)
        if missing or not self.begun:
            self.begun = True
            self.watch.begin(added, list(finished.values()), epochs)
        for cell in missing:
            self._show_partial()
            self.bench.measure(cell, epochs)

    def _further(self, choice: Choice) -> Iterator[list[Cell]]:
        """Rounds beyond those of the plan, until every interval is as narrow as requested (narrowing)."""
        share, budget = self.settings.repeats_until, self.settings.budget
        if share is None:
            return
        max_rounds = narrowing.MOST if budget is None else narrowing.MOST_IN_BUDGET
        passes = rounds(
            self.settings.seeds, -(-max_rounds // self.settings.seeds), first=self.settings.recipe.seed
        )
        limit = f"The limit of {max_rounds} rounds"
        for index in range(choice.rounds, max_rounds):
            wide = narrowing.still_wide(self._so_far(), share)
            participants = narrowing.taking_part(self._so_far(), wide)
            extra = cells(self._sizes(), self.field.names, [passes[index]], participants, first=index)
            missing = [cell for cell in extra if not self.bench.stored_result(cell, choice.epochs)]
            cost = {c.group: e for c in missing if (e := self._estimate(c))}
            seconds = sum(estimate.seconds(choice.epochs) for estimate in cost.values())
            kept = self._twins_seconds(choice.epochs)
            if missing and budget is not None and seconds + kept > (self.bench.remaining() or 0.0):
                limit = f"The budget of {budget:g} s"
                break
            if not extra:
                break
            if missing:
                self.watch.note(narrowing.progress_note(wide, share, index))
            yield extra
        self.bench.forget_checkpoints()
        results = self._so_far()
        if message := narrowing.final_note(results, narrowing.still_wide(results, share), share, limit):
            self._note(message)

    def _estimate(self, cell: Cell) -> Estimate | None:
        """What a cell costs, from the last one of its group that was measured."""
        for earlier in reversed(self.planned):
            if earlier.group == cell.group and earlier.id in self.results:
                return Estimate.of(self.results[earlier.id])
        return None

    def _so_far(self) -> list[CellResult]:
        return [self.results[cell.id] for cell in self.planned if cell.id in self.results]

    def _show_partial(self) -> None:
        """Write the results so far for those who watch, as often as the cost is negligible."""
        if self.sparing.may():
            started = time.monotonic()
            self._result(running=True)
            self.sparing.took(time.monotonic() - started)

    def _criteria(self) -> None:
        """Measure the further criteria that are requested, and read what an earlier run measured."""
        with self.account.part("criteria"):
            self.criteria.measure(self._so_far(), self.planned)
        for sentence in self.criteria.sentences():
            self._note(sentence)

    # -- the end --------------------------------------------------------------------------------
    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.watch.note(text)

    def _not_run(self) -> list[CellResult]:
        """A result for each cell that cannot run: refused networks and absent engines."""
        common: dict[str, Any] = {"device": self.settings.device, "precision": self.settings.precision}
        results = [
            CellResult(
                **common, id=f"{r.network}-{size_text(r.size)}-{engine}", network=r.network,
                input_size=r.size, engine=engine, status="cannot", error=r.reason,
            )
            for r in self.refused
            for engine in self.settings.engines
        ]  # fmt: skip
        results += [
            CellResult(
                **common, id=f"{subject}-{name}", network=subject.network, input_size=subject.size,
                engine=name, status="missing", error=reason,
            )
            for name, reason in self.field.absent.items()
            for subject in self.subjects.values()
        ]  # fmt: skip
        return results

    def _result(self, *, running: bool = False) -> ComparisonResult:
        """Everything so far; also written to the folder."""
        cell_results = self._so_far() + self._not_run()
        summary = rows(cell_results)
        first = next(iter(self.subjects.values()), None)
        forecasts = summarized(cell_results, first.data, self.store.folder) if first else {}
        result = ComparisonResult(
            crosstrain=own_version(),
            folder=str(self.store.folder),
            cells=cell_results,
            certificates=[c for each in self.certificates.values() for c in each],
            rows=[row.to_json() for row in summary],
            recommendation=recommend(
                summary, self.criteria.to_json(), self.settings.prefer, self.settings.require, usable_cores()
            ),
            front=pareto(summary, self.criteria.to_json()),
            machine=machine(),
            data=dict(first.data.manifest) if first else {},
            settings=self.settings.identity(),
            wall=self.account.to_json(),
            criteria=self.criteria.to_json(),
            stability=stability(cell_results, usable_cores()),
            growth=growth(cell_results),
            tuning=compared(self.tuned.profiles, summary),
            ratios=pairwise(cell_results),
            twins=list(self.twins.results),
            rounding=rounding(cell_results, self.twins.results),
            classical=list(self.classical.results),
            search=self.settings.search,
            forecasts=forecasts,
            notes=[
                *self.notes,
                *_endings(cell_results),
                *_perplexities(cell_results, first),
                *self.store.warnings,
            ],
            running=running,
        )
        write_json(self.store.folder / "wall.json", self.account.to_json())
        write_json(self.store.folder / "result.json", result.model_dump())
        return result


def _endings(cells: list[CellResult]) -> list[str]:
    """What is to be said of how trainings ended: early, or over-fitted."""
    return [
        f"{row.network} on {row.engine} {sentence}."
        for row in rows(cells)
        for sentence in dict.fromkeys(s for cell in row.done for s in (cell.stopped, over_fits(cell)) if s)
    ]


def _perplexities(cells: list[CellResult], subject: Subject | None) -> list[str]:
    """The perplexity of each language model on the test part, of the first seed."""
    facts = (subject.data.manifest.get("facts") or {}).get("text", {}) if subject else {}
    if not facts.get("language_model"):
        return []
    token = facts["tokenizer"]["kind"].removesuffix("s")
    return [
        f"{row.network} on {row.engine}: perplexity {perplexity:.4g} a {token} on the test part."
        for row in rows(cells)
        if row.done and (perplexity := quality(row.done[0]).get("perplexity"))
    ]


def _read(path: Path) -> dict[str, Any] | None:
    """An account of earlier runs; None where there is none, or a damaged one (which is only reported)."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


__all__ = ["Interrupted", "run"]

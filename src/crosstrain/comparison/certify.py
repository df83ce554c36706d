"""The certificates of a comparison: proved once for each network, input size and engine, then kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosstrain.comparison.entrants import Setup, file_name
from crosstrain.comparison.plan import labels
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Subject, Tell, fingerprint
from crosstrain.environments.versions import versions_of
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import size_text
from crosstrain.results.schema import CertificateResult, CertificateStatus
from crosstrain.runs.at_once import Task, at_once, slots
from crosstrain.runs.process import Outcome, run_job
from crosstrain.system.files import write_json
from crosstrain.system.gpus import free_memory
from crosstrain.system.machine import own_version
from crosstrain.training.spelling import listed

PRECISIONS = ("float64", "float32")

Key = tuple[str, str]
"""Network and input size (as text)."""
Entry = tuple[Subject, Mapping[str, Setup]]
"""A subject and its entrants."""


class Certifier:
    """Proves subjects on engines, in float64 and in float32, as the comparison will run them.

    Proofs need no quiet machine: several run at a time, as cores and memory allow.
    """

    def __init__(self, settings: Settings, folder: Path, tell: Tell) -> None:
        self.settings = settings
        self.folder = folder / "certificates"
        self._labels = labels(settings.networks)
        self._lock, self._tell = threading.Lock(), tell

    def certify(self, wanted: Mapping[Key, Entry]) -> dict[Key, list[CertificateResult]]:
        """The certificates of each subject for all its entrants. Earlier ones are read from disk, entrants
        with the same setup share a proof, and a certificate that cannot be made gives the reason.

        ``wanted`` are the subjects with their entrants. Each certificate is written as soon as it is
        finished, so that Ctrl-C loses only what is running.
        """
        results: dict[tuple[Key, str], list[CertificateResult]] = {}
        missing: dict[tuple[Key, str], list[str]] = {}
        for where, (subject, entrants) in wanted.items():
            for name, setup in entrants.items():
                key = self._key(subject, setup)
                if stored := self._read(subject, name, key):
                    results[where, name] = stored
                else:
                    missing.setdefault((where, key), []).append(name)
        # The first engine of each subject before the second of any: it finds the truth, for which the
        # subject's other engines would wait.
        order = sorted(missing, key=_rank(missing))
        tasks = [self._task(wanted[where][0], wanted[where][1], missing[where, key]) for where, key in order]
        with closing(
            at_once(tasks, slots(len(tasks), on_device=free_memory(self.settings.device)))
        ) as proofs:
            for number, certificates in proofs:
                where, key = order[number]
                for name in missing[where, key]:
                    own = [c.model_copy(update={"engine": name}) for c in certificates]
                    if all(c.status != "cannot" for c in own):  # else it is tried again the next time
                        self._write(wanted[where][0], name, key, own)
                    results[where, name] = own
        return {
            where: [certificate for name in entrants for certificate in results[where, name]]
            for where, (_, entrants) in wanted.items()
        }

    def _task(
        self, subject: Subject, entrants: Mapping[str, Setup], names: Sequence[str]
    ) -> Task[list[CertificateResult]]:
        """To prove a subject on what the first of these names, set up alike, stands for."""
        name = names[0]

        def task(stop: threading.Event) -> list[CertificateResult]:
            self.tell(f"Proving {subject} on {name}")
            try:
                return self._prove(subject, entrants[name], stop)
            except CrosstrainError as error:
                return _without(subject, name, error)

        return task

    def _prove(self, subject: Subject, setup: Setup, stop: threading.Event) -> list[CertificateResult]:
        from crosstrain.proof.prove import prove

        settings = self.settings
        proof = prove(
            subject.definition,
            [setup.engine],
            PRECISIONS,
            recipe=settings.recipe,
            # The truth lies here and is shared by the engines.
            work=self.folder / "work" / subject.definition.graph.hash[:16],
            device=settings.device,
            threads=setup.threads,
            options={setup.engine: setup.options},
            trust=settings.trust,
            data=subject.data,
            on_event=lambda event: self._hear(subject, event),
            launch=launched_as(setup, stop),
            start_ahead=False,  # other proofs run beside it and keep the cores busy
        )
        common: dict[str, Any] = {"network": subject.network, "input_size": subject.size}
        return [CertificateResult(**common, **certificate.to_json()) for certificate in proof]

    def tell(self, message: str) -> None:
        """Pass a message on; those of several threads one after the other."""
        with self._lock:
            self._tell(message)

    def _hear(self, subject: Subject, event: Mapping[str, Any]) -> None:
        if message := words(event, str(subject)):
            self.tell(message)

    def _key(self, subject: Subject, setup: Setup) -> str:
        """Changes with whatever a certificate depends on."""
        from crosstrain.proof.truths import gather

        definition = subject.definition
        # Threads that all share are left out: their number changes no more than the order of sums.
        own = setup.threads != self.settings.threads or setup.environment or setup.pinned
        return fingerprint(
            {
                "graph": definition.graph.hash,
                "loss": definition.loss.hash,
                "data": subject.data.hash,
                # As a proof has it: what changes pictures does so before any engine sees them.
                "recipe": json.loads(json.dumps(replace(self.settings.recipe, augmentation={}).to_json())),
                "device": self.settings.device,
                "options": dict(setup.options),
                **({"setup": setup.to_json()} if own else {}),
                "versions": {**versions_of([setup.engine]), "crosstrain": own_version()},
                "truth": gather.FORMAT,
            }
        )

    def _path(self, subject: Subject, engine: str) -> Path:
        size = "" if subject.size is None else f"-{size_text(subject.size).replace('×', 'x')}"
        return self.folder / f"{self._labels[subject.network]}{size}-{file_name(engine)}.json"

    def _read(self, subject: Subject, engine: str, key: str) -> list[CertificateResult] | None:
        path = self._path(subject, engine)
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text())
            if data["key"] != key:
                return None
            return [CertificateResult(**each) for each in data["certificates"]]
        except (ValueError, KeyError, TypeError):
            return None  # damaged: it is proved again and rewritten

    def _write(
        self, subject: Subject, engine: str, key: str, certificates: Sequence[CertificateResult]
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            self._path(subject, engine), {"key": key, "certificates": [c.model_dump() for c in certificates]}
        )


def launched_as(setup: Setup, stop: threading.Event | None = None) -> Callable[..., Outcome]:
    """``run_job`` for proofs: the engine's own processes are started as the setup says, and ended on
    ``stop``."""
    more = {k: v for k, v in setup.job().items() if k in ("environment", "cores", "division")}

    def launch(job: Mapping[str, Any], **options: Any) -> Outcome:
        return run_job({**job, **more} if job["task"] == "evidence" else job, stop=stop, **options)

    return launch


def status(certificates: Sequence[CertificateResult], precision: str) -> CertificateStatus:
    """The status of a cell of this precision: a departure in any precision counts."""
    if any(c.status == "departs" for c in certificates):
        return "departs"
    result: CertificateStatus = next((c.status for c in certificates if c.precision == precision), "none")
    return result


def _without(subject: Subject, engine: str, error: CrosstrainError) -> list[CertificateResult]:
    """Certificates with the status ``cannot``, and why."""
    common: dict[str, Any] = {"network": subject.network, "input_size": subject.size, "engine": engine}
    return [CertificateResult(**common, precision=p, status="cannot", reason=str(error)) for p in PRECISIONS]


def shortcomings(certificates: Sequence[CertificateResult]) -> list[str]:
    """A sentence for each reason why certificates prove nothing, with all networks, engines and precisions
    that it affects."""
    stopped: dict[tuple[str, str], dict[str, dict[str, list[str]]]] = {}
    for each in certificates:
        if each.status != "proved":
            size = "" if each.input_size is None else f" at {size_text(each.input_size)}"
            why = departed(each.first_departure) if each.first_departure else each.reason
            networks = stopped.setdefault((each.status, why), {})
            networks.setdefault(f"{each.network}{size}", {}).setdefault(each.engine, []).append(
                each.precision
            )
    sentences = []
    for (status, why), networks in stopped.items():
        # Networks that fail on the same engines and in the same precisions share a clause.
        alike: dict[str, list[str]] = {}
        for network, by_engine in networks.items():
            by_precision: dict[str, list[str]] = {}
            for engine, precisions in by_engine.items():
                by_precision.setdefault(" and ".join(precisions), []).append(engine)
            where = "; ".join(f"{listed(engines)}, {p}" for p, engines in by_precision.items())
            alike.setdefault(where, []).append(network)
        places = "; ".join(f"{listed(names)} on {where}" for where, names in alike.items())
        sentences.append(f"{places}: {status}, {why}")
    return sentences


def departed(where: Mapping[str, Any]) -> str:
    """A first departure in a few words."""
    place = f"node {where['node']!r} ({where['op']})" if where.get("node") else "before the first node"
    return f"first in {where['stage']} at {place}, {where['tensor']}; {where['cause']}"


def words(event: Mapping[str, Any], subject: str = "") -> str | None:
    """What an event of a proof says to people; None for one that is of no interest. ``subject`` is named
    where several are being proved at a time."""
    if event.get("event") == "certificate":
        front = f"{subject} on {event['engine']}" if subject else event["engine"]
        return f"  {front}, {event['precision']}: {event['status']}"
    if event.get("event") == "phase" and event.get("name") == "locate":
        what = f"{subject} on {event['engine']}" if subject else event["engine"]
        return f"Looking for where {what} departs, in {event['precision']}"
    return None


def _rank(missing: Mapping[tuple[Key, str], Any]) -> Callable[[tuple[Key, str]], int]:
    """The place of each among those of the same subject."""
    places: dict[tuple[Key, str], int] = {}
    counts: dict[Key, int] = {}
    for each in missing:
        places[each] = counts[each[0]] = counts.get(each[0], -1) + 1
    return places.__getitem__

"""The certificates of a comparison: proved once for each network, input size and engine, then kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from crosstrain.runs.process import Outcome, run_job
from crosstrain.system.files import write_json
from crosstrain.system.machine import own_version

PRECISIONS = ("float64", "float32")


class Certifier:
    """Proves subjects on engines, in float64 and in float32, as the comparison will run them."""

    def __init__(self, settings: Settings, folder: Path, tell: Tell) -> None:
        self.settings = settings
        self.folder = folder / "certificates"
        self.tell = tell
        self._labels = labels(settings.networks)

    def certify(self, subject: Subject, entrants: Mapping[str, Setup]) -> list[CertificateResult]:
        """The certificates of one subject for all entrants; those that were proved before are read, and what
        is set up alike is proved once. One that cannot be made says so, and why."""
        found: dict[str, list[CertificateResult]] = {}
        by_key: dict[str, list[CertificateResult]] = {}
        for name, setup in entrants.items():
            key = self._key(subject, setup)
            kept = self._read(subject, name, key)
            if kept is None:
                if key not in by_key:
                    self.tell(f"Proving {subject} on {name}")
                    try:
                        by_key[key] = self._prove(subject, setup)
                    except CrosstrainError as error:
                        by_key[key] = _without(subject, name, error)
                kept = [c.model_copy(update={"engine": name}) for c in by_key[key]]
                if all(c.status != "cannot" for c in kept):  # else it is tried again the next time
                    self._write(subject, name, key, kept)
            by_key.setdefault(key, kept)
            found[name] = kept
        return [certificate for each in found.values() for certificate in each]

    def _prove(self, subject: Subject, setup: Setup) -> list[CertificateResult]:
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
            on_event=self._told,
            launch=launched_as(setup),
        )
        told: dict[str, Any] = {"network": subject.network, "input_size": subject.size}
        return [CertificateResult(**told, **certificate.to_json()) for certificate in proof]

    def _told(self, event: Mapping[str, Any]) -> None:
        if told := words(event):
            self.tell(told)

    def _key(self, subject: Subject, setup: Setup) -> str:
        """Changes with whatever a certificate depends on."""
        definition = subject.definition
        # Threads that all share are left out: their number changes no more than the order of sums.
        own = setup.threads != self.settings.threads or setup.environment or setup.pinned
        return fingerprint(
            {
                "graph": definition.graph.hash,
                "loss": definition.loss.hash,
                "data": subject.data.hash,
                "recipe": json.loads(json.dumps(self.settings.recipe.to_json())),
                "device": self.settings.device,
                "options": dict(setup.options),
                **({"setup": setup.to_json()} if own else {}),
                "versions": {**versions_of([setup.engine]), "crosstrain": own_version()},
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
            return None  # damaged: it is proved again and written anew

    def _write(self, subject: Subject, engine: str, key: str, found: Sequence[CertificateResult]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._path(subject, engine), {"key": key, "certificates": [c.model_dump() for c in found]})


def launched_as(setup: Setup) -> Callable[..., Outcome]:
    """``run_job`` for proofs: the engine's own processes are started as the setup says."""
    more = {k: v for k, v in setup.job().items() if k in ("environment", "cores")}

    def launch(job: Mapping[str, Any], **given: Any) -> Outcome:
        return run_job({**job, **more} if job["task"] == "evidence" else job, **given)

    return launch


def status(certificates: Sequence[CertificateResult], precision: str) -> CertificateStatus:
    """What a cell of this precision is certified to be: any departure spoils it, in whatever precision."""
    if any(c.status == "departs" for c in certificates):
        return "departs"
    found: CertificateStatus = next((c.status for c in certificates if c.precision == precision), "none")
    return found


def _without(subject: Subject, engine: str, error: CrosstrainError) -> list[CertificateResult]:
    """Certificates that say why there are none."""
    told: dict[str, Any] = {"network": subject.network, "input_size": subject.size, "engine": engine}
    return [CertificateResult(**told, precision=p, status="cannot", reason=str(error)) for p in PRECISIONS]


def shortcomings(certificates: Sequence[CertificateResult]) -> list[str]:
    """A sentence for each certificate that is no proof; one for both precisions where they say the same."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for each in certificates:
        if each.status != "proved":
            size = "" if each.input_size is None else f" at {size_text(each.input_size)}"
            why = departed(each.first_departure) if each.first_departure else each.reason
            found.setdefault((f"{each.network}{size} on {each.engine}", each.status, why), []).append(
                each.precision
            )
    return [f"{what}, {' and '.join(p)}: {status}, {why}" for (what, status, why), p in found.items()]


def departed(where: Mapping[str, Any]) -> str:
    """A first departure in a few words."""
    place = f"node {where['node']!r} ({where['op']})" if where.get("node") else "before the first node"
    return f"first in {where['stage']} at {place}, {where['tensor']}; {where['cause']}"


def words(event: Mapping[str, Any]) -> str | None:
    """What an event of a proof says to people; None for one that is of no interest."""
    if event.get("event") == "certificate":
        return f"  {event['engine']}, {event['precision']}: {event['status']}"
    if event.get("event") == "phase" and event.get("name") == "locate":
        return f"Looking for where {event['engine']} departs, in {event['precision']}"
    return None

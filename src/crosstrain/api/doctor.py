"""Examines an engine where it runs: its files, what it says of itself, and a tiny network proved on it."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.engines.registry import EngineRow
from crosstrain.environments.environments import Environment, find, pins_of
from crosstrain.environments.installing import packages_in
from crosstrain.environments.pip import Tell
from crosstrain.errors import CrosstrainError
from crosstrain.runs.descriptions import describe

if TYPE_CHECKING:
    from crosstrain.proof.certificate import Proof

NETWORK, SHAPE, CLASSES, STEPS = "lenet5", (16, 16, 1), 4, 3
"""What is trained and proved: convolutions, pooling and dense layers, small."""

SHOWN = 3
"""Number of faults that are listed one by one."""


@dataclass(frozen=True)
class Finding:
    """What is known of an engine after its examination. ``faults`` are sentences, ``mend`` says what to do
    about them; ``proofs`` are the certificates' statuses by precision."""

    engine: str
    environment: Environment | None
    faults: tuple[str, ...] = ()
    mend: str = ""
    description: Mapping[str, Any] = field(default_factory=dict)
    proofs: Mapping[str, str] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        here = self.environment
        return {
            "engine": self.engine, "well": self.well, "faults": list(self.faults), "mend": self.mend,
            "version": here.version if here else None, "python": here.python if here else None,
            "devices": self.description.get("devices", []), "proofs": dict(self.proofs),
            "options": self.description.get("options", {}),
        }  # fmt: skip


def examine(rows: Sequence[EngineRow], tell: Tell = lambda words: None) -> Iterator[Finding]:
    """A finding for each engine, in order. Nothing is changed; faults are returned, not raised."""
    with tempfile.TemporaryDirectory(prefix="crosstrain-doctor-") as work:
        for row in rows:
            tell(f"examining {row.name}")
            yield _examined(row, Path(work), tell)


def _examined(row: EngineRow, work: Path, tell: Tell) -> Finding:
    environment = find(row)
    if environment is None:
        return Finding(row.name, None, (f"{row.name} is not installed",), row.how_to_install)
    damages = list(_listed(damage(row, environment)))
    reinstall = f"crosstrain engines remove {row.name} && crosstrain engines install {row.name}"
    if environment.own:
        reinstall = (
            f"python -m pip install --force-reinstall --no-deps {row.distribution}=={environment.version}"
        )
    description = describe(row, environment, anew=True)
    if description["status"] != "ready":
        return Finding(
            row.name,
            environment,
            (*damages, f"{row.name} cannot be imported: {description['error']}"),
            reinstall,
        )
    if not row.trains:
        return Finding(row.name, environment, tuple(damages), reinstall if damages else "", description)
    tell(f"proving {NETWORK} on {row.name}")
    proofs, failures = _proved(row, description["precisions"], work)
    faults = (*damages, *failures)
    # Where all files are those that were installed, to install them again changes nothing.
    mend = reinstall if damages else "report it: the framework's files are sound" if faults else ""
    return Finding(row.name, environment, faults, mend, description, proofs)


def _proved(row: EngineRow, precisions: Sequence[str], work: Path) -> tuple[dict[str, str], list[str]]:
    from crosstrain.proof.certificate import BOUNDS
    from crosstrain.proof.prove import prove

    precisions_to_prove = [
        precision for precision in ("float64", "float32") if precision in {*precisions} & {*BOUNDS}
    ]
    run: Callable[..., Proof] = prove
    try:
        # The folder is shared: the network and the truth are computed once for all engines.
        proof = run(
            NETWORK, [row.name], precisions_to_prove,
            input_shape=SHAPE, classes=CLASSES, steps=STEPS, batch_size=4, work=work, timeout=600.0,
        )  # fmt: skip
    except CrosstrainError as error:
        return {}, [f"nothing can be proved on {row.name}: {error}"]
    faults = [
        f"{NETWORK} in {c.precision} on {row.name}: {c.status}"
        + (f", {c.reason}" if c.reason else f" first at {c.first_departure}" if c.first_departure else "")
        for c in proof
        if c.status != "proved"
    ]
    return {c.precision: c.status for c in proof}, faults


# -- files ----------------------------------------------------------------------------------------
def damage(row: EngineRow, environment: Environment) -> Iterator[str]:
    """What is not as it was installed: packages that are missing or of another version than pinned, files
    that are missing or changed. In the user's own Python, only the framework's own package is looked at."""
    if environment.folder is None:
        yield from _changed(distribution(row.distribution)) if row.version else ()
        return
    path = [str(each) for each in packages_in(environment.folder)]
    for pin in environment.manifest.get("requirements") or pins_of(row):
        name, _, version = pin.partition(";")[0].strip().partition("==")
        package = next(iter(Distribution.discover(name=name, path=path)), None)
        if package is None:
            yield f"the package {name} is missing"
        elif version and package.version.split("+")[0] != version.split("+")[0]:
            yield f"the package {name} is {package.version}, not {version}"
        else:
            yield from _changed(package)


def _changed(package: Distribution) -> Iterator[str]:
    """Files of a package that differ from its RECORD."""
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        try:
            if file.hash is None or file.size is None:
                continue  # made on this machine: compiled Python, scripts
            if path.stat().st_size == file.size and _digest(path, file.hash.mode) == file.hash.value:
                continue
            yield f"{package.name}: {file} is not as it was installed"
        except OSError as error:
            problem = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
            yield f"{package.name}: {file} {problem}"


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, kind).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _listed(faults: Iterator[str]) -> Iterator[str]:
    """The first few faults, and the number of further ones."""
    more = 0
    for count, fault in enumerate(faults):
        if count < SHOWN:
            yield fault
        else:
            more += 1
    if more:
        yield f"and {more} more files or packages are not as they were installed"

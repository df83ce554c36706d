"""``crosstrain bundle``: a comparison's folder as one file.

The file is a zip archive: ``run/`` is the folder, ``environments/`` has the packages of each engine's Python,
``bundle.json`` says what it is, ``README.md`` says so to people, and ``SHA256SUMS`` has the hash of every
other file, as ``sha256sum --check`` reads it. The same folder gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from crosstrain.engines.registry import engine_of, engines
from crosstrain.environments.environments import find
from crosstrain.environments.versions import packages
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.command import command
from crosstrain.reporting.history import finished
from crosstrain.results.inference import InferenceResult
from crosstrain.results.loading import load
from crosstrain.results.schema import ComparisonResult
from crosstrain.runs.tasks.predictions import SUFFIX as PREDICTIONS
from crosstrain.system.files import TEMPORARY, write_whole

FORMAT = 1
MANIFEST, SUMS, README = "bundle.json", "SHA256SUMS", "README.md"
RUN, ENVIRONMENTS = "run", "environments"

UNPACKED = (".lock", "progress.json")
"""Of the folder, what belongs to a process and not to its results."""
PARTS = 2**20
"""Bytes that are read at a time."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the archive, so that the same content has the same bytes."""


@dataclass(frozen=True)
class Bundled:
    """The file that was written: its SHA-256, how many files it holds, and its size in bytes."""

    path: Path
    sha256: str
    files: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def bundle(folder: Path, out: Path | None = None, *, weights: bool = True) -> Bundled:
    """Pack the comparison in ``folder`` into ``out`` (default: its name with ``.zip``, here), without the
    trained weights unless ``weights``. Raises ``CrosstrainError`` for a folder without a finished comparison
    of trainings, and ``StorageError`` where the disk does not take the file."""
    result = _finished(folder)
    path = out or Path(f"{folder.resolve().name}.zip")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise CrosstrainError(f"cannot write {path}: name a file in an existing folder")
    files = {f"{RUN}/{name}": file for name, file in _files(folder, weights) if not _same(file, path)}
    pins = _environments(result)
    texts = {f"{ENVIRONMENTS}/{name}.txt": "\n".join(each) + "\n" for name, each in pins.items() if each}
    manifest = _manifest(folder, result, pins, weights)
    texts |= {MANIFEST: json.dumps(manifest, indent=1) + "\n", README: _readme(manifest)}

    def write(stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            sums = {name: _add(archive, name, text.encode()) for name, text in texts.items()}
            sums |= {name: _add(archive, name, file) for name, file in files.items()}
            lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
            _add(archive, SUMS, lines.encode())

    write_whole(path, write)
    return Bundled(path, digest(path), len(files) + len(texts), path.stat().st_size)


def digest(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _finished(folder: Path) -> ComparisonResult:
    """The result in a folder; ``CrosstrainError`` where it cannot be bundled."""
    try:
        kind = json.loads((folder / "plan.json").read_bytes()).get("kind")
    except (OSError, ValueError, AttributeError):
        kind = None  # what is wrong with the folder is said by ``load``
    if kind == "training":
        raise CrosstrainError(f"{folder} holds a training; a bundle is of a comparison")
    result = load(folder)
    if isinstance(result, InferenceResult):
        raise CrosstrainError(f"{folder} holds a comparison at inference; a bundle is of one of trainings")
    if result.running:
        raise CrosstrainError(
            f"the comparison in {folder} is not finished; run its command again, then bundle it"
        )
    return result


def _files(folder: Path, weights: bool) -> Iterator[tuple[str, Path]]:
    """What is packed of the folder, under its path there, in order."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise CrosstrainError(f"{path} is a link, and a bundle holds files; put the file in its place")
        if path.is_file() and not _left_out(name, weights):
            yield name, path


def _left_out(name: str, weights: bool) -> bool:
    """Whether a file is only of use to the process that wrote it: a lock, a checkpoint, the evidence that
    proofs compute anew; and trained weights, unless ``weights``."""
    trained = "cells/" in f"/{name}" and name.endswith(".npz") and not name.endswith(PREDICTIONS)
    return (
        name.rpartition("/")[2] in UNPACKED
        or name.endswith((TEMPORARY, ".checkpoint.npz"))
        or "certificates/work/" in name
        or (trained and not weights)
    )


def _same(file: Path, path: Path) -> bool:
    return path.exists() and path.samefile(file)


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> str:
    """Write a file into the archive; its SHA-256."""
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
    hashed = hashlib.sha256()
    if isinstance(content, bytes):
        hashed.update(content)
        archive.writestr(info, content)
        return hashed.hexdigest()
    info.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(info, "w") as target:
        while part := source.read(PARTS):
            hashed.update(part)
            target.write(part)
    return hashed.hexdigest()


# -- what it says of itself -------------------------------------------------------------------------
def _environments(result: ComparisonResult) -> dict[str, list[str]]:
    """The packages of each engine's Python, ``name==version``; [] for one that has changed since, or gone."""
    rows, pins = engines(), {}
    for cell in result.cells:
        name = engine_of(cell.engine)
        if cell.status != "done" or name in pins:
            continue
        here = find(rows[name]) if name in rows else None
        pins[name] = packages(here) if here and here.version == cell.engine_version else []
    return pins


def _manifest(
    folder: Path, result: ComparisonResult, pins: Mapping[str, list[str]], weights: bool
) -> dict[str, Any]:
    versions = {engine_of(cell.engine): cell.engine_version for cell in result.cells if cell.engine_version}
    return {
        "format": FORMAT,
        "kind": "comparison",
        "name": folder.resolve().name,
        "crosstrain": result.crosstrain,
        "finished": finished(result),
        "headline": result.recommendation.headline or result.recommendation.reason,
        "command": command(result.settings),
        "data": {key: result.data.get(key) for key in ("spec", "hash")},
        "machine": result.machine,
        "engines": {
            name: {"version": versions.get(name), "packages": bool(each)} for name, each in pins.items()
        },
        "trained_weights": weights,
    }


def _readme(manifest: Mapping[str, Any]) -> str:
    """The same for people."""
    machine, data = manifest["machine"], manifest["data"]
    engines_ = ", ".join(f"{name} {each['version']}" for name, each in manifest["engines"].items())
    gone = [name for name, each in manifest["engines"].items() if not each["packages"]]
    lines = [
        f"# {manifest['name']}", "",
        f"A comparison made by crosstrain {manifest['crosstrain']}, finished {manifest['finished'] or '?'}.",
        "", str(manifest["headline"]), "",
        f"- Machine: {machine.get('processor') or '?'}, {machine.get('cores', '?')} cores",
        f"- Engines: {engines_ or 'none'}",
        f"- Data: `{data['spec']}`, SHA-256 as prepared {data['hash']}", "",
        "Repeat it:", "", f"    {manifest['command']}", "",
        "Check this file, and train a sample again:", "", "    crosstrain verify THIS-FILE.zip", "",
        "Check the unpacked files alone:", "", f"    sha256sum --check {SUMS}", "",
        f"`{RUN}/` is the comparison's folder, `{ENVIRONMENTS}/` has the packages of each engine's Python.",
    ]  # fmt: skip
    if gone:
        changed = ", ".join(gone)
        lines.append(f"Those of {changed} are not known: another version was here when this was packed.")
    if not manifest["trained_weights"]:
        lines.append("Trained weights were left out.")
    return "\n".join(lines) + "\n"

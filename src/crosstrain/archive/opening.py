"""Reads a bundle from strangers: nothing in it is run, unpickled, or written outside the folder it goes to.

Every file is held against its hash while it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from crosstrain.archive.packing import FORMAT, MANIFEST, PARTS, SUMS, digest
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import storage_errors, write_whole
from crosstrain.training.spelling import listed

LARGEST_TEXT = 64 * 2**20
"""Bytes that the list of hashes, or a JSON file, may have."""
NAMED = 3
"""How many altered files a sentence names."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What ``zipfile`` raises for an archive that is torn, altered, encrypted or packed in a strange way."""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose list of files is in order: ``sums`` has the SHA-256 of each by its name, ``manifest`` is
    what it says of itself, ``sha256`` its own."""

    path: Path
    sha256: str
    sums: Mapping[str, str]
    manifest: Mapping[str, Any]

    def check(self) -> None:
        """Hold every file against its hash; ``CrosstrainError`` names those that were altered."""
        altered = []
        with zipfile.ZipFile(self.path) as archive:
            for name, expected in self.sums.items():
                if _hashed(archive, name) != expected:
                    altered.append(name)
        if altered:
            raise self._altered(altered)

    def read_json(self, name: str) -> Any:
        """The content of a JSON file in it; ``CrosstrainError`` where it is missing or none."""
        if name not in self.sums:
            raise CrosstrainError(f"{self.path} has no {name}")
        with zipfile.ZipFile(self.path) as archive:
            data = _text(archive, name, self.path)
        if hashlib.sha256(data).hexdigest() != self.sums[name]:
            raise self._altered([name])
        try:
            return json.loads(data)
        except ValueError as error:
            raise CrosstrainError(f"{name} in {self.path} is not valid JSON") from error

    def extract(self, prefix: str, target: Path) -> None:
        """Write the files whose names begin with ``prefix/`` to ``target``, without that prefix.
        ``CrosstrainError`` for one that was altered, which is not written."""
        names = [name for name in self.sums if name.startswith(f"{prefix}/")]
        with storage_errors(target), zipfile.ZipFile(self.path) as archive:
            target.mkdir(parents=True, exist_ok=True)
            needed = sum(archive.getinfo(name).file_size for name in names)
            if needed > shutil.disk_usage(target).free:
                raise CrosstrainError(f"{target} has no room for the {needed / 2**20:.0f} MiB in {self.path}")
            for name in names:
                path = target / name.removeprefix(f"{prefix}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, lambda stream, name=name: self._copy(archive, name, stream))  # type: ignore[misc]

    def _copy(self, archive: zipfile.ZipFile, name: str, stream: IO[bytes]) -> None:
        if _hashed(archive, name, stream) != self.sums[name]:
            raise self._altered([name])

    def _altered(self, names: list[str]) -> CrosstrainError:
        rest = len(names) - NAMED
        more = f" and {rest} more" if rest > 0 else ""
        verb = "are" if len(names) > 1 else "is"
        return CrosstrainError(
            f"{self.path} was altered: {listed(names[:NAMED])}{more} {verb} not what was packed"
        )


def open_bundle(path: Path, sha256: str | None = None) -> Bundle:
    """The bundle in a file, its list of files checked, not yet their content. With ``sha256`` it must be the
    file that has this hash. Raises ``CrosstrainError`` for what is no bundle, names files outside itself, or
    has more or fewer files than its list."""
    if not path.is_file():
        raise CrosstrainError(f"there is no file {path}")
    own = digest(path)
    if sha256 and own != sha256.lower():
        raise CrosstrainError(f"{path} is not the file that was cited: its SHA-256 is {own}, not {sha256}")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CrosstrainError(f"{path} is no bundle: it is not a zip archive, or a damaged one") from error
    with archive:
        members = archive.infolist()
        for member in members:
            _check_name(path, member)
        names = [member.filename for member in members if not member.is_dir()]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise CrosstrainError(f"{path} was altered: it has {twice} more than once")
        folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
        if both := folders & {*names}:
            raise CrosstrainError(f"{path} is no bundle: {min(both)} is a file and a folder in it")
        if SUMS not in names or MANIFEST not in names:
            raise CrosstrainError(f"{path} is no bundle: it has no {MANIFEST if SUMS in names else SUMS}")
        sums = _sums(path, _text(archive, SUMS, path))
    present = {*names} - {SUMS}
    for what, strays in (("lacks", {*sums} - present), ("has besides", present - {*sums})):
        if strays:
            raise CrosstrainError(f"{path} was altered: it {what} {listed(sorted(strays)[:NAMED])}")
    bundle = Bundle(path, own, sums, {})
    manifest = bundle.read_json(MANIFEST)
    form = manifest.get("format") if isinstance(manifest, dict) else None
    if form != FORMAT:
        raise CrosstrainError(f"{path} has format {form!r}; this version of crosstrain reads {FORMAT}")
    return Bundle(path, own, sums, manifest)


def _check_name(path: Path, member: zipfile.ZipInfo) -> None:
    """``CrosstrainError`` for a member that would be written elsewhere, or is no plain file."""
    # As it stands in the archive: ZipInfo's own name ends at a NUL.
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    if (
        not parts or name != member.filename or name.startswith("/") or ".." in parts
        or re.match(r"[A-Za-z]:", name) or any(c in name for c in "\\\0\n")
        or name.rstrip("/") != PurePosixPath(name).as_posix()
    ):  # fmt: skip
        raise CrosstrainError(f"{path} is no bundle: it names a file {name!r}, which may lie outside it")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise CrosstrainError(f"{path} is no bundle: {name} is a link or a device, not a file")


def _sums(path: Path, text: bytes) -> dict[str, str]:
    """The list of hashes by name."""
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as error:
        raise CrosstrainError(f"{path} was altered: {SUMS} is not text") from error
    matches = [_LINE.fullmatch(line) for line in lines]
    if not all(matches):
        raise CrosstrainError(f"{path} was altered: {SUMS} is not a list of hashes")
    return {match[2]: match[1] for match in matches if match}


def _text(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A small file, whole."""
    try:
        with archive.open(name) as stream:
            data = stream.read(LARGEST_TEXT + 1)
    except _BROKEN as error:
        raise CrosstrainError(f"{path} was altered: {name} cannot be read") from error
    if len(data) > LARGEST_TEXT:
        raise CrosstrainError(f"{path} is no bundle: {name} is larger than {LARGEST_TEXT // 2**20} MiB")
    return data


def _hashed(archive: zipfile.ZipFile, name: str, target: IO[bytes] | None = None) -> str:
    """The SHA-256 of a member, which is also written to ``target``; "" where it cannot be read."""
    hashed = hashlib.sha256()
    try:
        stream = archive.open(name)
    except _BROKEN:
        return ""
    with stream:
        while True:
            try:
                part = stream.read(PARTS)
            except _BROKEN:
                return ""
            if not part:
                return hashed.hexdigest()
            hashed.update(part)
            if target:
                target.write(part)

"""A folder, a zip or a tar as a tree of named files. An archive is read where it lies and never unpacked."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path

from crosstrain.data.source import DamagedImage
from crosstrain.errors import CrosstrainError

LARGEST_MEMBER = 1 << 28
"""Bytes (256 MiB) beyond which a zip's member is taken for a bomb, not for a picture or a table."""

TAR_DAMAGE = (
    tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError,
)  # fmt: skip
"""What ``tarfile`` and the compressions raise for a damaged tar."""

_HEADER = struct.Struct("<4s5H3I2H")
"""Of a zip's member (PKWARE's APPNOTE, 4.3.7); then come its name, an extra field and the content."""
_MAGIC = b"PK\x03\x04"
_PATCHED = 0x20


def read_file(path: Path) -> bytes:
    """A picture's bytes; ``DamagedImage`` where ``path`` is no regular file or cannot be read."""
    try:
        if not path.is_file():
            raise DamagedImage("it is not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise DamagedImage(f"it cannot be read ({error.strerror})") from error


class Tree(ABC):
    """Files by their relative POSIX names, in order."""

    names: list[str]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's content; ``DamagedImage`` where it cannot be had. Several threads may call it."""

    def close(self) -> None:  # noqa: B027 - a folder has nothing to close
        """Let go of what is open."""


class FolderTree(Tree):
    """All regular files below a folder; hidden ones apart. Links to folders are not followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = sorted(_walk(folder))

    def read(self, name: str) -> bytes:
        return read_file(self.folder / name)


class ZipTree(Tree):
    """The members of a zip. One that leaves the zip's folder, is a link, or is encrypted: refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise CrosstrainError(f"{path} is not a whole zip file ({error})") from error
        self._members = {member.filename: member for member in self._zip.infolist() if not member.is_dir()}
        for member in self._members.values():
            self._refuse_unsafe(member)
        self.names = sorted(name for name in self._members if not _hidden(name))
        self._lock = threading.Lock()
        assert self._zip.fp is not None
        self._file = self._zip.fp.fileno()

    def read(self, name: str) -> bytes:
        member = self._members[name]
        if member.file_size > LARGEST_MEMBER:
            raise DamagedImage(f"it would unpack to {member.file_size} bytes")
        try:
            if member.compress_type == zipfile.ZIP_STORED:
                return self._stored(member)
            with self._lock:
                return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DamagedImage("the zip is damaged there") from error

    def _stored(self, member: zipfile.ZipInfo) -> bytes:
        """A member that is not compressed, as pictures mostly are not: read without waiting for other
        threads. The header before it is checked as ``zipfile`` does, and so is its checksum."""
        header = os.pread(self._file, _HEADER.size, member.header_offset)
        if len(header) < _HEADER.size:
            raise zipfile.BadZipFile("the file ends within a header")
        magic, _, flags, *_, name_length, extra_length = _HEADER.unpack(header)
        if magic != _MAGIC or flags & _PATCHED:
            raise zipfile.BadZipFile("there is no header where the directory says")
        start = member.header_offset + _HEADER.size + name_length + extra_length
        data = os.pread(self._file, member.file_size, start)
        if len(data) != member.compress_size or zlib.crc32(data) != member.CRC:
            raise zipfile.BadZipFile("its checksum is wrong")
        return data

    def close(self) -> None:
        self._zip.close()

    def _refuse_unsafe(self, member: zipfile.ZipInfo) -> None:
        parts = member.filename.replace("\\", "/").split("/")  # a zip may have 50,000: no Path for each
        if not parts[0] or ".." in parts or ":" in parts[0]:
            raise CrosstrainError(f"{self.path} has a member that leaves its folder: {member.filename!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise CrosstrainError(f"{self.path} has a member that is a link: {member.filename!r}")
        if member.flag_bits & 1:
            raise CrosstrainError(f"{self.path} is encrypted; unpack it first")


class TarTree(Tree):
    """The files of a tar, compressed or not. One that leaves the tar's folder, or is no file: refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 - open until close
        except TAR_DAMAGE as error:
            raise self._damaged(error) from error
        try:
            members = [member for member in self._tar.getmembers() if not member.isdir()]
            for member in members:
                self._refuse_unsafe(member)
        except CrosstrainError:
            self._tar.close()
            raise
        except TAR_DAMAGE as error:
            self._tar.close()
            raise self._damaged(error) from error
        self._members = {_plain(member.name): member for member in members}
        self.names = sorted(name for name in self._members if not _hidden(name))
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        member = self._members[name]
        if member.size > LARGEST_MEMBER:
            raise DamagedImage(f"it would unpack to {member.size} bytes")
        try:
            with self._lock:
                file = self._tar.extractfile(member)
                assert file is not None
                data = file.read()
        except TAR_DAMAGE as error:
            raise DamagedImage("the tar is damaged there") from error
        if len(data) != member.size:
            raise DamagedImage("the tar is cut short there")
        return data

    def close(self) -> None:
        self._tar.close()

    def _damaged(self, error: BaseException) -> CrosstrainError:
        reason = str(error).partition(":\n")[0]  # what each compression said comes after it
        return CrosstrainError(f"{self.path} is not a whole tar file ({reason})")

    def _refuse_unsafe(self, member: tarfile.TarInfo) -> None:
        parts = _plain(member.name).replace("\\", "/").split("/")
        if not parts[0] or ".." in parts or ":" in parts[0]:
            raise CrosstrainError(f"{self.path} has a member that leaves its folder: {member.name!r}")
        if not member.isreg():
            raise CrosstrainError(f"{self.path} has a member that is a link or no file: {member.name!r}")


def open_tree(path: Path) -> Tree:
    """The folder, zip or tar at ``path``; ``CrosstrainError`` where it is none of them."""
    if path.is_dir():
        return FolderTree(path)
    if path.is_file():
        return TarTree(path) if ".tar" in path.suffixes or path.suffix == ".tgz" else ZipTree(path)
    raise CrosstrainError(f"there is no folder or file {path}")


def _walk(folder: Path) -> list[str]:
    def refuse(error: OSError) -> None:
        raise CrosstrainError(f"the folder {error.filename} cannot be read ({error.strerror})") from error

    names = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = Path(where).relative_to(folder).as_posix()
        prefix = "" if base == "." else f"{base}/"
        names += [prefix + name for name in files if not name.startswith(".")]
    return names


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _hidden(name: str) -> bool:
    """Hidden files, and the shadow copies that macOS puts into zips."""
    return name.startswith((".", "__MACOSX")) or "/." in name or "/__MACOSX" in name

"""A file from the internet: whole and as its checksum says, or not there; what was interrupted goes on."""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from crosstrain.errors import CrosstrainError
from crosstrain.system.files import storage_errors
from crosstrain.system.locks import locked

PART = ".part"
"""How the names of unfinished downloads end; beside each, under ``.version``, what the server called it."""
SILENCE = 30.0
"""Seconds without a byte after which a server counts as gone."""
ATTEMPTS = 3
CHUNK = 2**20


def download(url: str, path: Path, checksum: str | None = None) -> None:
    """Get ``url`` as the file ``path``, unless that is there already with this ``checksum``.

    ``checksum`` is of SHA-256 or MD5, as its length says; without one, a file that is there is taken for
    right, and a download for whole when it has the length that the server announced. A part that an earlier
    call has left goes on where it ended, if the server's file is still the same. Raises ``CrosstrainError``
    with the reason where the file cannot be had, and ``StorageError`` where the disk does not take it.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(path), locked(path.with_name(f"{path.name}.lock")):
        if path.exists() and _is(path, checksum):
            return
        part = path.with_name(f"{path.name}{PART}")
        _fetched(url, part)
        if not _is(part, checksum):
            part.unlink()
            raise CrosstrainError(f"{url} is not the file that it should be: its checksum is another")
        os.replace(part, path)


def _fetched(url: str, part: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(url, part)
        except HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise CrosstrainError(f"{url} answers {error.code} {error.reason}") from error
            part.unlink()  # longer than the server's file
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS:
                reason = getattr(error, "reason", error) or type(error).__name__
                raise CrosstrainError(f"{url} cannot be downloaded: {reason}") from error
    raise CrosstrainError(f"{url} cannot be downloaded: the server does not go on where it ended")


def _attempt(url: str, part: Path) -> None:
    """Add to ``part`` what it lacks; ``OSError`` where the connection ends before."""
    version = part.with_name(f"{part.name}.version")
    request = Request(url, headers={"User-Agent": "crosstrain"})
    if part.exists() and version.exists():
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", version.read_text())
    with urlopen(request, timeout=SILENCE) as answer, storage_errors(part):
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        version.unlink(missing_ok=True)
        with part.open("ab" if goes_on else "wb") as stream:
            if name := answer.headers.get("ETag") or answer.headers.get("Last-Modified"):
                version.write_text(name)
            missing = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(CHUNK):
                stream.write(chunk)
                missing -= len(chunk)
    if missing > 0:
        raise OSError("the connection ended before the file did")
    version.unlink(missing_ok=True)


def _is(path: Path, checksum: str | None) -> bool:
    if checksum is None:
        return True
    with path.open("rb") as stream:
        kind = "sha256" if len(checksum) == len(hashlib.sha256().hexdigest()) else "md5"
        return hashlib.file_digest(stream, kind).hexdigest() == checksum

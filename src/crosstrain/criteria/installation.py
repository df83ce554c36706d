"""What an engine takes on the disk, and how long its installation took."""

from __future__ import annotations

import importlib.metadata as metadata
import re
from collections import deque
from collections.abc import Iterable
from typing import Any

from crosstrain.criteria.case import Case
from crosstrain.engines.registry import EngineRow
from crosstrain.environments.environments import own_environment
from crosstrain.environments.installing import size_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def installation(case: Case) -> dict[str, Any]:
    """``install_bytes`` on the disk and ``install_seconds``.

    An engine in an environment of its own takes that folder, and the installer noted the time. Of one in
    the user's own Python, the files of the framework and of all that it requires count; its time is known
    only where crosstrain has made an environment for it too.
    """
    key = ("installation", case.framework)
    if key not in case.shared:
        case.shared[key] = _measured(case)
    return dict(case.shared[key])


def _measured(case: Case) -> dict[str, Any]:
    where = case.where
    noted = (own_environment(case.engine) if where.own else where) or where
    seconds = noted.manifest.get("seconds")
    result: dict[str, Any] = {"install_seconds": seconds, "why_not": {}}
    if where.folder is not None:
        result |= {"install_bytes": where.manifest.get("bytes") or size_of(where.folder.resolve())}
        result["install_covers"] = "its own environment"
    else:
        names = closure(_roots(case.engine))
        result |= {"install_bytes": sum(map(size_on_disk, names)), "install_covers": ", ".join(names)}
    if seconds is None:
        result["why_not"]["install_seconds"] = (
            f"{case.framework} was not installed by crosstrain, which times what it installs"
            if where.own
            else f"the environment of {case.framework} does not say how long it took to make"
        )
    return result


def closure(names: Iterable[str]) -> list[str]:
    """The installed distributions among ``names`` and all that they require, extras apart."""
    seen: dict[str, None] = {}
    pending = deque(names)
    while pending:
        name = _normal(pending.popleft())
        if name in seen or (distribution := _distribution(name)) is None:
            continue
        seen[name] = None
        for requirement in distribution.requires or ():
            requirement_name, _, marker = requirement.partition(";")
            if "extra" not in marker and (match := _NAME.match(requirement_name)):
                pending.append(match[0])
    return list(seen)


def size_on_disk(name: str) -> int:
    """Bytes that the files of a distribution take on the disk; 0 where it does not list them."""
    distribution = _distribution(name)
    total = 0
    for file in (distribution.files if distribution else None) or ():
        try:
            status = distribution.locate_file(file).stat()  # type: ignore[union-attr]
        except OSError:
            continue  # listed, but taken away by someone
        total += getattr(status, "st_blocks", status.st_size // 512 + 1) * 512
    return total


def _roots(row: EngineRow) -> list[str]:
    """The framework's distribution, and for Keras that of its backend."""
    more = row.imports[1:] if not row.native else ()
    return [each for name in (row.distribution, *more) for each in (name, f"{name}-cpu")]


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

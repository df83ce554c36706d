"""The comparison's folder: whether it is ours, whether it holds this very comparison, and what is in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.runs.store import Store

FORMAT = 1
_OURS = {
    ".lock", "plan.json", "result.json", "wall.json", "cells", "logs", "networks", "certificates", "models",
    "progress.json", "reference", "criteria", "best.npz",
    "last.npz", "checkpoint.npz",
}  # fmt: skip
_INSIDE = {"frozen"}
"""Folders of other trainings that may lie in this one before it begins."""


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The folder, locked. Where a new comparison fails with invalid usage, what it created is deleted."""
    _refuse_strangers(folder)
    created, new = _first_missing(folder), not (folder / "plan.json").exists()
    with Store(folder) as store:
        try:
            yield store
        except CrosstrainError as error:
            # A sentence that sends its reader to a log keeps it.
            if new and "(log: " not in str(error):
                _take_away([created] if created else [folder / name for name in _OURS])
            raise


def _take_away(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _refuse_strangers(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise CrosstrainError(f"{folder} is a file; name a folder for the results")
    if not folder.is_dir() or (folder / "plan.json").exists():
        return
    strangers = sorted(p.name for p in folder.iterdir() if p.name not in _OURS | _INSIDE)
    if strangers:
        raise CrosstrainError(
            f"{folder} contains other files ({strangers[0]}); name a new or an empty folder"
        )


def _first_missing(folder: Path) -> Path | None:
    """The topmost part of the path that is not there yet; None where all is."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    return missing[-1] if missing else None


def agree(store: Store, kind: str, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plan in the folder, None for a new one. ``CrosstrainError`` where it is of something else."""
    plan = store.plan()
    if plan is None:
        return None
    if plan.get("format") != FORMAT or plan.get("kind") != kind:
        raise CrosstrainError(
            f"{store.folder} holds no {kind} of this version of crosstrain; name another folder"
        )
    then, now = _flat(plan["identity"]), _flat(json.loads(json.dumps(identity)))
    for key in sorted({*then, *now}):
        if then.get(key) != now.get(key):
            was, wants = _short(then.get(key)), _short(now.get(key))
            raise CrosstrainError(
                f"{store.folder} holds a {kind} with other settings ({key} was {was}, now {wants}); "
                "name another folder with --out"
            )
    return plan


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested objects as one, with dotted keys."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {k: v for key, each in value.items() for k, v in _flat(each, f"{name}.{key}".strip(".")).items()}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}…"

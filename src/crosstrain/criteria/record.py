"""What is known of one row beyond time and accuracy, and why the rest is not known; a file in the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.results.rows import Row
from crosstrain.system.files import write_json


class UnknownError(Exception):
    """A measure that has no value here; its sentence says why."""


class FailedError(UnknownError):
    """One that might have a value if it were tried again."""


@dataclass
class Record:
    """The criteria of one row, kept in ``path``.

    ``basis`` says which cells they were taken from: with other cells, everything is measured again.
    ``measured`` has the fields by measure, ``why_not`` a sentence for each field without a value, ``failed``
    the measures that are worth another try.
    """

    path: Path
    row: dict[str, Any]
    basis: list[Any]
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, row: Row) -> Record:
        """The record of a row; what a file of the same cells holds already is in it."""
        who = {"network": row.network, "input_size": row.input_size, "engine": row.engine}
        record = cls(path, who, basis_of(row))
        try:
            saved = json.loads(path.read_text())
            if saved["basis"] == record.basis:
                record.measured, record.why_not = dict(saved["found"]), dict(saved["why_not"])
                record.failed = list(saved["failed"])
        except (OSError, ValueError, KeyError, TypeError):
            return record  # none yet, or a damaged one: all is measured
        return record

    def known(self, measure: str, fields: Sequence[str]) -> bool:
        """Whether a measure needs no further attempt: its values are there, or known to be unavailable."""
        attempted = measure in self.measured or all(name in self.why_not for name in fields)
        return attempted and measure not in self.failed

    def keep(self, measure: str, fields: Sequence[str], values: Mapping[str, Any]) -> None:
        """Take over a measure's values; ``why_not`` among them names those that it could not find."""
        self.measured[measure] = {name: values.get(name) for name in values if name != "why_not"}
        self._reasons(measure, fields, dict(values.get("why_not") or {}), failed=False)

    def lack(self, measure: str, fields: Sequence[str], reason: str, *, failed: bool) -> None:
        """Nothing of a measure could be found; ``failed``: this time."""
        self.measured.pop(measure, None)
        self._reasons(measure, fields, dict.fromkeys(fields, reason), failed=failed)

    def _reasons(
        self, measure: str, fields: Sequence[str], reasons: Mapping[str, str], *, failed: bool
    ) -> None:
        self.why_not = {k: v for k, v in self.why_not.items() if k not in fields} | dict(reasons)
        self.failed = [name for name in self.failed if name != measure] + ([measure] if failed else [])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {"basis": self.basis, "found": self.measured, "why_not": self.why_not, "failed": self.failed}
        write_json(self.path, {**self.row, **state})

    def to_json(self, fields: Sequence[str]) -> dict[str, Any]:
        """As in the result: all ``fields``, None where unknown, and the further values of measures."""
        values = {name: value for each in self.measured.values() for name, value in each.items()}
        return {**self.row, **dict.fromkeys(fields), **values, "why_not": dict(self.why_not)}


def basis_of(row: Row) -> list[Any]:
    """The row's cells as they are: their names, when they ended and how."""
    return [[cell.id, (cell.model_extra or {}).get("finished"), cell.status] for cell in row.cells]

"""Which rows of the catalogue are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crosstrain.errors import CrosstrainError
from crosstrain.zoo.catalogue.row import NetworkRow

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def chosen(
    rows: Mapping[str, NetworkRow],
    task: str | None = None,
    year: int | str | None = None,
    max_parameters: int | str | None = None,
) -> dict[str, NetworkRow]:
    """The rows of a ``task``, of a ``year`` (``2015``, ``2014-2016``, ``2016-``, ``-2012``) and of at most
    ``max_parameters`` (``5000000``, ``5M``, ``300k``); None asks for all. Raises ``CrosstrainError`` for
    what is not so written, and for a task that no network has."""
    tasks = {row.task for row in rows.values()}
    if task is not None and task not in tasks:
        raise CrosstrainError(f"no network has the task {task!r}; there are {', '.join(sorted(tasks))}")
    first, last = _years(year)
    most = _number(max_parameters)
    return {
        name: row
        for name, row in rows.items()
        if (task is None or row.task == task)
        and (first is None or first <= row.year)
        and (last is None or row.year <= last)
        and (most is None or row.parameters <= most)
    }


def _years(year: int | str | None) -> tuple[int | None, int | None]:
    if year is None:
        return None, None
    if found := re.fullmatch(r"(\d{4})", str(year)):
        return int(found[1]), int(found[1])
    if found := re.fullmatch(r"(\d{4})-(\d{4})?|-(\d{4})", str(year)):
        last = found[2] or found[3]
        return found[1] and int(found[1]), last and int(last)  # type: ignore[return-value]
    raise CrosstrainError(f"{year!r} is no year; write 2015, 2014-2016, 2016- or -2012")


def _number(count: int | str | None) -> float | None:
    if count is None:
        return None
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)", str(count)):
        return float(found[1]) * _UNITS[found[2]]
    raise CrosstrainError(f"{count!r} is no number of parameters; write 5000000, 5M or 300k")

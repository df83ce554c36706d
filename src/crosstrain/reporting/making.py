"""``crosstrain report``: the page or the tables of one folder's comparison, or of several, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstrain.advice.changed import Changes
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.answer.changes import changes_since_the_first
from crosstrain.reporting.formats import FORMATS
from crosstrain.reporting.history import History, history
from crosstrain.results.backtests import load_backtest
from crosstrain.results.inference import InferenceResult
from crosstrain.results.loading import load
from crosstrain.system.files import write_bytes

HTML = "html"
PAGE = "report.html"
STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True)
class Report:
    """What was made: its ``text``, and the file it was written to (None: nowhere). ``changes`` are what later
    folders have otherwise than the first, where a page of several was made."""

    text: str
    path: Path | None
    changes: Mapping[str, Changes] = field(default_factory=dict)


def make(folders: Sequence[Path], form: str = HTML, out: Path | None = None) -> Report:
    """The report of one folder, or of several that are compared as machines.

    A page goes to ``out``; by default into the folder, for several to ``report.html`` here. The other
    formats are written only where ``out`` is given, and nothing where it is ``-``. Raises
    ``CrosstrainError`` for a folder without a result, folders of different questions, an unknown format or a
    file that cannot be written.
    """
    if form not in (HTML, *FORMATS):
        raise CrosstrainError(f"there is no format {form!r}; there are {', '.join((HTML, *FORMATS))}")
    if not folders:
        raise CrosstrainError("name at least one folder of a comparison")
    if backtests := [(folder, record) for folder in folders if (record := load_backtest(folder))]:
        return _of_backtest(backtests, len(folders), form, out)
    loaded = [load(folder) for folder in folders]
    served = [
        folder for folder, each in zip(folders, loaded, strict=True) if isinstance(each, InferenceResult)
    ]
    if served and (form != HTML or len(folders) > 1):
        raise CrosstrainError(
            f"{served[0]} holds a comparison at inference, which has only an HTML page of its own"
        )
    from crosstrain.reporting.page import render, render_inference, render_machines
    from crosstrain.reporting.page.machines import named

    if isinstance(loaded[0], InferenceResult):
        return _written(render_inference(loaded[0]), out or folders[0] / PAGE)
    results = [each for each in loaded if not isinstance(each, InferenceResult)]
    machines = named(folders, results)
    changed = changes_since_the_first({machine.name: machine.result for machine in machines})
    if form != HTML:
        by_name = {machine.name if len(machines) > 1 else "": machine.result for machine in machines}
        return _written(FORMATS[form](by_name, changed), out)
    if len(machines) == 1:
        return _written(render(results[0], folders[0]), out or folders[0] / PAGE)
    report = _written(render_machines(machines, changed), out or Path(PAGE))
    return replace(report, changes=changed)


def _of_backtest(
    found: Sequence[tuple[Path, Mapping[str, Any]]], folders: int, form: str, out: Path | None
) -> Report:
    from crosstrain.reporting.page.writing import render_backtest

    folder, record = found[0]
    if form != HTML or folders > 1:
        raise CrosstrainError(
            f"{folder} holds a backtest, which has only an HTML page of its own; its comparisons, as "
            f"{Path(record['parts'][0]).name}, have all formats"
        )
    return _written(render_backtest(record), out or folder / PAGE)


def make_history(folders: Sequence[Path], out: Path) -> tuple[History, Path]:
    """The series of these folders, and its page, written to ``out``. Raises ``CrosstrainError`` as
    ``history`` does, and for a file that cannot be written."""
    from crosstrain.reporting.page.machines import names
    from crosstrain.reporting.page.writing import render_history

    series = history(folders, names(folders))
    _written(render_history(series), out)
    return series, out


def leave_page(folder: str | Path, note: Callable[[str], None]) -> None:
    """The page beside a result that has just been kept, and which stands whether or not its page can be
    written; ``note`` receives the error."""
    from crosstrain.reporting.page import write_page

    try:
        write_page(Path(folder))
    except OSError as error:
        note(f"report.html could not be written ({error}); crosstrain report {folder} tries again")


def _written(text: str, path: Path | None) -> Report:
    if path == STANDARD_OUTPUT:
        path = None
    if path is not None:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise CrosstrainError(f"cannot write {path}: name a file in an existing folder")
        try:
            write_bytes(path, text.encode())
        except PermissionError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from error
    return Report(text, path)

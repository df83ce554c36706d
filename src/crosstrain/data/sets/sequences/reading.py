"""Numbers in order out of a text file: between spaces, commas or lines, or a CSV with named columns."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstrain.errors import CrosstrainError

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "?", "-", ".", "missing"})
"""What stands where a value is missing, in small letters."""
NAMED = 5
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class NumbersFile:
    """``values``, float64 (steps, columns), NaN where one is missing; ``names`` of the columns; ``lines``,
    the line of each step, from 1; ``times``, what the time column says of each step (empty where there is
    none); ``others``, all columns of the file."""

    path: Path
    values: np.ndarray
    names: tuple[str, ...]
    lines: Sequence[int]
    times: Sequence[str] = field(default_factory=tuple)
    others: Sequence[str] = field(default_factory=tuple)

    def missing(self, columns: Sequence[int]) -> list[int]:
        """The lines in which one of ``columns`` has no value."""
        rows = np.flatnonzero(np.isnan(self.values[:, list(columns)]).any(axis=1))
        return list(dict.fromkeys(self.lines[int(row)] for row in rows))


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names in the first line of a CSV (TSV by its ending), and each row's cells with its line.

    Raises ``CrosstrainError``, as rows are taken, for one of another length than the first line.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
    names = next(reader, [])

    def rows() -> Iterator[tuple[int, list[str]]]:
        for cells in filter(None, reader):
            if len(cells) != len(names):
                raise CrosstrainError(
                    f"{path}, line {reader.line_num} has {len(cells)} cells; the first line has {len(names)}"
                )
            yield reader.line_num, cells

    return names, rows()


def read_numbers(path: Path, time: str = "", columns: Sequence[str] = ()) -> NumbersFile:
    """The numbers in ``path``; ``time`` names the column that is no variable (default: the first one, where
    its cells are no numbers), ``columns`` those that are read (default: all others).

    Raises ``CrosstrainError``, with the line, for text among the numbers, lines of different lengths and
    columns that there are not.
    """
    text = read_text(path)
    lines = text.splitlines()
    delimiter = _delimiter(path, lines)
    table = delimiter and _table(path, text, delimiter)
    if not table:
        if time or columns:
            asked = ", ".join(filter(None, [time, *columns]))
            raise CrosstrainError(f"{path} has no columns with names, so none is called {asked}")
        return _plain(path, lines)
    return _of_table(path, *table, time, columns)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8; ``CrosstrainError`` where it is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CrosstrainError(f"{path} is no text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise CrosstrainError(f"{path} cannot be read ({error.strerror or error})") from error


def in_words(lines: Sequence[int]) -> str:
    """``line 17``, or ``lines 3, 9 and 4 more``."""
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return f"line{'' if len(lines) == 1 else 's'} {', '.join(map(str, lines[:NAMED]))}{more}"


# -- numbers alone ----------------------------------------------------------------------------------
def _plain(path: Path, lines: Sequence[str]) -> NumbersFile:
    """Numbers in reading order. An empty place between commas is a missing value, and so is an empty line
    where each line has one number."""
    rows = [_tokens(line) for line in lines]
    filled = [index for index, row in enumerate(rows) if row]
    if not filled:
        raise CrosstrainError(f"{path} is empty; it should have numbers separated by spaces, commas or lines")
    inner = rows[filled[0] : filled[-1] + 1]
    single = all(len(row) <= 1 for row in inner)
    values, at = [], []
    for number, row in enumerate(inner, start=filled[0] + 1):
        for token in row or ([""] if single else []):
            values.append(_number(path, number, token))
            at.append(number)
    return NumbersFile(path, np.array(values)[:, None], ("value",), at)


def _tokens(line: str) -> list[str]:
    fields = [part.split() for part in re.split(r"[,;]", line)]
    if fields and not fields[-1]:
        fields.pop()  # a comma at the end of a line, or an empty line
    return [token for tokens in fields for token in (tokens or [""])]


def _number(path: Path, line: int, text: str, column: str = "") -> float:
    where = f"{path}, line {line}: {text.strip()!r}{f' in column {column}' if column else ''}"
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise CrosstrainError(f"{where} is not a number") from None
    if not math.isfinite(value):
        raise CrosstrainError(f"{where} is not a finite number")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in MISSING
    return True


# -- tables -----------------------------------------------------------------------------------------
def _delimiter(path: Path, lines: Sequence[str]) -> str:
    """What separates columns; "" for a file of numbers alone."""
    head = next((line for line in lines if line.strip()), "")
    counts = {each: head.count(each) for each in _DELIMITERS}
    best = max(counts, key=lambda each: counts[each])
    is_number = [_is_number(token) for token in _tokens(head.replace('"', ""))]
    named = not all(is_number) and (counts[best] > 0 or not any(is_number))
    if named or (counts[best] and path.suffix.lower() in (".csv", ".tsv")):
        return best if counts[best] else ","
    return ""


def _table(path: Path, text: str, delimiter: str) -> tuple[list[str], list[list[str]], list[int]] | None:
    """Names, rows and their lines; None for a single line of numbers, which is a series."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise CrosstrainError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise CrosstrainError(f"{path} is empty")
    first = rows[0]
    has_names = any(not _is_number(cell) for cell in first) and (
        len(rows) == 1
        or any(
            _is_number(below) and not _is_number(cell) for cell, below in zip(first, rows[1], strict=False)
        )
        or not any(_is_number(cell) for cell in first)
    )
    if not has_names and len(first) == 1:
        return None  # numbers by lines
    if not has_names and len(rows) == 1:
        return None
    names = first if has_names else [f"column{index}" for index in range(1, len(first) + 1)]
    body, at = (rows[1:], lines[1:]) if has_names else (rows, lines)
    if not body:
        raise CrosstrainError(f"{path} has a line of names and no numbers below it")
    for row, line in zip(body, at, strict=True):
        if len(row) != len(names):
            raise CrosstrainError(
                f"{path}, line {line} has {len(row)} cells; the first line has {len(names)}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CrosstrainError(f"{path} has two columns called {twice!r}")
    return names, body, at


def _of_table(
    path: Path, names: list[str], rows: list[list[str]], lines: list[int], time: str, columns: Sequence[str]
) -> NumbersFile:
    for name in filter(None, [time, *columns]):
        if name not in names:
            raise CrosstrainError(f"{path} has no column {name!r}; it has {', '.join(names)}")
    if not time and len(names) > 1 and names[0] not in columns and not _is_number(rows[0][0]):
        time = names[0]
    chosen = [names.index(name) for name in (columns or [name for name in names if name != time])]
    values = np.array(
        [
            [_number(path, line, row[index], repr(names[index])) for index in chosen]
            for row, line in zip(rows, lines, strict=True)
        ]
    )
    times = [row[names.index(time)] for row in rows] if time else []
    return NumbersFile(path, values, tuple(names[index] for index in chosen), lines, times, names)

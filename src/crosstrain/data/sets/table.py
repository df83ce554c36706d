"""``table:FILE.csv`` or ``.parquet``: a row for each example, one column of it the target.

Columns of numbers are scaled by the mean and standard deviation of the training part; a missing one becomes
the training part's median, and a further column says where. Columns of texts (and of true and false) become
one column for each value that the training part has, at most ``categories`` of them: others, and missing
ones, are 0 in all. A target of texts, of true and false, or of whole numbers with few values is a class; one
of other numbers is scaled like a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crosstrain.data.options import TABLE, completed
from crosstrain.data.source import Files, NewExamples, Request, Source, Table, Values, summed_up
from crosstrain.data.split import divided
from crosstrain.errors import CrosstrainError

FACTS = "table"
VALIDATION, TEST = 0.15, 0.15
MOST_CLASSES = 20
"""Whole numbers with more values than these are numbers to predict."""

Column = Mapping[str, Any]


def files(location: Path) -> Files:
    return [("", location)]


def read(location: Path, request: Request) -> Source:
    """The table as one input, float32 (rows, features). ``CrosstrainError`` for one that cannot be used."""
    fitted = request.fitted.get(FACTS) or {}
    options = completed(TABLE, fitted.get("options") or {}, request.options)
    frame = _frame(location)
    target = str(options["target"])
    names = [name for name in str(options["columns"]).split("+") if name]
    _check(location, frame, target, names)
    missing = int(frame[target].isna().sum())
    frame = frame.loc[frame[target].notna()].reset_index(drop=True)
    if len(frame) < 3:
        raise CrosstrainError(
            f"{location} has {len(frame)} rows with a target, too few for training, validation and test"
        )
    is_class = _is_class(frame[target], str(options["task"]))
    labels, classes = (
        _classes(frame[target], fitted.get("classes")) if is_class else (np.zeros(len(frame), int), [])
    )
    parts = divided(labels, VALIDATION, TEST, request.seed, request.split)
    train = frame.iloc[parts["train"]]
    others = [str(name) for name in frame.columns if str(name) != target]
    chosen = names or [name for name in others if not _all_different(train[name])]
    if not chosen:
        raise CrosstrainError(f"{location}: no column but {target!r} has values that occur more than once")
    most = int(options["categories"])
    columns = fitted.get("columns") or [_fitted(location, train[name], most) for name in chosen]
    inputs = np.concatenate([_encoded(location, frame, column) for column in columns], axis=1)
    goal = None if is_class else fitted.get("goal") or _numeric(train[target])
    values = (
        Values.of(labels, "int64")
        if goal is None
        else Values.of(_scaled(_numbers(location, frame[target]), goal), "float32")
    )
    table = Table({"": Values.of(inputs, "float32")}, {"": values})
    facts = {FACTS: {"options": options, "columns": columns, "classes": classes, "goal": goal}}
    warnings = [f"{missing} rows without {target!r} were left out"] if missing else []
    if not names and not fitted and len(chosen) < len(others):
        alone = summed_up([repr(name) for name in others if name not in chosen])
        warnings.append(f"columns of texts that are different in most rows were left out: {alone}")
    splits = {split: table.take(rows) for split, rows in parts.items()}
    return Source(splits, {"": classes} if is_class else {}, warnings, facts=facts)


def new_examples(path: Path, facts: Mapping[str, Any]) -> NewExamples:
    """The rows of a table as those of the training with these ``facts`` were; it need not have the target.
    ``CrosstrainError`` where a column is missing."""
    frame = _frame(path)
    array = np.concatenate([_encoded(path, frame, column) for column in facts["columns"]], axis=1)
    goal = facts["goal"]
    scaled_back = None if goal is None else lambda outputs: outputs * goal["deviation"] + goal["mean"]
    labels = [f"{path}, row {row}" for row in range(1, len(frame) + 1)]
    return NewExamples(labels, array.astype(np.float32), scaled_back)


def _frame(location: Path) -> pd.DataFrame:
    try:
        if location.suffix.lower() == ".parquet":
            frame = pd.read_parquet(location)
        else:
            frame = pd.read_csv(
                location, sep="\t" if location.suffix.lower() == ".tsv" else ",", skipinitialspace=True
            )
    except ImportError as error:
        raise CrosstrainError(
            f"{location}: pandas reads Parquet with pyarrow; pip install pyarrow"
        ) from error
    except (OSError, ValueError) as error:  # pandas' own errors of reading are ValueErrors
        raise CrosstrainError(f"{location} cannot be read as a table ({str(error).strip()})") from error
    if frame.empty:
        raise CrosstrainError(f"{location} is a table without rows")
    frame.columns = [str(name) for name in frame.columns]
    return frame


def _check(location: Path, frame: pd.DataFrame, target: str, names: list[str]) -> None:
    there = ", ".join(map(str, frame.columns))
    if not target:
        raise CrosstrainError(f"say which column to predict, as table:{location}:target=NAME; it has {there}")
    for name in (target, *names):
        if name not in frame.columns:
            raise CrosstrainError(f"{location} has no column {name!r}; it has {there}")
    if target in names or len(frame.columns) < 2:
        raise CrosstrainError(f"{location}: nothing is left to predict {target!r} from")


# -- targets ----------------------------------------------------------------------------------------
def _is_class(column: pd.Series, task: str) -> bool:
    if task:
        return task == "classification"
    if not _is_numeric(column):
        return True
    whole = bool((column == column.round()).all())
    return whole and column.nunique() <= MOST_CLASSES and not pd.api.types.is_float_dtype(column)


def _classes(column: pd.Series, known: list[str] | None) -> tuple[np.ndarray, list[str]]:
    texts = column.map(str)
    names = known or [
        str(name) for name in sorted(column.unique(), key=lambda value: (str(type(value)), value))
    ]
    strange = sorted(set(texts) - set(names))
    if strange:
        raise CrosstrainError(
            f"the network was not trained on the class {strange[0]!r}; it knows {', '.join(names)}"
        )
    return texts.map({name: number for number, name in enumerate(names)}).to_numpy(np.int64), names


# -- columns ----------------------------------------------------------------------------------------
def _fitted(location: Path, column: pd.Series, most: int) -> dict[str, Any]:
    """What the training part says of a column: its scale, or its values."""
    if column.notna().sum() == 0:
        raise CrosstrainError(
            f"{location}: the column {column.name!r} has no value in the training part; leave it out"
        )
    if _is_numeric(column):
        return {"name": str(column.name), **_numeric(column), "gaps": bool(column.isna().any())}
    counts = column.dropna().map(str).value_counts()
    order = sorted(counts.index, key=lambda value: (-int(counts[value]), value))
    return {"name": str(column.name), "values": order[:most]}


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _all_different(column: pd.Series) -> bool:
    """Whether a column of texts names its rows (dates, people), so that nothing follows from it."""
    return not _is_numeric(column) and column.nunique() > max(MOST_CLASSES, len(column) / 2)


def _numeric(column: pd.Series) -> dict[str, Any]:
    numbers = column.astype("float64")
    deviation = float(numbers.std(ddof=0))
    return {
        "mean": float(numbers.mean()),
        "deviation": deviation if deviation > 0 else 1.0,
        "median": float(numbers.median()),
    }


def _encoded(location: Path, frame: pd.DataFrame, column: Column) -> np.ndarray:
    """The features that a column becomes, float64 (rows, features)."""
    if column["name"] not in frame.columns:
        raise CrosstrainError(
            f"{location} has no column {column['name']!r}, which the network was trained on"
        )
    series = frame[str(column["name"])]
    if "values" in column:
        texts = series.map(str).where(series.notna())
        return np.stack([(texts == value).to_numpy() for value in column["values"]], axis=1).astype(
            np.float64
        )
    numbers = _numbers(location, series)
    missing = np.isnan(numbers)
    scaled = _scaled(np.where(missing, column["median"], numbers), column)[:, 0]
    return np.stack([scaled, missing], axis=1) if column["gaps"] else scaled[:, None]


def _numbers(location: Path, series: pd.Series) -> np.ndarray:
    try:
        numbers = series.astype("float64").to_numpy()
    except (ValueError, TypeError) as error:
        raise CrosstrainError(
            f"{location}: the column {series.name!r} should hold numbers ({error})"
        ) from error
    if np.isinf(numbers).any():
        raise CrosstrainError(f"{location}: the column {series.name!r} holds infinite values")
    return numbers


def _scaled(numbers: np.ndarray, scale: Column) -> np.ndarray:
    scaled: np.ndarray = ((numbers - scale["mean"]) / scale["deviation"])[:, None]
    return scaled

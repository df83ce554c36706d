"""``text:FILE.csv`` or ``text:DIR``: texts with a label each; ``text:FILE.txt``: a language model's text.

A CSV has a column of texts and one of labels; a folder has one folder of text files for each label. Any other
file (or several, in a folder without folders) is text whose next token is to be predicted: each input is
``length`` tokens, its target the same tokens one further on, (length,), and the parts follow each other in
the text. Tokens are words, characters or bytes; the vocabulary is that of the training part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.options import TEXT, completed
from crosstrain.data.sets.sequences.reading import read_rows, read_text
from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.data.source import Files, NewExamples, Request, Source, Table, Values, summed_up
from crosstrain.data.split import divided, in_order
from crosstrain.data.targets import labels_of
from crosstrain.errors import CrosstrainError

FACTS = "text"
VALIDATION, TEST = 0.15, 0.15
TABLES = (".csv", ".tsv")
TEXTS = (".txt", ".md", ".rst", ".text")
FEWEST = 3
"""Texts, or passages, that three parts need."""

_LABELS = ("label", "class", "category", "target")


@dataclass(frozen=True)
class _Texts:
    texts: Sequence[str]
    labels: Sequence[str]
    warnings: Sequence[str] = ()


def files(location: Path) -> Files:
    if not location.is_dir():
        return [("", location)]
    return [(path.relative_to(location).as_posix(), path) for path in _below(location)]


def read(location: Path, request: Request) -> Source:
    """Numbers of tokens as inputs. ``CrosstrainError`` for what is no text, or has no labels."""
    fitted = request.fitted.get(FACTS) or {}
    options = completed(TEXT, fitted.get("options") or {}, request.options)
    tokenizer = Tokenizer.from_json(fitted["tokenizer"]) if fitted else None
    if location.is_dir() and any(path.is_dir() for path in location.iterdir()):
        return _labelled(location, _of_folders(location), options, tokenizer, request)
    if location.suffix.lower() in TABLES:
        found = _of_table(location, str(options["text"]), str(options["label"]))
        return _labelled(location, found, options, tokenizer, request)
    return _running(location, options, tokenizer)


# -- texts with labels ------------------------------------------------------------------------------
def _labelled(
    location: Path, found: _Texts, options: Mapping[str, Any], tokenizer: Tokenizer | None, request: Request
) -> Source:
    if len(found.texts) < FEWEST:
        raise CrosstrainError(
            f"{location} has {len(found.texts)} texts, too few for training, validation and test"
        )
    labels = labels_of(location, "label", {"all": np.array(found.labels)})
    parts = divided(labels.strata("all"), VALIDATION, TEST, request.seed, request.split)
    if tokenizer is None:
        tokenizer = Tokenizer.fitted(
            str(options["tokens"]), (found.texts[row] for row in parts["train"]), int(options["vocabulary"])
        )
    numbers = tokenizer.encode_all(found.texts, int(options["length"]))
    table = Table({"": Values.of(numbers, "int64")}, {"": labels.values["all"]})
    facts = {FACTS: {"options": dict(options), "tokenizer": tokenizer.to_json()}}
    splits = {split: table.take(rows) for split, rows in parts.items()}
    return Source(splits, {"": labels.classes}, found.warnings, facts=facts, vocabulary={"": tokenizer.size})


def _of_folders(location: Path) -> _Texts:
    texts, labels, empty = [], [], []
    for folder in sorted(path for path in location.iterdir() if path.is_dir()):
        for path in _below(folder):
            text = read_text(path)
            if text.strip():
                texts.append(text)
                labels.append(folder.name)
            else:
                empty.append(path.relative_to(location).as_posix())
    if not texts:
        raise CrosstrainError(f"{location} has no texts ({', '.join(TEXTS)}) in its folders")
    return _Texts(texts, labels, _left_out(empty))


def new_examples(path: Path, facts: Mapping[str, Any]) -> NewExamples:
    """Texts as those of the training with these ``facts`` were: a file, all files of a folder, or the rows of
    a CSV, which need no labels. ``CrosstrainError`` where there are none."""
    if facts.get("language_model"):
        raise CrosstrainError("the network is a language model; crosstrain sample lets it go on with a text")
    if path.suffix.lower() in TABLES:
        texts = _column(path, str(facts["options"]["text"]), str(facts["options"]["label"]))
    else:
        paths = _below(path) if path.is_dir() else [path]
        if not paths or (not path.is_dir() and path.suffix.lower() not in TEXTS):
            raise CrosstrainError(f"{path} has no texts; they are {', '.join((*TEXTS, *TABLES))}")
        texts = {str(each): read_text(each) for each in paths}
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    numbers = tokenizer.encode_all(list(texts.values()), int(facts["options"]["length"]))
    return NewExamples(list(texts), numbers)


def _column(path: Path, text: str, label: str) -> dict[str, str]:
    """The texts of a table by what they are called: of the column ``text``, else the one of that name, or the
    only one that is no label."""
    names, rows = _rows(path)
    others = [name for name in names if name != label and name.strip().lower() not in _LABELS]
    text = text or ("text" if "text" in names else others[0] if len(others) == 1 else "")
    if text not in names:
        raise CrosstrainError(f"{path} has no column {text or 'text'!r}; it has {', '.join(names)}")
    return {f"{path}, line {line}": cells[text] for line, cells in rows if cells[text].strip()}


def _rows(location: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The names in the first line, and each row's cells by them, with its line."""
    names, rows = read_rows(location)
    return names, [(line, dict(zip(names, cells, strict=True))) for line, cells in rows]


def _of_table(location: Path, text: str, label: str) -> _Texts:
    names, rows = _rows(location)
    label = label or next((name for name in names if name.strip().lower() in _LABELS), "")
    if not label:
        raise CrosstrainError(
            f"{location} has the columns {', '.join(names)}; say which is the label, as label=NAME"
        )
    text = text or (next((n for n in names if n != label), "") if len(names) == 2 else "text")
    for name in (text, label):
        if name not in names:
            raise CrosstrainError(f"{location} has no column {name!r}; it has {', '.join(names)}")
    texts, labels, empty = [], [], []
    for line, cells in rows:
        if cells[text].strip() and cells[label].strip():
            texts.append(cells[text])
            labels.append(cells[label].strip())
        else:
            empty.append(f"line {line}")
    return _Texts(texts, labels, _left_out(empty))


def _left_out(empty: Sequence[str]) -> list[str]:
    if not empty:
        return []
    return [f"{len(empty)} without a text or a label were left out: {summed_up(empty)}"]


# -- running text -----------------------------------------------------------------------------------
def _running(location: Path, options: Mapping[str, Any], tokenizer: Tokenizer | None) -> Source:
    """Passages of a text, each with the same tokens one further on; no passage reaches into another part."""
    paths = _below(location) if location.is_dir() else [location]
    if not paths:
        raise CrosstrainError(f"{location} has no texts ({', '.join(TEXTS)}), in folders or not")
    text = "\n".join(read_text(path) for path in paths)
    length = int(options["length"])
    stride = int(options["stride"]) or length
    parts = {
        split: text[rows[0] : rows[-1] + 1] if len(rows) else ""
        for split, rows in zip(
            ("train", "validation", "test"), in_order(len(text), VALIDATION, TEST), strict=True
        )
    }
    if tokenizer is None:
        tokenizer = Tokenizer.fitted(str(options["tokens"]), [parts["train"]], int(options["vocabulary"]))
    tables = {}
    for split, part in parts.items():
        numbers = tokenizer.encode(part)
        starts = np.arange(0, len(numbers) - length, stride)
        if not len(starts):
            raise CrosstrainError(
                f"{location} is too short: its part for {split} has {len(numbers)} tokens, and "
                f"length={length} needs {length + 1}"
            )
        at = starts[:, None] + np.arange(length)
        tables[split] = Table(
            {"": Values.of(numbers[at], "int64")}, {"": Values.of(numbers[at + 1], "int64")}
        )
    facts = {FACTS: {"options": dict(options), "tokenizer": tokenizer.to_json(), "language_model": True}}
    classes = [tokenizer.token(number) or "[padding]" for number in range(tokenizer.size)]
    return Source(tables, {"": classes}, facts=facts, vocabulary={"": tokenizer.size})


def _below(folder: Path) -> list[Path]:
    """The text files in a folder and below it, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in TEXTS)


__all__ = ["FACTS", "files", "new_examples", "read"]

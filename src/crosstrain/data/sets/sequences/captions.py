"""``captions:DIR``: pictures with sentences that describe them; several of one picture stay together.

A network sees the picture and the caption up to each word, ``[begin]`` first, and is to say the next one,
``[end]`` last (teacher forcing): the inputs are ``picture``, (H, W, C), and ``words``, (length + 1,), the
target (length + 1,), all words as numbers. 0 fills up, 1 is a word that the training part does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.options import CAPTIONS, completed
from crosstrain.data.sets.sequences.annotated import annotated, files_of
from crosstrain.data.sets.sequences.tokens import PADDING, UNKNOWN, Tokenizer
from crosstrain.data.source import DamagedImage, Files, Images, Request, Source, Table, Values
from crosstrain.data.split import TEST, divided
from crosstrain.data.tree import read_file
from crosstrain.errors import CrosstrainError

FACTS = "captions"
STEM = "captions"
PICTURE, WORDS = "picture", "words"
BEGIN, END = 2, 3
MARKS = ("[begin]", "[end]")
FEWEST = 3
"""Pictures that three parts need."""
SIZE = (64, 64)


def files(location: Path) -> Files:
    return files_of(location, STEM)


def read(location: Path, request: Request) -> Source:
    """A row for each caption. ``CrosstrainError`` for a caption whose picture is not there."""
    found = annotated(location, STEM)
    paths = list(dict.fromkeys(each.picture for each in found.lines))
    numbers = {path: number for number, path in enumerate(paths)}
    options = completed(CAPTIONS, (request.fitted.get(FACTS) or {}).get("options") or {}, request.options)
    size, channels = request.size or SIZE, request.channels or 3

    def whole(number: int) -> np.ndarray:
        return images.decode(read_file(paths[number]))

    def original(number: int) -> tuple[int, ...] | None:
        try:
            return whole(number).shape
        except DamagedImage:
            return None

    def label(number: int) -> str:
        return paths[number].relative_to(location).as_posix()

    column = Images(
        lambda number: images.cropped(whole(number), size, channels), label, (*size, channels),
        np.arange(len(paths)), original=original,
    )  # fmt: skip
    owners = np.array([numbers[each.picture] for each in found.lines])
    texts = [each.text for each in found.lines]
    return of_captions(location, column, owners, texts, options, request, found.warnings)


def of_captions(
    place: Path | str, pictures: Images, owners: np.ndarray, texts: Sequence[str],
    options: Mapping[str, Any], request: Request, warnings: Sequence[str] = (),
) -> Source:  # fmt: skip
    """``texts``, each of the picture that ``owners`` says; whole pictures are held out at random."""
    if len(pictures) < FEWEST:
        raise CrosstrainError(
            f"{place} has {len(pictures)} pictures, too few for training, validation and test"
        )
    fitted = request.fitted.get(FACTS) or {}
    of_pictures = divided(np.zeros(len(pictures), np.int64), TEST, TEST, request.seed, request.split)
    parts = {split: np.flatnonzero(np.isin(owners, own)) for split, own in of_pictures.items()}
    length = int(options["length"])
    tokenizer = (
        Tokenizer.from_json(fitted["tokenizer"])
        if fitted
        else _tokenizer([texts[row] for row in parts["train"].tolist()], int(options["vocabulary"]))
    )
    words = tokenizer.encode_all(texts, length)
    counts = (words != PADDING).sum(axis=1)
    seen = np.concatenate([np.full((len(texts), 1), BEGIN), words], axis=1)
    wanted = np.concatenate([words, np.zeros((len(texts), 1), np.int64)], axis=1)
    wanted[np.arange(len(texts)), counts] = END
    table = Table(
        {PICTURE: pictures.take(owners), WORDS: Values.of(seen, "int64")}, {"": Values.of(wanted, "int64")}
    )
    facts = {
        "options": dict(options), "tokenizer": tokenizer.to_json(), "inputs": [PICTURE, WORDS],
        "length": length, "begin": BEGIN, "end": END, "reserved": [PADDING, UNKNOWN, BEGIN],
    }  # fmt: skip
    return Source(
        {split: table.take(rows) for split, rows in parts.items()},
        {"": [tokenizer.token(number) or "[padding]" for number in range(tokenizer.size)]},
        warnings, facts={FACTS: facts}, vocabulary={WORDS: tokenizer.size}, task="captioning",
        owners={split: owners[rows] for split, rows in parts.items()},
    )  # fmt: skip


def _tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    known = Tokenizer.fitted("words", texts, size - len(MARKS))
    return Tokenizer("words", (*MARKS, *known.vocabulary))


__all__ = ["BEGIN", "END", "FACTS", "PICTURE", "WORDS", "files", "of_captions", "read"]

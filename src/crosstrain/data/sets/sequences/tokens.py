"""Text as numbers: words, characters or bytes, with a vocabulary that the training part decides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

PADDING, UNKNOWN = 0, 1
RESERVED = ("", "[unknown]")
"""What the first numbers stand for: no token, and one that is not in the vocabulary."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Words in small letters, with their apostrophes; every other sign is a token of its own."""
    return _WORD.findall(text.lower())


def characters(text: str) -> list[str]:
    """Every character, as it is written."""
    return list(text)


def byte_tokens(text: str) -> list[str]:
    """Every byte of the text in UTF-8, as two hexadecimal digits."""
    return [f"{byte:02x}" for byte in text.encode()]


KINDS: dict[str, Callable[[str], list[str]]] = {
    "words": words,
    "characters": characters,
    "bytes": byte_tokens,
}
_BETWEEN = {"words": " ", "characters": "", "bytes": ""}


@dataclass(frozen=True)
class Tokenizer:
    """``vocabulary`` lists the tokens from number 2 on: 0 is padding, 1 what is not in it."""

    kind: str
    vocabulary: Sequence[str]

    @classmethod
    def fitted(cls, kind: str, texts: Iterable[str], size: int) -> Tokenizer:
        """With the ``size`` (the two reserved numbers included) most frequent tokens of ``texts``; ties in
        the order of their characters."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(KINDS[kind](text))
        order = sorted(counts, key=lambda token: (-counts[token], token))
        return cls(kind, tuple(order[: max(size - len(RESERVED), 0)]))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tokenizer:
        return cls(data["kind"], tuple(data["vocabulary"]))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "vocabulary": list(self.vocabulary)}

    @property
    def size(self) -> int:
        """How many numbers there are, the reserved ones included."""
        return len(self.vocabulary) + len(RESERVED)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.vocabulary, start=len(RESERVED))}

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text's tokens, int64."""
        numbers = self._numbers
        return np.array([numbers.get(token, UNKNOWN) for token in KINDS[self.kind](text)], np.int64)

    def encode_all(self, texts: Sequence[str], length: int) -> np.ndarray:
        """The first ``length`` tokens of each, int64 (texts, length), followed by padding."""
        out = np.full((len(texts), length), PADDING, np.int64)
        for row, text in zip(out, texts, strict=True):
            numbers = self.encode(text)[:length]
            row[: len(numbers)] = numbers
        return out

    def decode(self, numbers: Iterable[int]) -> str:
        """A text of these tokens; padding is left out."""
        tokens = [self.token(number) for number in numbers if number != PADDING]
        if self.kind == "bytes":
            return bytes(int(token, 16) for token in tokens if token != RESERVED[UNKNOWN]).decode(
                errors="replace"
            )
        return _BETWEEN[self.kind].join(tokens)

    def token(self, number: int) -> str:
        """What a number stands for."""
        return RESERVED[number] if number < len(RESERVED) else self.vocabulary[number - len(RESERVED)]

"""What a network says of pictures, word by word, and how much of it stands in what people say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared, owners_name
from crosstrain.engines.contract import Network
from crosstrain.training.scores import bleu

AskWords = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From pictures and the words so far to the scores of the next word after each."""
FACTS = "captions"
"""What a data set's manifest says of its captions: the names of the ``inputs`` (picture, words), the
``length`` of a caption, the numbers of the marks ``begin`` and ``end``, and those that are never said
(``reserved``)."""
PICTURES = 64
"""Asked about at a time, once for each beginning."""
MOST = 500
"""Pictures that are described after a training; of larger test parts the first ones."""


def captions(ask: AskWords, pictures: np.ndarray, job: Mapping[str, Any]) -> np.ndarray:
    """The likeliest caption of each picture (N, …) that a beam of ``beam`` beginnings finds (1: the greedy
    one, word by word): int64 (N, ``length``), without ``begin`` and ``end``, filled up with 0.

    What is likeliest is decided by the sum of the words' log-probabilities, the end's included, without a
    reward for length (Vinyals et al. 2015, section 3.1).
    """
    group = max(1, PICTURES // job["beam"])
    parts = [_described(ask, pictures[at : at + group], job) for at in range(0, len(pictures), group)]
    return np.concatenate(parts)


def _described(ask: AskWords, pictures: np.ndarray, job: Mapping[str, Any]) -> np.ndarray:
    count, beam, length = len(pictures), job["beam"], job["length"]
    repeated = np.repeat(np.asarray(pictures), beam, axis=0)
    said = np.zeros((count, beam, length), np.int64)
    ended = np.zeros((count, beam), bool)
    sums = np.full((count, beam), -np.inf)
    sums[:, 0] = 0.0  # all beginnings are the same at first
    for step in range(length + 1):
        seen = np.concatenate([np.full((count, beam, 1), job["begin"], np.int64), said], axis=2)
        scores = ask(repeated, seen.reshape(count * beam, length + 1))[:, step].astype(np.float64)
        scores[:, job["reserved"]] = -np.inf
        if step == length:  # there is no room for another word
            scores[:, np.arange(scores.shape[1]) != job["end"]] = -np.inf
        log_p = scores - scores.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        log_p = log_p.reshape(count, beam, -1)
        log_p[ended] = -np.inf
        log_p[ended, 0] = 0.0  # what has ended stays as it is
        total = (sums[:, :, None] + log_p).reshape(count, -1)
        best = np.argsort(-total, axis=1, kind="stable")[:, :beam]
        sums = np.take_along_axis(total, best, axis=1)
        before, word = np.divmod(best, log_p.shape[2])
        said = np.take_along_axis(said, before[:, :, None], axis=1)
        ended = np.take_along_axis(ended, before, axis=1) | (word == job["end"])
        if step < length:
            said[:, :, step] = np.where(word == job["end"], 0, word)
        if ended.all():
            break
    return said[:, 0]


# -- judging ----------------------------------------------------------------------------------------
def first_rows(owners: np.ndarray) -> np.ndarray:
    """Of each picture the first row that is about it, ascending; ``owners`` says which picture a row is
    about."""
    return np.sort(np.unique(owners, return_index=True)[1])


def judged(said: np.ndarray, targets: np.ndarray, owners: np.ndarray, end: int) -> dict[str, Any]:
    """``bleu`` of what was ``said``, (pictures, length), of the pictures in the order of ``first_rows``, with
    its ``bleu_limits``; all captions of a picture in ``targets`` (rows, …) are its references."""
    wanted: dict[int, list[Sequence[int]]] = {}
    for owner, row in zip(owners.tolist(), targets, strict=True):
        wanted.setdefault(owner, []).append(_words(row, end))
    counts = bleu.counts([_words(row, end) for row in said], [*wanted.values()])
    return {"bleu": float(bleu.of_counts(counts.sum(axis=0))), "bleu_limits": bleu.limits(counts)}


def _words(row: np.ndarray, end: int) -> Sequence[int]:
    """Without what fills up and the end."""
    return [number for number in row.tolist() if number not in (0, end)]


@dataclass(frozen=True)
class Describing:
    """What describes and judges the test part of captions: the ``facts`` of the data, which picture each row
    is about, and the target's name."""

    facts: Mapping[str, Any]
    owners: np.ndarray
    target: str

    @classmethod
    def of(cls, data: Prepared, targets: Sequence[str]) -> Describing | None:
        """None for data without captions."""
        facts = (data.manifest.get("facts") or {}).get(FACTS)
        return cls(facts, data.kept(owners_name("test")), targets[0]) if facts else None

    def tested(
        self, network: Network, inputs: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """BLEU of greedy captions of the first ``MOST`` pictures of the test part; ``said``, int64 (pictures,
        length), and ``rows``, int64, where in the part each picture is."""
        rows = first_rows(self.owners)[:MOST]
        picture, words = self.facts["inputs"]

        def ask(pictures: np.ndarray, seen: np.ndarray) -> np.ndarray:
            return np.asarray(network.predict({picture: pictures, words: seen})[self.target])

        said = captions(ask, np.asarray(inputs[picture])[rows], {**self.facts, "beam": 1})
        known = np.isin(self.owners, self.owners[rows])
        metrics = judged(said, np.asarray(targets[self.target])[known], self.owners[known], self.facts["end"])
        return metrics, {"said": said, "rows": rows}

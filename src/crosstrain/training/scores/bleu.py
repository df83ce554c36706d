"""BLEU: how much of what was written stands in one of several references (Papineni et al. 2002)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

LONGEST = 4
"""Words in a row that are compared, at most."""
RESAMPLES = 1000

Words = Sequence[Hashable]


def bleu(answers: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """BLEU of a corpus, from 0 to 1; ``references`` has one or more texts for each answer."""
    return float(of_counts(np.sum(counts(answers, references), axis=0)))


def counts(answers: Sequence[Words], references: Sequence[Sequence[Words]]) -> np.ndarray:
    """What BLEU needs of each answer, int64 (answers, 10); sums over answers are those of a corpus.

    For 1 to 4 words in a row: how many of the answer's are in a reference, each no more often than in the one
    that has it most often; then how many the answer has; last the answer's length and its references', of
    which the closest counts, the shorter of two that are equally close (section 2.2.2).
    """
    rows = [_counted(*each) for each in zip(answers, references, strict=True)]
    return np.array(rows, np.int64).reshape(-1, 2 * LONGEST + 2)


def of_counts(counts: np.ndarray) -> np.ndarray:
    """BLEU, unsmoothed, of counts (…, 10): the geometric mean of the precisions, times the penalty of
    brevity (section 2.3)."""
    hits, totals = counts[..., :LONGEST], counts[..., LONGEST : 2 * LONGEST]
    written, wanted = counts[..., -2], counts[..., -1]
    known = (hits > 0).all(axis=-1)
    mean = np.log(np.where(hits > 0, hits, 1) / np.maximum(totals, 1)).mean(axis=-1)
    brevity = np.minimum(0.0, 1 - wanted / np.maximum(written, 1))
    return np.where(known, np.exp(mean + brevity), 0.0)


def limits(counts: np.ndarray) -> list[float] | None:
    """The 95 % limits of a corpus's BLEU: percentiles over resampled answers (Koehn 2004)."""
    if len(counts) < 2:
        return None
    number = len(counts)
    drawn = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), RESAMPLES)
    low, high = np.quantile(of_counts(drawn @ counts), (0.025, 0.975))
    return [float(low), float(high)]


def _counted(answer: Words, references: Sequence[Words]) -> list[int]:
    found, all_of_them = [], []
    for number in range(1, LONGEST + 1):
        most: Counter[tuple[Hashable, ...]] = Counter()
        for each in references:
            most |= _grams(each, number)
        grams = _grams(answer, number)
        found.append((grams & most).total())
        all_of_them.append(grams.total())
    _, wanted = min((abs(len(each) - len(answer)), len(each)) for each in references)
    return [*found, *all_of_them, len(answer), wanted]


def _grams(words: Words, number: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(words[at : at + number]) for at in range(len(words) - number + 1))

"""BLEU: how much of what was written stands in one of several references (Papineni et al. 2002)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

LONGEST = 4
"""Words in a row that are compared, at most."""

Words = Sequence[Hashable]


def bleu(answers: Sequence[Words], references: Sequence[Sequence[Words]], longest: int = LONGEST) -> float:
    """BLEU of a corpus, from 0 to 1, without smoothing (section 2.3): the geometric mean of the modified
    n-gram precisions up to ``longest``, times the penalty of brevity. ``references`` has one or more texts
    for each answer; of their lengths the closest counts, the shorter of two that are equally close."""
    shares = [modified_precision(answers, references, count) for count in range(1, longest + 1)]
    if not all(found for found, _ in shares):
        return 0.0
    mean = sum(math.log(found / total) for found, total in shares) / longest
    written = sum(map(len, answers))
    wanted = sum(
        min((abs(len(each) - len(answer)), len(each)) for each in own)[1]
        for answer, own in zip(answers, references, strict=True)
    )
    return math.exp(mean + min(0.0, 1 - wanted / written))


def modified_precision(
    answers: Sequence[Words], references: Sequence[Sequence[Words]], count: int
) -> tuple[int, int]:
    """How many of all sequences of ``count`` words in the answers are in a reference, each no more often than
    in the one that has it most often, and how many there are."""
    found = total = 0
    for answer, own in zip(answers, references, strict=True):
        most: Counter[tuple[Hashable, ...]] = Counter()
        for each in own:
            most |= _grams(each, count)
        grams = _grams(answer, count)
        found += sum((grams & most).values())
        total += sum(grams.values())
    return found, total


def _grams(words: Words, count: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(words[at : at + count]) for at in range(len(words) - count + 1))

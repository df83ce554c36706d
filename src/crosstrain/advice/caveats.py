"""What has to be known of a number before it is believed: said once, with a mark at each number concerned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosstrain.advice.front import Candidate
from crosstrain.advice.works import Work
from crosstrain.results.stability import LOAD_SHARE
from crosstrain.results.units import share
from crosstrain.statistics import ratios as statistics

MARKS = "¹²³⁴⁵⁶⁷⁸⁹"


class Caveats:
    """Caveats in the order in which a reader meets their marks."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def mark(self, *sentences: str) -> str:
        """The marks of these caveats, to stand behind a number; an empty one has none."""
        known = [sentence for sentence in sentences if sentence]
        self.sentences += [sentence for sentence in known if sentence not in self.sentences]
        return "".join(MARKS[self.sentences.index(sentence)] for sentence in known)

    def lines(self) -> list[str]:
        """``¹ Fewer than 3 processes …``"""
        return [f"{mark} {sentence}" for mark, sentence in zip(MARKS, self.sentences, strict=False)]


def of_accuracy(work: Work) -> str:
    """Why an accuracy is not yet what it will be, or why equal work came to unequal accuracies."""
    if not work.accuracies:
        return ""
    if work.unfinished and work.falling:
        return (
            f"Training was not over: its loss still fell by {100 * work.falling:.0f} % in the last epoch. "
            "Accuracies tell who learns first, not who ends best; more --epochs would."
        )
    if work.steady:
        return ""
    low, high = min(work.accuracies), max(work.accuracies)
    return (
        f"Trainings of this same work end from {share(low)} to {share(high)}: training amplifies rounding. "
        "More epochs or --seeds make them steadier."
    )


def of_time(candidates: Sequence[Candidate]) -> str:
    """Why times are less sure than their samples seem to say."""
    if len(candidates) < 2 or all(len(c.row.runs) >= statistics.FEWEST for c in candidates):
        return ""
    return (
        f"With fewer than {statistics.FEWEST} processes each, intervals allow for "
        f"{100 * statistics.UNSEEN_NOISE:.0f} % of noise that was not seen."
    )


def of_load(candidates: Sequence[Candidate], cores: int | None) -> str:
    """Why times may be too long: what other processes took of the ``cores`` while these were measured."""
    loads = [cell.other_load for c in candidates for cell in c.row.done if cell.other_load is not None]
    if cores is None or not loads or (typical := float(np.median(loads))) < LOAD_SHARE * cores:
        return ""
    return f"Other processes took {typical:.2g} of {cores} cores meanwhile: times may be too long."

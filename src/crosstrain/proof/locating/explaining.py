"""Which known difference between frameworks gives the numbers of an engine that departs."""

from __future__ import annotations

import numpy as np

from crosstrain.proof.compare import relative
from crosstrain.proof.locating import differences_by_op  # noqa: F401  (importing adds the rows)
from crosstrain.proof.locating.causes import EXPERIMENTS, Situation

GUESSES = {
    "conv": "perhaps other padding, another layout of the kernel, or another order of channels",
    "batch_norm": "perhaps another epsilon, or an unbiased variance",
    "normalize": "perhaps another epsilon, or statistics of the batch",
    "reshape": "perhaps another order of axes in memory",
    "lstm": "perhaps another order of gates, or other biases",
    "gru": "perhaps another order of gates, or the reset gate on the other side of the product",
}


def explain(situation: Situation, tolerance: float) -> tuple[str, bool]:
    """The sentence of the difference that gives the engine's numbers, and True; else a guess, and False.

    An experiment explains when what is left of the error is below ``tolerance`` and below a tenth of it.
    """
    error = relative(situation.got, situation.true)
    enough = min(tolerance, error / 10)
    for experiment in [*EXPERIMENTS.get(situation.node.op, ()), *EXPERIMENTS.get("", ())]:
        candidates = experiment(situation)
        while True:
            try:
                sentence, value = next(candidates)
            except StopIteration:
                break
            except (ValueError, IndexError, TypeError, np.linalg.LinAlgError):
                break  # the experiment does not fit these shapes or attributes
            if relative(situation.got, value) <= enough:
                return sentence, True
    return GUESSES.get(situation.node.op, "no known difference gives these numbers"), False

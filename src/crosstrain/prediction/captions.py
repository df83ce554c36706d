"""What a trained captioner says of pictures, and how much of it stands in what people said of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import Arrays
from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.settings import Asking
from crosstrain.runs.tasks import captioning
from crosstrain.statistics.ratios import Interval


def facts_of(network: TrainedNetwork) -> Mapping[str, Any]:
    """What the training kept of its captions; empty for a network that was trained on none."""
    return (network.preparation.manifest.get("facts") or {}).get(captioning.FACTS) or {}


def described(
    network: TrainedNetwork, inputs: Arrays, asking: Asking, folder: Path, beam: int
) -> tuple[np.ndarray, str | None]:
    """The numbers of a caption's words, int64 (N, length), for each of the prepared pictures among
    ``inputs``, by a beam of so many beginnings (0: word by word), and the engine's version."""
    facts = facts_of(network)
    names = ("inputs", "length", "begin", "end", "reserved")
    job = {"kind": "captions", "beam": max(1, beam), **{name: facts[name] for name in names}}
    return network.continued(np.asarray(inputs[facts["inputs"][0]]), asking, folder, job)


def in_words(network: TrainedNetwork, said: np.ndarray) -> list[str]:
    tokenizer = Tokenizer.from_json(facts_of(network)["tokenizer"])
    return [tokenizer.decode(row.tolist()) for row in said]


def judged(
    network: TrainedNetwork, inputs: Arrays, targets: np.ndarray, owners: np.ndarray, asking: Asking,
    folder: Path, beam: int,
) -> dict[str, Interval]:  # fmt: skip
    """``bleu`` of the captions of all pictures; ``owners`` says which picture a row is about, whose captions
    are the references."""
    rows = captioning.first_rows(owners)
    pictures = {name: np.asarray(array)[rows] for name, array in inputs.items()}
    said, _ = described(network, pictures, asking, folder, beam)
    found = captioning.judged(said, targets, owners, facts_of(network)["end"])
    low, high = found["bleu_limits"] or (found["bleu"], found["bleu"])
    return {"bleu": Interval(found["bleu"], low, high, len(said), "bootstrap")}

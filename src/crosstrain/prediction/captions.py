"""What a captioner says of pictures, and how much of it stands in what people said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import Arrays
from crosstrain.data.sets.sequences.captions import BEGIN, END, FACTS, PICTURE, WORDS
from crosstrain.data.sets.sequences.tokens import PADDING, UNKNOWN, Tokenizer
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.settings import Asking
from crosstrain.training.bleu import bleu


def facts_of(network: TrainedNetwork) -> Mapping[str, Any]:
    """What the training kept of its captions; empty for a network that was trained on none."""
    return (network.preparation.manifest.get("facts") or {}).get(FACTS) or {}


def described(
    network: TrainedNetwork, pictures: np.ndarray, asking: Asking, folder: Path, beam: int
) -> tuple[list[str], str | None]:
    """A caption of each prepared picture, by a beam of so many beginnings (0: word by word), and the engine's
    version."""
    facts = facts_of(network)
    job = {
        "kind": "captions", "inputs": [PICTURE, WORDS], "beam": max(1, beam), "length": facts["length"],
        "begin": BEGIN, "end": END, "reserved": [PADDING, UNKNOWN, BEGIN],
    }  # fmt: skip
    numbers, version = network.continued(pictures, asking, folder, job)
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    return [tokenizer.decode(row.tolist()) for row in numbers], version


def judged(
    network: TrainedNetwork, inputs: Arrays, targets: np.ndarray, owners: np.ndarray, asking: Asking,
    folder: Path, beam: int,
) -> float:  # fmt: skip
    """BLEU of the captions of all pictures; ``owners`` says which picture a row is about, whose captions are
    the references."""
    tokenizer = Tokenizer.from_json(facts_of(network)["tokenizer"])
    different, first = np.unique(owners, return_index=True)
    said, _ = described(network, np.asarray(inputs[PICTURE])[np.sort(first)], asking, folder, beam)
    order = owners[np.sort(first)]
    wanted: dict[int, list[Sequence[str]]] = {int(owner): [] for owner in different}
    for owner, row in zip(owners.tolist(), targets, strict=True):
        wanted[owner].append([tokenizer.token(n) for n in row.tolist() if n not in (PADDING, END)])
    return bleu([text.split() for text in said], [wanted[int(owner)] for owner in order])

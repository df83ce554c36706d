"""What the catalogue says of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NetworkRow:
    """One network.

    ``function`` is "module:function" in this package and takes (input_shape, classes) and by name what
    ``arguments`` gives and users may change (``width``, …). ``input_shape`` (height, width, channels; of
    sequences steps and variables, or steps of tokens) and ``classes`` are the paper's. At these
    ``parameters`` counts the trainable numbers, ``macs`` the multiply-accumulates for one example (tests hold
    the network to both). ``published_parameters`` and ``published_macs`` are what the paper or the reference
    implementation says, as it is written there; ``note`` says where that is not the paper, and explains what
    differs. ``tiny`` gives the arguments of the variant for tests: the same topology with fewer maps and
    blocks. ``loss_weights`` are the weights of outputs whose loss does not count as 1, where users choose no
    losses. ``inputs`` are the names of the inputs where there are two: pictures of ``input_shape``, and rows
    whose number is the function's argument ``rows``.
    """

    name: str
    function: str
    summary: str
    paper: str
    year: int
    input_shape: tuple[int, ...]
    classes: int
    parameters: int
    macs: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tiny: Mapping[str, Any] = field(default_factory=dict)
    published_parameters: str = ""
    published_macs: str = ""
    note: str = ""
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    task: str = "image-classification"
    inputs: tuple[str, ...] = ()
    rows: str = "length"

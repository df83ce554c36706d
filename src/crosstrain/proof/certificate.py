"""The certificate: what was compared, how far apart it was, within which bounds, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["proved", "departs", "cannot"]


@dataclass(frozen=True)
class Bounds:
    """The largest relative errors that still prove; ``weights`` is for weights and statistics after steps."""

    values: float
    weights: float


BOUNDS = {"float64": Bounds(1e-9, 1e-8), "float32": Bounds(1e-4, 1e-3)}
"""Rounding leaves some 1e-13 (float64) and 1e-6 (float32) on the zoo; any fault is far above the bounds."""


@dataclass(frozen=True)
class Numbers:
    """An array in a line: its norm, its shape and a few entries."""

    norm: float
    shape: tuple[int, ...]
    entries: tuple[float, ...]

    def __str__(self) -> str:
        return f"norm {self.norm:.6g}, [{', '.join(f'{e:.6g}' for e in self.entries)}, …]"

    def to_json(self) -> dict[str, Any]:
        return {
            "norm": number(self.norm),
            "shape": list(self.shape),
            "entries": [number(e) for e in self.entries],
        }


@dataclass(frozen=True)
class Departure:
    """Where an engine first leaves the truth.

    ``stage``: inputs, initial weights, inference, training, loss, gradients, update or after training.
    ``node`` is the node of the graph (with its ``op`` and Keras ``layer``), or "" where the fault is not a
    node's; ``op`` then names what it is (``optimizer sgd``, ``batches``). ``tensor`` is the reference or
    weight that was compared. ``cause`` is what explains the engine's numbers when it is put into the
    NumPy meaning (``explained``), else a guess.
    """

    stage: str
    node: str
    op: str
    layer: str
    tensor: str
    error: float
    expected: Numbers | None
    got: Numbers | None
    cause: str
    explained: bool = False

    def __str__(self) -> str:
        place = f"node {self.node!r} ({self.op})" if self.node else self.op or "before the first node"
        return f"{self.stage}: {place}, {self.tensor} is {self.error:.2g} off; {self.cause}"

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "node": self.node,
            "op": self.op,
            "layer": self.layer,
            "tensor": self.tensor,
            "error": number(self.error),
            "expected": self.expected and self.expected.to_json(),
            "got": self.got and self.got.to_json(),
            "cause": self.cause,
            "explained": self.explained,
        }


@dataclass(frozen=True)
class Certificate:
    """What one engine did in one precision, next to the truth. Errors are norm-wise and relative;
    None where there was nothing to compare.

    ``outputs`` is the larger of inference and training mode. ``weights_after_steps`` is the largest error
    after one step, each taken from the truth's own state; ``free_run`` is what the same steps come to
    without the truth's help (information, which decides nothing). ``worst`` names the tensor of each number,
    ``tensors`` has the error of every single one. ``notes`` says what a reader has to know (dropout is
    off …), ``basis`` what the certificate rests on: versions, seeds, hashes, truths.
    """

    engine: str
    precision: str
    status: Status
    outputs: float | None = None
    loss: float | None = None
    gradients: float | None = None
    weights_after_steps: float | None = None
    free_run: float | None = None
    first_departure: Departure | None = None
    reason: str = ""
    worst: Mapping[str, str | None] = field(default_factory=dict)
    tensors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    basis: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def proved(self) -> bool:
        return self.status == "proved"

    def to_json(self) -> dict[str, Any]:
        bounds = BOUNDS[self.precision]
        return {
            "engine": self.engine,
            "precision": self.precision,
            "status": self.status,
            "outputs": number(self.outputs),
            "loss": number(self.loss),
            "gradients": number(self.gradients),
            "weights_after_steps": number(self.weights_after_steps),
            "free_run": number(self.free_run),
            "first_departure": self.first_departure and self.first_departure.to_json(),
            "reason": self.reason,
            "bounds": {"values": bounds.values, "weights_after_steps": bounds.weights},
            "worst": dict(self.worst),
            "tensors": {k: {n: number(e) for n, e in v.items()} for k, v in self.tensors.items()},
            "notes": list(self.notes),
            "basis": dict(self.basis),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Proof:
    """The certificates of one network: a sequence, in the order of the engines and precisions asked for."""

    network: str
    certificates: tuple[Certificate, ...]

    def __iter__(self) -> Iterator[Certificate]:
        return iter(self.certificates)

    def __len__(self) -> int:
        return len(self.certificates)

    def __getitem__(self, index: int) -> Certificate:
        return self.certificates[index]

    @property
    def proved(self) -> bool:
        """Whether there are certificates and every one is proved."""
        return bool(self.certificates) and all(c.proved for c in self.certificates)

    def to_json(self) -> dict[str, Any]:
        return {"network": self.network, "engines": [c.to_json() for c in self.certificates]}


def number(value: float | None) -> float | str | None:
    """A float as JSON has it: infinity and NaN, which JSON lacks, as words."""
    return value if value is None or math.isfinite(value) else str(value)

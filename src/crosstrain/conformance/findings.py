"""What came of an engine's operations, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["passed", "departs", "unsupported", "failed", "crashed"]
AT_FAULT: tuple[Status, ...] = ("departs", "failed", "crashed")
SHOWN = 24
"""An array of more numbers is shown by its shape."""


@dataclass(frozen=True)
class Example:
    """An application that departs. ``inputs``, ``expected`` and ``got`` are nested lists, in which infinity
    and NaN are words; ``what`` says which output or gradient, ``error`` how far it is off (None: another
    shape or kind of number)."""

    op: str
    what: str
    error: float | None
    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any]
    expected: Any
    got: Any

    @property
    def call(self) -> str:
        """The application, as a call: ``log_softmax([[0.0, 200.0]], axis=-1)``."""
        words = [*map(in_words, self.inputs), *(f"{k}={_plain(v)}" for k, v in self.attributes.items())]
        return f"{self.op}({', '.join(words)})"


@dataclass(frozen=True)
class OpResult:
    """An op on an engine, over ``cases`` applications. The errors are the largest of them: norm-wise relative
    for values, of the largest number for gradients; None where nothing was computed, infinity as a
    word. ``reason`` is the
    engine's for ``unsupported``, else what went wrong; ``example`` is the smallest found of what departs."""

    op: str
    status: Status
    cases: int
    value_error: float | str | None = None
    gradient_error: float | str | None = None
    reason: str = ""
    example: Example | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OpResult:
        given = data.get("example")
        example = None if given is None else Example(**{**given, "inputs": tuple(given["inputs"])})
        return cls(**{**data, "example": example})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class EngineResult:
    """What came of one engine; ``error`` says why nothing was tried."""

    engine: str
    version: str | None = None
    precision: str | None = None
    seconds: float = 0.0
    error: str = ""
    ops: tuple[OpResult, ...] = ()

    @property
    def at_fault(self) -> tuple[OpResult, ...]:
        return tuple(each for each in self.ops if each.status in AT_FAULT)

    def count(self, status: Status) -> int:
        return sum(each.status == status for each in self.ops)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ops": [each.to_json() for each in self.ops]}


@dataclass(frozen=True)
class Conformance:
    """What ``crosstrain.ops`` found: an ``EngineResult`` for each engine. ``well`` says that every engine ran
    and that none of its ops departs, fails or crashes."""

    engines: tuple[EngineResult, ...] = field(default_factory=tuple)

    @property
    def well(self) -> bool:
        return not any(each.error or each.at_fault for each in self.engines)

    def to_json(self) -> dict[str, Any]:
        return {"well": self.well, "engines": [each.to_json() for each in self.engines]}


def in_words(value: Any) -> str:
    """A nested list as it is written; one of many numbers by its shape."""
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    count = 1
    for length in shape:
        count *= length
    if count > SHOWN:
        return f"<{'×'.join(map(str, shape))} numbers>"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:.10g}" if isinstance(value, float) else str(value)

"""Published times and accuracies beside those measured here.

Seconds of two machines do not compare, so that times become ratios within one machine: an engine over the
fastest one, a larger input over the smallest, a deeper network over the shallowest of its family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from crosstrain.results.rows import Row, rows
from crosstrain.results.schema import ComparisonResult
from crosstrain.results.units import at_size, seconds
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval
from crosstrain.studies.plan import Time

Kind = Literal["engine", "size", "depth", "accuracy"]

TITLES: dict[Kind, str] = {
    "engine": "Each engine's time over the fastest engine's",
    "size": "What a larger input costs",
    "depth": "What a deeper network costs",
    "accuracy": "Test accuracy",
}

_DEPTH = re.compile(r"(?P<family>.*?)(?P<depth>\d+)")


@dataclass(frozen=True)
class Beside:
    """A published figure and the one measured here (None: not measured). ``then`` and ``now`` are ratios of
    times, of ``accuracy`` shares; ranks are among the engines that were measured both then and now, the
    fastest being 1."""

    kind: Kind
    subject: str
    engine: str
    device: str
    published: str
    then: float
    now: Interval | None
    rank_then: int | None = None
    rank_now: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "now": self.now and self.now.to_json()}


def then_and_now(times: Sequence[Time], results: Sequence[ComparisonResult]) -> list[Beside]:
    """Every ratio that the published times give, and every accuracy, beside what was measured here."""
    here = {
        _place(row.network, row.input_size, row.engine, row.cells[0].device): row
        for result in results
        for row in rows(result.cells)
        if row.done
    }
    timed = [time for time in times if time.seconds]
    return [*_engines(timed, here), *_over(timed, here, "size"), *_over(timed, here, "depth"),
            *_accuracies(times, here)]  # fmt: skip


def _place(network: str, size: Any, engine: str, device: str) -> tuple[str, str, str, str]:
    return network, str(size), engine, device.partition(":")[0]


def _here(time: Time, here: Mapping[tuple[str, str, str, str], Row]) -> Row | None:
    return here.get(_place(time.network, time.size, time.engine, time.device))


def _grouped(times: Sequence[Time], key: Callable[[Time], Hashable]) -> Iterator[list[Time]]:
    groups: dict[Hashable, list[Time]] = {}
    for time in times:
        groups.setdefault(key(time), []).append(time)
    yield from groups.values()


# -- ratios of times --------------------------------------------------------------------------------
def _engines(times: Sequence[Time], here: Mapping[tuple[str, str, str, str], Row]) -> Iterator[Beside]:
    """The fastest is that of the engines measured both then and now (else, of those then): one that runs no
    more would make every ratio one to a stranger."""
    for group in _grouped(times, lambda t: (t.network, t.size, t.device)):
        measured = {t.engine: row for t in group if (row := _here(t, here))}
        both = [t for t in group if t.engine in measured]
        base = min(both or group, key=lambda t: t.seconds or 0.0)
        fastest = min(measured.values(), key=_median, default=None)
        then = [t.engine for t in sorted(both, key=lambda t: t.seconds or 0.0)]
        now = sorted(measured, key=lambda engine: _median(measured[engine]))
        for time in group:
            row = measured.get(time.engine)
            yield Beside(
                "engine", at_size(time.network, time.size), time.engine, time.device,
                f"{_seconds(time)}, {base.engine} {_seconds(base)}", _quotient(time, base),
                _ratio(row, fastest) if row and fastest else None,
                then.index(time.engine) + 1 if row else None, now.index(time.engine) + 1 if row else None,
            )  # fmt: skip


def _over(
    times: Sequence[Time], here: Mapping[tuple[str, str, str, str], Row], kind: Literal["size", "depth"]
) -> Iterator[Beside]:
    """Each larger size, or deeper network, over the smallest that was published."""
    for group in _grouped(times, _SAME_BUT[kind]):
        first, *larger = sorted(group, key=_ORDER[kind])
        for time in larger:
            mine, base = _here(time, here), _here(first, here)
            subject = f"{at_size(time.network, time.size)} over {_NAME[kind](first)}"
            yield Beside(
                kind, subject, time.engine, time.device, f"{_seconds(time)} after {_seconds(first)}",
                _quotient(time, first), _ratio(mine, base) if mine and base else None,
            )  # fmt: skip


_SAME_BUT: Mapping[str, Callable[[Time], Hashable]] = {
    "size": lambda t: (t.network, t.engine, t.device),
    "depth": lambda t: (_family(t)[0], t.size, t.engine, t.device),
}
_ORDER: Mapping[str, Callable[[Time], int]] = {
    "size": lambda t: t.size or 0,
    "depth": lambda t: _family(t)[1],
}
_NAME: Mapping[str, Callable[[Time], str]] = {
    "size": lambda t: "the network's own size" if t.size is None else str(t.size),
    "depth": lambda t: t.network,
}


def _family(time: Time) -> tuple[str, int]:
    """``resnet`` and 20 of ``resnet20``; a network whose name ends otherwise is a family of its own."""
    match = _DEPTH.fullmatch(time.network)
    return (match["family"], int(match["depth"])) if match else (time.network, 0)


def _quotient(time: Time, base: Time) -> float:
    assert time.seconds is not None
    assert base.seconds is not None
    return time.seconds / base.seconds


def _ratio(row: Row, base: Row) -> Interval | None:
    return Interval(1.0, 1.0, 1.0, len(row.runs)) if row is base else statistics.ratio(row.runs, base.runs)


def _median(row: Row) -> float:
    return row.seconds.value if row.seconds else float("inf")


def _seconds(time: Time) -> str:
    return seconds(time.seconds)


# -- accuracies -------------------------------------------------------------------------------------
def _accuracies(times: Sequence[Time], here: Mapping[tuple[str, str, str, str], Row]) -> Iterator[Beside]:
    for time in times:
        if time.accuracy is not None:
            row = _here(time, here)
            yield Beside(
                "accuracy", at_size(time.network, time.size), time.engine, time.device,
                f"{100 * time.accuracy:.2f} %", time.accuracy, row.score_interval if row else None,
            )  # fmt: skip

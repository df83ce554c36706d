"""How a training's time falls as workers are added: Amdahl's law, and the part of it that stays serial."""

from __future__ import annotations

from collections.abc import Mapping


def serial_part(seconds: Mapping[int, float]) -> float | None:
    """The part s of one worker's time that more of them do not divide, T(p) / T(1) = s + (1 - s) / p, by
    least squares over all p > 1 (Amdahl 1967). ``seconds`` is T by the number of workers; None without T(1)
    or without another. Below 0 where p workers are more than p times as fast, above 1 where they are slower
    than one."""
    if 1 not in seconds or len(seconds) < 2:
        return None
    saved = {p: 1 - 1 / p for p in seconds if p > 1}
    excess = {p: seconds[p] / seconds[1] - 1 / p for p in saved}
    return sum(excess[p] * saved[p] for p in saved) / sum(each**2 for each in saved.values())


def expected(seconds: float, serial: float, workers: int) -> float:
    """Amdahl's time of so many workers, from one worker's."""
    return seconds * (serial + (1 - serial) / workers)

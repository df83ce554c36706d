"""Temperature schedules of simulated annealing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Schedule = Callable[[float, float, np.ndarray], np.ndarray]
"""From the first and the last temperature and the positions from 0 to 1 between them."""

SCHEDULES: dict[str, Schedule] = {
    "geometric": lambda first, last, t: first * (last / first) ** t,
    "linear": lambda first, last, t: first + (last - first) * t,
    "logarithmic": lambda first, last, t: first / (1 + (first / last - 1) * np.log1p(t) / np.log(2)),
}
"""``logarithmic`` falls as 1 / ln(1 + t), the law for which S. Geman and D. Geman (1984) prove that annealing
ends in the minimum, if it is slow enough; the others are what works in the time that there is."""


def cooling(first: float, last: float, steps: int, schedule: str = "geometric") -> np.ndarray:
    """``steps`` temperatures from ``first`` down to ``last``, float64.

    >>> cooling(8.0, 1.0, 4).tolist()
    [8.0, 4.0, 2.0, 1.0]

    :raises ValueError: a temperature is not positive, they rise, or the schedule does not exist.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"there is no schedule {schedule!r}; there are {', '.join(SCHEDULES)}")
    if not first >= last > 0 or steps < 1:
        raise ValueError(f"{steps} temperatures cannot fall from {first} to {last}")
    return np.asarray(SCHEDULES[schedule](first, last, np.linspace(0.0, 1.0, steps)), dtype=float)

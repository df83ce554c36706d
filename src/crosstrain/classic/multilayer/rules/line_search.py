"""A line search for the strong Wolfe conditions that asks for loss and gradient together.

Moré and Thuente, "Line search algorithms with guaranteed sufficient decrease" (ACM TOMS 20, 1994), with the
safeguarded cubic and quadratic steps of its section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import inner


class Point(NamedTuple):
    """A step length, and the loss and slope along the line there."""

    step: float
    loss: float
    slope: float


class Reached(NamedTuple):
    """Where a line search ended."""

    step: float
    weights: Array
    loss: float
    gradient: Array


@dataclass(frozen=True)
class LineSearch:
    """``loss ≤ start + decrease × step × slope`` and ``|slope there| ≤ curvature × |slope|``."""

    decrease: float = 1e-4
    curvature: float = 0.9
    most: int = 40
    longest: float = 1e10
    shortest: float = 1e-20

    def __call__(
        self,
        objective: Objective,
        weights: Array,
        loss: float,
        gradient: Array,
        direction: Array,
        step: float,
    ) -> Reached | None:
        """The first trial that meets both conditions; one that only lowers the loss enough, if rounding
        leaves nothing better; None if there is neither.

        :param step: the first trial
        """
        start = Point(0.0, loss, inner(gradient, direction))
        if not start.slope < 0:
            return None
        test = self.decrease * start.slope
        best = other = start
        bracketed, first_stage = False, True
        low, high = 0.0, min(5 * step, self.longest)
        width, width_before = high - low, 2 * (high - low)
        kept: Reached | None = None
        for _ in range(self.most):
            step = min(max(step, self.shortest), self.longest)
            there = weights + step * direction
            value, slopes = objective(there)
            here = Point(step, value, inner(slopes, direction))
            if not (math.isfinite(here.loss) and math.isfinite(here.slope)):
                step = best.step + 0.1 * (step - best.step)
                high = width = width_before = here.step
                continue
            lowered = here.loss <= loss + step * test
            if lowered and here.loss < loss and (kept is None or here.loss <= kept.loss):
                kept = Reached(step, there, here.loss, slopes)
            if lowered and abs(here.slope) <= -self.curvature * start.slope:
                return Reached(step, there, here.loss, slopes)
            if bracketed and (high - low <= 1e-14 * high or step in (low, high)):
                return kept
            if first_stage and lowered and here.slope >= 0:
                first_stage = False
            if first_stage and here.loss <= best.loss and not lowered:
                # Work on loss − test × step, which has a minimum where the loss itself may have none.
                best, other, step, bracketed = _shrink(
                    _tilt(best, -test), _tilt(other, -test), _tilt(here, -test), bracketed, low, high
                )
                best, other = _tilt(best, test), _tilt(other, test)
            else:
                best, other, step, bracketed = _shrink(best, other, here, bracketed, low, high)
            if bracketed:
                if abs(other.step - best.step) >= 0.66 * width_before:
                    step = best.step + 0.5 * (other.step - best.step)
                width_before, width = width, abs(other.step - best.step)
                low, high = min(best.step, other.step), max(best.step, other.step)
            else:
                low = step + 1.1 * (step - best.step)
                high = step + 4.0 * (step - best.step)
        return kept


def first_trial(loss: float, before: float, slope: float) -> float:
    """The step that would lower the loss as much as the last one did, and at most 1 (Nocedal and Wright,
    3.60)."""
    return min(1.0, 2.02 * (loss - before) / slope) if loss < before and slope < 0 else 1.0


def _tilt(point: Point, slope: float) -> Point:
    return Point(point.step, point.loss + slope * point.step, point.slope + slope)


def _shrink(
    best: Point, other: Point, here: Point, bracketed: bool, low: float, high: float
) -> tuple[Point, Point, float, bool]:
    """The new interval of uncertainty and the next trial in it (Moré and Thuente's four cases)."""
    opposite = here.slope * math.copysign(1.0, best.slope) < 0
    if here.loss > best.loss:
        cubic, quadratic = _cubic(best, here), _quadratic(best, here)
        near = abs(cubic - best.step) < abs(quadratic - best.step)
        step = cubic if near else cubic + (quadratic - cubic) / 2
        bracketed = True
    elif opposite:
        cubic, secant = _cubic(best, here), _secant(best, here)
        step = cubic if abs(cubic - here.step) > abs(secant - here.step) else secant
        bracketed = True
    elif abs(here.slope) < abs(best.slope):
        cubic, secant = _cubic(best, here, beyond=(low, high)), _secant(best, here)
        if bracketed:
            step = cubic if abs(cubic - here.step) < abs(secant - here.step) else secant
            limit = here.step + 0.66 * (other.step - here.step)
            step = min(limit, step) if here.step > best.step else max(limit, step)
        else:
            step = cubic if abs(cubic - here.step) > abs(secant - here.step) else secant
            step = max(low, min(high, step))
    elif bracketed:
        step = _cubic(here, other)
    else:
        step = high if here.step > best.step else low
    if here.loss > best.loss:
        return best, here, step, bracketed
    return here, best if opposite else other, step, bracketed


def _cubic(a: Point, b: Point, beyond: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through both points' losses and slopes.

    ``beyond`` bounds it where the minimum may lie on the far side of ``b`` or nowhere.
    """
    theta = 3.0 * (a.loss - b.loss) / (b.step - a.step) + a.slope + b.slope
    scale = max(abs(theta), abs(a.slope), abs(b.slope))
    if scale == 0.0:
        return b.step
    root = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    gamma = scale * math.sqrt(max(0.0, root))
    if beyond is None:
        gamma = -gamma if b.step < a.step else gamma
        p, q = (gamma - a.slope) + theta, ((gamma - a.slope) + gamma) + b.slope
        return a.step + (p / q) * (b.step - a.step) if q else b.step
    gamma = -gamma if b.step > a.step else gamma
    p, q = (gamma - b.slope) + theta, (gamma + (a.slope - b.slope)) + gamma
    ratio = p / q if q else 0.0
    if ratio < 0.0 and gamma != 0.0:
        return b.step + ratio * (a.step - b.step)
    return beyond[1] if b.step > a.step else beyond[0]


def _quadratic(a: Point, b: Point) -> float:
    """The minimum of the parabola through both losses and the slope at ``a``."""
    return a.step + ((a.slope / ((a.loss - b.loss) / (b.step - a.step) + a.slope)) / 2.0) * (b.step - a.step)


def _secant(a: Point, b: Point) -> float:
    """Where the line through both slopes is 0."""
    return b.step + (b.slope / (b.slope - a.slope)) * (a.step - b.step)

"""Amdahl's law, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.statistics.scaling import expected, serial_part


@given(
    serial=st.floats(0, 1),
    one=st.floats(1e-3, 1e4),
    workers=st.sets(st.integers(2, 1024), min_size=1, max_size=6),
)
def test_the_serial_part_of_times_that_follow_the_law_is_found(
    serial: float, one: float, workers: set[int]
) -> None:
    times = {p: expected(one, serial, p) for p in (1, *workers)}
    assert serial_part(times) == pytest.approx(serial, abs=1e-9)


def test_times_that_do_not_follow_it_are_met_by_least_squares() -> None:
    """s = Σ (T(p)/T(1) - 1/p)(1 - 1/p) / Σ (1 - 1/p)², by hand: (0.1 · 0.5 + 0.25 · 0.75) / 0.8125."""
    assert serial_part({1: 10.0, 2: 6.0, 4: 5.0}) == pytest.approx(0.2375 / 0.8125)


@pytest.mark.parametrize(("two", "sign"), [(4.0, -1), (11.0, 1)])
def test_what_no_serial_part_explains_lies_outside_0_and_1(two: float, sign: int) -> None:
    serial = serial_part({1: 10.0, 2: two})
    assert serial is not None
    assert serial * sign > (1 if sign > 0 else 0)


@pytest.mark.parametrize("seconds", [{}, {1: 3.0}, {2: 3.0, 4: 2.0}])
def test_without_two_numbers_of_workers_there_is_none(seconds: dict[int, float]) -> None:
    assert serial_part(seconds) is None

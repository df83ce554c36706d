"""The two orders in which axes stand: channels first, and channels last."""

from __future__ import annotations


def first_axes(rank: int) -> tuple[int, ...]:
    """(N, spatial…, C) → (N, C, spatial…)."""
    return (0, rank - 1, *range(1, rank - 1))


def last_axes(rank: int) -> tuple[int, ...]:
    """(N, C, spatial…) → (N, spatial…, C)."""
    return (0, *range(2, rank), 1)


def behind(axis: int, rank: int) -> int:
    """Where an axis of (N, C, spatial…) lies in (N, spatial…, C)."""
    return axis if axis == 0 else rank - 1 if axis == 1 else axis - 1

"""Holding out examples: stratified by class, and by whole groups where examples belong together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crosstrain.data.source import Table

VALIDATION, TEST = 0.1, 0.15
"""Shares that are held out where a data set does not have these parts."""
PARTS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What people call the parts of a data set, and what they are called here."""
Positions = np.ndarray
"""Ascending int64 positions of examples."""
TIME = "time"
"""The split that leaves examples in their order: what comes later is held out."""


def held_out(
    labels: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None, how: str = ""
) -> tuple[Positions, Positions]:
    """Positions of the remaining and of the held-out examples: about ``fraction`` of every class is held out.

    ``labels`` and ``groups`` are 1-D with an entry for each example. Without groups, each class gives
    its share to within one example and the whole is exact to within one; with groups (a group lies
    within a class), whole groups are taken, one at least from every class that has two or more. Every
    class keeps at least one example, or group. Where ``how`` is ``time``, the last examples are held out
    instead.
    """
    if how == TIME:
        rest, _, last = in_order(len(labels), 0.0, fraction)
        return rest, last
    random = np.random.default_rng((seed, 0x5EED))
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if groups is None:
        shares = _shares(np.array([len(m) for m in members]), fraction)
        chosen = [random.permutation(m)[:share] for m, share in zip(members, shares, strict=True)]
    else:
        chosen = [_whole_groups(m, groups[m], fraction, random) for m in members]
    is_held_out = np.zeros(len(labels), bool)
    for positions in chosen:
        is_held_out[positions] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def three_ways(labels: np.ndarray, validation: float, test: float, seed: int) -> dict[str, Positions]:
    """Train, validation and test, stratified; the fractions are of all examples."""
    rest, tested = held_out(labels, test, seed)
    train, validated = held_out(labels[rest], validation / (1 - test), seed + 1)
    return {"train": rest[train], "validation": rest[validated], "test": tested}


def of_files(
    tables: Mapping[str, Table], labels: np.ndarray, seed: int, what: str
) -> tuple[dict[str, Table], list[str]]:
    """Train, validation and test of pictures in files, and warnings: the parts that there are stay as they
    are, the others are held out from ``train``, whose classes are ``labels``. ``what`` (``file``, ``folder``)
    is the word for a part."""
    if set(tables) == {"train"}:
        parts = three_ways(labels, TEST, TEST, seed)
        return {part: tables["train"].take(rows) for part, rows in parts.items()}, []
    whole, shares = with_held_out(tables, labels, seed)
    if "test" not in shares:
        return whole, []
    return whole, [f"there is no test {what}: {shares['test']:.0%} of train was held out as one"]


def with_held_out(
    tables: Mapping[str, Table], labels: np.ndarray, seed: int, how: str = ""
) -> tuple[dict[str, Table], dict[str, float]]:
    """All three parts: those that there are as they are, the others held out from ``train``, whose classes
    are ``labels``, as ``held_out`` does it; and of these the shares."""
    whole, shares = dict(tables), {}
    for part, share, number in (("test", TEST, 0), ("validation", VALIDATION, 1)):
        if part not in whole:
            rest, rows = held_out(labels, share, seed + number, how=how)
            whole[part], whole["train"] = whole["train"].take(rows), whole["train"].take(rest)
            labels, shares[part] = labels[rest], share
    return whole, shares


def in_order(count: int, validation: float, test: float) -> tuple[Positions, Positions, Positions]:
    """Train, validation and test one after the other, as they come; the fractions are of all examples."""
    end = count - round(count * test)
    begin = max(0, end - round(count * validation))
    positions = np.arange(count)
    return positions[:begin], positions[begin:end], positions[end:]


def divided(labels: np.ndarray, validation: float, test: float, seed: int, how: str) -> dict[str, Positions]:
    """The three parts in order (``how`` is ``time``), else stratified by ``labels`` at random."""
    if how != TIME:
        return three_ways(labels, validation, test, seed)
    parts = in_order(len(labels), validation, test)
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def _shares(counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many of each class to hold out: the rounded-down share, the rest to the largest remainders."""
    exact = counts * fraction
    shares = np.floor(exact).astype(int)
    room = shares < counts - 1
    spare = round(float(counts.sum()) * fraction) - int(shares.sum())
    for index in np.argsort(-(exact - shares), kind="stable"):
        if spare <= 0:
            break
        if room[index]:
            shares[index] += 1
            spare -= 1
    capped: np.ndarray = np.minimum(shares, counts - 1)
    return capped


def _whole_groups(
    members: Positions, groups: np.ndarray, fraction: float, random: np.random.Generator
) -> Positions:
    """Groups in random order, each taken as long as that brings the class nearer to its share."""
    names, sizes = np.unique(groups, return_counts=True)
    target, have = fraction * len(members), 0
    chosen: list[int] = []
    for index in random.permutation(len(names))[: len(names) - 1]:
        if chosen and abs(have + sizes[index] - target) >= abs(have - target):
            continue
        chosen.append(int(index))
        have += int(sizes[index])
    positions: Positions = members[np.isin(groups, names[chosen])]
    return positions

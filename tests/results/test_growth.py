"""Growth with size and depth, and all pairs: right numbers, honest intervals, plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from crosstrain.results.growth import growth
from crosstrain.results.pairwise import holm, pairwise
from crosstrain.results.schema import CellResult, Epoch
from tests.comparison.fakes import cell


def measured(
    rng: np.random.Generator, seconds: float, repeats: int, noise: float = 0.02, **fields: Any
) -> Iterator[CellResult]:
    """Processes of three epochs that differ by ``noise``, epochs by 1 %."""
    for repeat in range(repeats):
        times = seconds * np.exp(rng.normal(0, noise) + rng.normal(0, 0.01, 3))
        yield cell(seconds=list(times), repeat=repeat, id=f"{fields}-{repeat}", **fields)


def by_size(
    rng: np.random.Generator, exponent: float, sizes: tuple[int, ...], repeats: int
) -> list[CellResult]:
    return [
        each
        for size in sizes
        for each in measured(rng, 1e-3 * float(size * size) ** exponent, repeats, input_size=size)
    ]


@pytest.mark.parametrize(("sizes", "repeats"), [((32, 64), 3), ((16, 32, 48, 64), 3), ((32, 48, 64), 8)])
def test_the_exponent_is_held_by_its_interval(sizes: tuple[int, ...], repeats: int) -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        (record,) = growth(by_size(rng, 0.93, sizes, repeats))
        covered += record["exponent"]["low"] <= 0.93 <= record["exponent"]["high"]
    assert covered >= 88  # of 95 expected; fewer come of chance once in 300


def test_the_sentence_tells_exponent_cost_and_what_they_rest_on() -> None:
    rng = np.random.default_rng(1)
    (two,) = growth(by_size(rng, 1.0, (32, 64), 6))
    assert two["by"] == "input size"
    exponent = two["exponent"]
    limits = f"{exponent['value']:.2f} [{exponent['low']:.2f}–{exponent['high']:.2f}]"
    assert two["text"].startswith(f"net on torch: time grows as pixels^{limits} (the slope between")
    assert exponent["value"] == pytest.approx(1.0, abs=0.03)
    cost = two["ratio"]
    sentence = f"64 costs {cost['value']:.2g} times 32 [{cost['low']:.2f}–{cost['high']:.2f}]"
    assert sentence in two["text"]
    assert cost["low"] <= 4 <= cost["high"]
    assert [x for x, _ in two["points"]] == [1024.0, 4096.0]
    (more,) = growth(by_size(rng, 1.0, (64, 32, 48), 6))
    assert "two points" not in more["text"]
    assert more["names"] == ["32", "48", "64"]
    assert "power law misses" not in more["text"]


def test_too_few_processes_widen_it() -> None:
    rng = np.random.default_rng(2)
    (few,), (many,) = growth(by_size(rng, 1.0, (32, 64), 1)), growth(by_size(rng, 1.0, (32, 64), 6))
    assert few["exponent"]["method"] == "widened"
    width = lambda record: record["exponent"]["high"] - record["exponent"]["low"]
    assert width(few) > 2 * width(many)


def test_what_is_no_power_law_is_said() -> None:
    rng = np.random.default_rng(3)
    cells = [
        each
        for size, seconds in ((16, 1.0), (32, 1.02), (64, 4.0))
        for each in measured(rng, seconds, 3, input_size=size)
    ]
    (record,) = growth(cells)
    assert "a power law misses a point by" in record["text"]


def test_depth_is_within_a_family_of_networks() -> None:
    rng = np.random.default_rng(4)
    cells = [
        each
        for network, macs in (("resnet20", 40_000_000), ("resnet32", 68_000_000), ("lenet5", 400_000))
        for each in measured(rng, macs / 4e7, 4, network=network, macs=macs)
    ]
    (record,) = growth(cells)
    assert (record["by"], record["network"], record["input_size"]) == ("depth", "resnet", 32)
    assert record["exponent"]["low"] <= 1.0 <= record["exponent"]["high"]
    assert "resnet32 costs 1.7 times resnet20" in record["text"]


def test_one_size_or_nothing_measured_is_no_growth() -> None:
    assert growth([cell(), cell(input_size=64, status="failed", seconds=[])]) == []
    assert growth([cell(input_size=None), cell(input_size=None, network="other")]) == []
    still = [Epoch(train_seconds=0.0, images_per_second=0.0)]
    assert growth([cell(epochs=still), cell(input_size=64, seconds=[1.0])]) == []


# -- pairs ----------------------------------------------------------------------------------------
def test_all_pairs_of_a_network_and_size_are_there() -> None:
    rng = np.random.default_rng(5)
    cells = [
        each
        for size in (32, 64)
        for engine, seconds in (("torch", 1.0), ("jax", 1.3), ("mxnet", 1.3))
        for each in measured(rng, seconds, 8, engine=engine, input_size=size)
    ]
    records = pairwise(cells)
    assert [(e["engine"], e["other"]) for e in records[:3]] == [
        ("torch", "jax"),
        ("torch", "mxnet"),
        ("jax", "mxnet"),
    ]
    assert {e["input_size"] for e in records} == {32, 64}
    assert {e["pairs"] for e in records} == {3}
    for each in records:
        same = each["engine"] == "jax"
        assert each["tie"] == each["tie_adjusted"] == same
        assert each["ratio"]["low"] <= (1.0 if same else 1 / 1.3) <= each["ratio"]["high"]
        assert each["p"] <= each["p_holm"]
        assert each["detectable"] > 1.01
        assert each["repeats_for_5_percent"] >= 3


def test_too_few_processes_tell_no_probability() -> None:
    (record,) = pairwise([cell("torch"), cell("jax", [1.05, 1.06, 1.04])])
    assert record["tie"]
    assert record["tie_adjusted"]
    assert record["p"] is record["p_holm"] is record["detectable"] is record["repeats_for_5_percent"] is None


def test_holms_adjustment_is_his() -> None:
    """The worked example of Holm's step-down: 4 tests."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None]) == [pytest.approx(0.02), None]
    assert holm([]) == []


def test_many_equals_are_seldom_told_apart_once_adjusted() -> None:
    rng, apart = np.random.default_rng(6), 0
    for _ in range(60):
        cells = [e for name in "abcd" for e in measured(rng, 1.0, 12, engine=name)]
        apart += any(not entry["tie_adjusted"] for entry in pairwise(cells))
    assert apart <= 8  # 5 % of 60 are 3; more than 8 come of chance once in 200

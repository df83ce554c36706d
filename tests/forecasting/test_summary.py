"""Forecasts of a comparison beside baselines: from outputs to sentences, the terminal, and the page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data import prepare
from crosstrain.forecasting.summary import problem_of, read_forecasts, sentences, steps_shown, summarized
from crosstrain.reporting.page import render
from crosstrain.reporting.terminal.forecasts import print_forecasts
from crosstrain.reporting.terminal.grid import console
from crosstrain.results.schema import CellResult, ComparisonResult, Epoch, Recommendation
from crosstrain.system.files import write_arrays

STEPS = 300
SINE = 10 + 5 * np.sin(np.arange(STEPS) / 3)


def cell(network: str, **more: Any) -> CellResult:
    epoch = Epoch(train_seconds=1.0, images_per_second=10.0)
    return CellResult(
        id=f"{network}-torch", network=network, engine="torch", status="done", epochs=[epoch], **more
    )


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    """Of a network that foretells a sine nearly, and of one that always says its mean."""
    (tmp_path / "sine.txt").write_text(" ".join(map(str, SINE)))
    data = prepare(f"series:{tmp_path / 'sine.txt'}:window=12,horizon=4", cache=tmp_path / "cache")
    _, targets = data.arrays("test")
    (tmp_path / "cells").mkdir()
    exact = np.asarray(targets[""])
    for name, outputs in (("good", exact + np.float32(1e-3)), ("poor", np.zeros_like(exact))):
        write_arrays(tmp_path / "cells" / f"{name}-torch.test.npz", {"output": outputs, "target": exact})
    return summarized([cell("good"), cell("poor"), cell("none")], data, tmp_path)


def test_networks_stand_beside_baselines_in_the_series_own_units(
    summary: dict[str, Any], tmp_path: Path
) -> None:
    entries = {e["name"]: e for e in summary["entries"]}
    assert [e["kind"] for e in summary["entries"]].count("network") == 2
    assert entries["good"]["MAE"] == pytest.approx(1e-3 * SINE[:210].std(), rel=0.02)
    assert entries["poor"]["RMSE"] == pytest.approx(np.std(SINE), rel=0.1)
    assert entries["poor"]["NRMSE"] == pytest.approx(1, abs=0.05)
    assert [each["step"] for each in entries["good"]["by_step"]] == [1, 2, 3, 4]
    arrays = read_forecasts(tmp_path)
    assert arrays["network/good"] == pytest.approx(arrays["actual"], abs=0.01)
    assert arrays["baseline/last value"][:, 0] == pytest.approx(SINE[arrays["origins"]], rel=1e-6)


def test_what_is_worse_than_tomorrow_equals_today_is_said_to_be(summary: dict[str, Any]) -> None:
    entries = [
        {"kind": "baseline", "name": "last value", "MAE": 2.0},
        {"kind": "baseline", "name": "drift", "MAE": 1.0},
        {"kind": "network", "name": "a", "MAE": 3.0}, {"kind": "network", "name": "b", "MAE": 1.5},
        {"kind": "network", "name": "c", "MAE": 0.4}, {"kind": "network", "name": "c", "MAE": 0.6},
        {"kind": "network", "name": "d", "MAE": 1.99},
    ]  # fmt: skip
    assert sentences(entries) == [
        "a forecasts worse than tomorrow equals today: its mean absolute error is 3, that of the last value "
        "2",
        "b forecasts better than tomorrow equals today (1.5 against 2), but not better than drift (1)",
        "c forecasts better than every baseline: its mean absolute error, 0.5, is 0.50 times that of drift, "
        "the "
        "best of them",
        "d forecasts about as well as tomorrow equals today: its mean absolute error is 1.99, that of the "
        "last "
        "value 2",
    ]


def test_the_terminal_shows_them(summary: dict[str, Any]) -> None:
    out = io.StringIO()
    print_forecasts(summary, console(out))
    text = out.getvalue()
    assert "linear autoregression" in text
    assert "NRMSE, steps ahead:" in text
    assert max(map(len, text.splitlines())) <= 100
    print_forecasts({}, console(empty := io.StringIO()))
    assert empty.getvalue() == ""


def test_the_page_draws_them(summary: dict[str, Any], tmp_path: Path) -> None:
    result = ComparisonResult(
        crosstrain="0", folder=str(tmp_path), cells=[cell("good"), cell("poor")], forecasts=summary,
        recommendation=Recommendation(reason="none"),
    )  # fmt: skip
    page = render(result, tmp_path)
    for mark in (
        'id="forecasts"',
        'id="forecast-table"',
        'data-chart="forecasts"',
        'data-chart="error-by-step"',
    ):
        assert mark in page
    assert "what came" in page


def test_other_data_has_no_forecasts(tmp_path: Path) -> None:
    data = prepare("digits", cache=tmp_path / "cache")
    assert problem_of(data) is None
    assert summarized([cell("good")], data, tmp_path) == {}


def test_long_horizons_show_some_steps() -> None:
    assert steps_shown(1) == [1]
    assert steps_shown(6) == [1, 2, 3, 6]
    assert steps_shown(84) == [1, 2, 3, 6, 12, 24, 48, 84]

"""The page of a backtest: means over the ends, each end by itself, and what is damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.forecasting.measures import NAMES
from crosstrain.reporting.making import make
from crosstrain.reporting.page.writing import write_page
from crosstrain.results.backtests import FILE, load_backtest
from tests.reporting.samples import EVIL


def entry(kind: str, name: str, engine: str, errors: list[float], better: int) -> dict[str, Any]:
    means = {**dict.fromkeys(NAMES, 1.5), "MAE": sum(errors) / len(errors), "direction": None}
    return {"kind": kind, "name": name, "engine": engine, **means, "errors": errors, "better": better}


def record(folder: Path, **more: Any) -> dict[str, Any]:
    """A backtest of three ends, as ``crosstrain backtest`` leaves it in ``folder``."""
    data = {
        "folder": str(folder), "data": "series:/data/prices.txt:window=5", "ends": [120, 160, 200],
        "entries": [
            entry("baseline", "last value", "", [2.0, 4.0, 8.0], 0),
            entry("network", "gru", "torch", [1.0, 6.0, 4.0], 2),
            entry("network", f"mine{EVIL}", "jax", [3.0, 6.0, 12.0], 0),
        ],
        "parts": [f"{folder}/end-{end}" for end in (120, 160, 200)],
    } | more  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps(data))
    return data


def specifications(page: str) -> dict[str, Any]:
    found = re.search(r'<script[^>]*id="chart-specs"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_page_has_the_means_the_ends_and_the_way_to_each_part(tmp_path: Path) -> None:
    record(tmp_path / "run")
    page = write_page(tmp_path / "run").read_text()
    assert "gru on torch forecasts better than tomorrow equals today in 2 of 3 series." in page
    assert "better than tomorrow equals today in none of 3 series." in page
    assert "up to step 120, 160 and 200" in page
    for end in (120, 160, 200):
        assert f'href="end-{end}/report.html"' in page
    assert "window.hurt = 1</script>" not in page
    rows = specifications(page)["backtest"]["datasets"]["rows"]
    ratios = {(row["name"], row["end"]): row["ratio"] for row in rows}
    assert ratios["gru, torch", 160] == 1.5
    assert ratios["last value", 200] == 1
    assert len(ratios) == 9


def test_report_makes_it_anew_and_has_no_other_format(tmp_path: Path) -> None:
    record(tmp_path / "run")
    report = make([tmp_path / "run"])
    assert report.path == tmp_path / "run" / "report.html"
    assert report.path.read_text() == report.text
    with pytest.raises(CrosstrainError, match="holds a backtest, which has only an HTML page"):
        make([tmp_path / "run"], "csv")


def test_a_series_whose_last_value_never_errs_has_no_chart(tmp_path: Path) -> None:
    record(tmp_path / "run", entries=[entry("baseline", "last value", "", [0.0, 0.0, 0.0], 0)])
    page = write_page(tmp_path / "run").read_text()
    assert specifications(page) == {}


def test_a_damaged_record_is_one_sentence(tmp_path: Path) -> None:
    assert load_backtest(tmp_path) is None
    for content in ("{", "[1, 2]", "{}", json.dumps(record(tmp_path, ends=[1]))):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(CrosstrainError, match="is damaged; run the backtest again"):
            load_backtest(tmp_path)

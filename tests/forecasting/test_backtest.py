"""A backtest compares at several ends of a series and sums up."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.forecasting.measures import NAMES
from crosstrain.reporting.terminal.forecasts import print_backtest
from crosstrain.reporting.terminal.grid import console
from crosstrain.results.schema import ComparisonResult, Recommendation
from crosstrain.studies.backtest import FILE, ends, run


def entry(kind: str, name: str, error: float) -> dict[str, Any]:
    return {"kind": kind, "name": name, "engine": "", **dict.fromkeys(NAMES, error), "direction": None}


def test_the_same_comparison_at_each_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" ".join(map(str, range(200))))
    asked = []

    def compare(data: str, folder: Path) -> ComparisonResult:
        asked.append((data, folder.name))
        error = float(len(asked))
        entries = [entry("baseline", "last value", 2.0), entry("network", "gru", error)]
        return ComparisonResult(
            crosstrain="0", folder=str(folder), cells=[], forecasts={"entries": entries},
            recommendation=Recommendation(reason="none"),
        )  # fmt: skip

    result = run(f"series:{path}:window=5", 3, tmp_path / "out", compare, ["gru"])
    assert asked == [(f"series:{path}:window=5,end={end}", f"end-{end}") for end in (120, 160, 200)]
    last, gru = result.entries
    assert (last["MAE"], last["better"]) == (2.0, 0)
    assert (gru["MAE"], gru["errors"], gru["better"], gru["direction"]) == (2.0, [1.0, 2.0, 3.0], 1, None)
    assert json.loads((tmp_path / "out" / FILE).read_text())["ends"] == [120, 160, 200]
    out = io.StringIO()
    print_backtest(result, console(out))
    assert "1 of 3" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines()[:-1])) <= 100


@pytest.mark.parametrize(
    ("data", "origins", "sentence"),
    [
        ("digits", 3, "a backtest is of a series, and digits is none"),
        ("series:{}:end=100", 3, "chooses the ends itself"),
        ("series:{}", 1, "at least 2 origins, not 1"),
    ],
)
def test_what_is_no_backtest(tmp_path: Path, data: str, origins: int, sentence: str) -> None:
    (tmp_path / "a.txt").write_text(" ".join(map(str, range(200))))
    with pytest.raises(CrosstrainError, match=sentence):
        ends(data.format(tmp_path / "a.txt"), origins)

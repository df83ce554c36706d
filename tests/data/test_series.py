"""Series: what each kind of file means, windows in time order, scales, and every way to be no series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.data.sets.sequences import series
from crosstrain.data.sets.sequences.reading import read_numbers
from crosstrain.data.sets.sequences.series import boundaries, windows
from crosstrain.data.source import Request, Values
from crosstrain.errors import CrosstrainError

WALK = np.random.default_rng(0).normal(size=200).cumsum() + 50


def written(path: Path, values: np.ndarray = WALK, between: str = " ") -> Path:
    path.write_text(between.join(f"{value:.6f}" for value in values) + "\n")
    return path


def dated(path: Path, days: int = 200, **columns: np.ndarray) -> Path:
    dates = np.datetime64("2001-01-01") + np.arange(days)
    names = list(columns)
    rows = [
        ",".join([str(day), *(f"{columns[name][i]:.6f}" for name in names)]) for i, day in enumerate(dates)
    ]
    path.write_text("\n".join([",".join(["date", *names]), *rows]) + "\n")
    return path


# -- windows ----------------------------------------------------------------------------------------
@settings(max_examples=60)
@given(st.integers(3, 300), st.integers(1, 40), st.integers(1, 30), st.integers(1, 7))
def test_no_training_window_touches_a_later_target(
    steps: int, window: int, horizon: int, stride: int
) -> None:
    parts = windows(steps, window, horizon, stride)

    def seen(split: str) -> set[int]:
        return {int(o) + k for o in parts[split] for k in range(1 - window, 1)}

    def wanted(split: str) -> set[int]:
        return {int(o) + k for o in parts[split] for k in range(1, horizon + 1)}

    train = seen("train") | wanted("train")
    assert not train & (wanted("validation") | wanted("test"))
    assert not wanted("validation") & wanted("test")
    assert not seen("validation") & wanted("test")
    every = set().union(*(seen(split) | wanted(split) for split in parts))
    assert every <= set(range(steps))
    assert max(train, default=-1) < boundaries(steps)[0]
    origins = np.concatenate([parts[split] for split in ("train", "validation", "test")])
    assert (np.diff(origins) > 0).all()
    assert not np.any((origins - (window - 1)) % stride)


def test_windows_and_targets_are_the_series_scaled_by_its_training_part(
    tmp_path: Path, prepared: Callable
) -> None:
    data = prepared(f"series:{written(tmp_path / 'walk.txt')}:window=10,horizon=3")
    facts = data.manifest["facts"]["series"]
    assert facts["mean"][0] == pytest.approx(WALK[:140].mean(), abs=1e-6)
    assert facts["deviation"][0] == pytest.approx(WALK[:140].std(), abs=1e-6)
    assert data.manifest["inputs"][""] == {"shape": [10, 1], "dtype": "float32"}
    assert data.manifest["targets"][""]["shape"] == [3]
    series = data.kept("series")[:, 0]
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        origins = data.kept(f"origins_{split}")
        assert len(origins) == data.examples(split)
        back = np.asarray(inputs[""])[..., 0] * facts["deviation"][0] + facts["mean"][0]
        ahead = np.asarray(targets[""]) * facts["deviation"][0] + facts["mean"][0]
        for row, origin in enumerate(origins):
            assert back[row] == pytest.approx(series[origin - 9 : origin + 1], rel=1e-5)
            assert ahead[row] == pytest.approx(series[origin + 1 : origin + 4], rel=1e-5)


def test_what_comes_later_does_not_change_the_training_part(tmp_path: Path, prepared: Callable) -> None:
    other = WALK.copy()
    other[140:] = 1000.0 + other[140:]
    one, two = (
        prepared(f"series:{written(tmp_path / name, values)}:window=8,relative={how}")
        for name, values, how in (("a.txt", WALK, "no"), ("b.txt", other, "no"))
    )
    assert np.array_equal(one.arrays("train")[0][""], two.arrays("train")[0][""])


def test_relative_windows_end_in_zero_and_give_the_target_back(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"series:{written(tmp_path / 'walk.txt')}:window=10,horizon=2,relative=yes")
    facts = data.manifest["facts"]["series"]
    inputs, targets = data.arrays("test")
    origins, series = data.kept("origins_test"), data.kept("series")[:, 0]
    assert not np.asarray(inputs[""])[:, -1].any()
    ahead = np.asarray(targets[""]) * facts["deviation"][0] + series[origins][:, None]
    assert ahead == pytest.approx(series[origins[:, None] + [1, 2]], rel=1e-5)
    assert np.asarray(data.arrays("train")[0][""]).std() == pytest.approx(1, abs=0.01)


def test_several_variables_and_one_to_forecast(tmp_path: Path, prepared: Callable) -> None:
    path = dated(tmp_path / "shop.csv", price=WALK, sales=WALK[::-1])
    data = prepared(f"series:{path}:window=5,target=sales")
    facts = data.manifest["facts"]["series"]
    assert (facts["columns"], facts["target"], facts["unit"], facts["season"]) == (
        ["price", "sales"],
        1,
        "day",
        7,
    )
    assert data.manifest["inputs"][""]["shape"] == [5, 2]
    alone = prepared(f"series:{path}:window=5,target=sales,columns=sales,season=30")
    assert alone.manifest["inputs"][""]["shape"] == [5, 1]
    assert alone.manifest["facts"]["series"]["season"] == 30


def test_end_leaves_out_what_comes_after(tmp_path: Path, prepared: Callable) -> None:
    path = written(tmp_path / "walk.txt")
    data = prepared(f"series:{path}:window=5,end=100")
    assert data.kept("series").shape == (100, 1)
    with pytest.raises(CrosstrainError, match="has 200 steps; end=300 is beyond them"):
        prepared(f"series:{path}:end=300")


# -- files ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("between", [" ", ",", ", ", "\n", ";", "\t", "\r\n"])
def test_numbers_are_separated_by_anything(tmp_path: Path, between: str) -> None:
    for name in ("a.txt", "a.csv"):
        file = read_numbers(written(tmp_path / name, WALK[:20], between))
        assert file.values[:, 0] == pytest.approx(WALK[:20], abs=1e-6)


def test_a_table_without_names_or_with_dates_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("2001-01-01,1\n2001-01-02,2\n2001-01-03,3\n")
    file = read_numbers(tmp_path / "a.csv")
    assert (file.names, file.values.tolist(), file.lines) == (("column2",), [[1], [2], [3]], [1, 2, 3])
    (tmp_path / "b.csv").write_text('"Month","Sales"\n"1-01",266\n"1-02",145.9\n')
    assert read_numbers(tmp_path / "b.csv").values.tolist() == [[266], [145.9]]


@pytest.mark.parametrize(
    ("dates", "unit", "season"),
    [
        (["2001-01-01", "2001-02-01", "2001-03-01", "2001-04-01"], "month", 12),
        (["1949-01", "1949-02", "1949-03", "1949-04"], "month", 12),
        (["2001-01-01 00:00", "2001-01-01 01:00", "2001-01-01 02:00"], "hour", 24),
        (["2001-01-31", "2001-02-07", "2001-02-14"], "week", 52),
        (["2001", "2002", "2003"], "year", 1),
        (["2024-01-01", "2024-01-02", "2024-01-03"], "day", 5),
        (["2024-01-05", "2024-01-06", "2024-01-07"], "day", 7),
        (["1-01", "1-02", "1-03"], "", 1),
        (["first", "second", "third"], "", 1),
    ],
)
def test_the_time_column_suggests_a_season(
    tmp_path: Path, prepared: Callable, dates: list[str], unit: str, season: int
) -> None:
    from crosstrain.data.sets.sequences.times import steps_of

    steps = steps_of(tmp_path / "x.csv", dates, range(2, 2 + len(dates)))
    assert (steps.unit, steps.season, tuple(steps.warnings)) == (unit, season, ())


def test_missing_days_are_told_with_their_lines(tmp_path: Path, prepared: Callable) -> None:
    path = dated(tmp_path / "a.csv", x=WALK)
    lines = path.read_text().splitlines()
    del lines[60], lines[30]
    path.write_text("\n".join(lines))
    (warning,) = prepared(f"series:{path}:window=5").warnings
    assert warning.startswith("times are missing before lines 31, 60, where a step is longer than one day")


# -- bad input --------------------------------------------------------------------------------------
def changed(path: Path, line: int, text: str) -> Path:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "text", "options", "sentence"),
    [
        (17, "2001-01-16,abc", "", r"line 17: 'abc' in column 'x' is not a number"),
        (17, "2001-01-16,inf", "", r"line 17: 'inf' in column 'x' is not a finite number"),
        (17, "2001-01-16,", "", r"1 value is missing \(line 17\); fill it in, or write gaps=interpolate"),
        (17, "2001-01-16,NaN", "", r"1 value is missing \(line 17\)"),
        (17, "2001-01-16,1,2", "", r"line 17 has 3 cells; the first line has 2"),
        (17, "2001-01-12,1", "", r"line 17: the time '2001-01-12' does not come after '2001-01-15'"),
        (2, "2001-01-01,1", ":target=y", r"has no column 'y' to forecast; it has x"),
        (2, "2001-01-01,1", ":columns=y", r"has no column 'y'; it has date, x"),
        (2, "2001-01-01,1", ":window=190", r"has 200 steps, too few for window=190 and horizon=1: no window"),
        (2, "2001-01-01,1", ":windw=19", r"no setting 'windw' in series:FILE.*did you mean window\?"),
        (2, "2001-01-01,1", ":window=0", r"window is a whole number of at least 1, not '0'"),
        (2, "2001-01-01,1", ":gaps=maybe", r"gaps is refuse or interpolate, not 'maybe'"),
        (2, "2001-01-01,1", ":relative=perhaps", r"relative is yes or no, not 'perhaps'"),
        (2, "2001-01-01,1", ":window=3,window=4", r"window is given twice"),
    ],
)
def test_what_is_no_series_is_one_sentence(
    tmp_path: Path, prepared: Callable, line: int, text: str, options: str, sentence: str
) -> None:
    path = changed(dated(tmp_path / "a.csv", x=WALK), line, text)
    with pytest.raises(CrosstrainError, match=sentence):
        prepared(f"series:{path}{options}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1\n2\n\n4\n" + "5\n" * 90, r"1 value is missing \(line 3\)"),
        ("1 2 3\n4 five 6\n", r"line 2: 'five' is not a number"),
        ("1,,3\n" + "5," * 90, r"1 value is missing \(line 1\)"),
        ("\n \n", r"is empty; it should have numbers"),
        ("1 2 3", r"has 3 steps, too few"),
    ],
)
def test_plain_files_that_are_no_series(
    tmp_path: Path, prepared: Callable, content: str, sentence: str
) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(CrosstrainError, match=sentence):
        prepared(f"series:{tmp_path / 'a.txt'}")


def test_several_variables_need_a_target(tmp_path: Path, prepared: Callable) -> None:
    path = dated(tmp_path / "a.csv", x=WALK, y=WALK)
    with pytest.raises(CrosstrainError, match=r"target 'y' has to be among the columns; write columns=x\+y"):
        prepared(f"series:{path}:target=y,columns=x")
    with pytest.raises(
        CrosstrainError, match=r"several variables \(x, y\); say which to forecast, as target=y"
    ):
        prepared(f"series:{path}")


def test_gaps_are_interpolated_on_request_and_told(tmp_path: Path, prepared: Callable) -> None:
    path = changed(dated(tmp_path / "a.csv", x=np.arange(200.0)), 17, "2001-01-16,")
    data = prepared(f"series:{path}:gaps=interpolate")
    assert data.kept("series")[:, 0] == pytest.approx(np.arange(200.0))
    assert data.warnings == ["1 value is missing (line 17); interpolated between their neighbours"]


def test_a_file_of_bytes_is_one_sentence(tmp_path: Path, prepared: Callable) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe1\x002\x00")
    with pytest.raises(CrosstrainError, match="is no text in UTF-8"):
        prepared(f"series:{tmp_path / 'a.txt'}")


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("1 2 x 4", "", "line 1: 'x' is not a number"),
        ("1 2 3", "", "has 3 steps, too few for window=20 and horizon=1"),
        ("a,b\n1,2\n", ":target=c", "has no column 'c' to forecast; it has a, b"),
        ("1,2", ":horizon=far", "horizon is a whole number of at least 1, not 'far'"),
    ],
)
def test_the_command_line_says_it_in_one_sentence(
    tmp_path: Path, text: str, options: str, sentence: str
) -> None:
    from typer.testing import CliRunner

    from crosstrain.cli import app

    (tmp_path / "a.csv").write_text(text)
    data = f"series:{tmp_path / 'a.csv'}{options}"
    done = CliRunner().invoke(
        app, ["compare", "gru", "--data", data, "--device", "cpu", "--out", str(tmp_path / "o")]
    )
    assert done.exit_code == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("crosstrain: ")]
    assert len(said) == 1
    assert sentence in said[0]
    assert "Traceback" not in done.stderr


def test_another_series_is_read_by_what_training_found(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"series:{written(tmp_path / 'a.txt')}:window=7,horizon=2,end=150")
    facts = data.manifest["facts"]
    other = written(tmp_path / "b.txt", WALK * 3 + 5)
    source = series.read(other, Request(fitted=facts))
    column = source.splits["train"].inputs[""]
    assert column.shape == (7, 1)
    assert isinstance(column, Values)
    scale = facts["series"]
    first = (WALK[:7] * 3 + 5 - scale["mean"][0]) / scale["deviation"][0]
    assert column.array[0, :, 0] == pytest.approx(first, abs=1e-5)
    two = dated(tmp_path / "c.csv", x=WALK, y=WALK)
    with pytest.raises(CrosstrainError, match="trained on 1 variables; here are 2"):
        series.read(two, Request(fitted=facts, options={"target": "x"}))

"""Two comparisons side by side, and a series of them, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosstrain.results.schema import ComparisonResult
from tests.advice.test_changed import run
from tests.reporting.test_formats import crosstrain, write_result
from tests.reporting.test_page import Page

DAYS = ("monday", "tuesday", "wednesday")


@pytest.fixture
def week(tmp_path: Path) -> list[Path]:
    """Three comparisons of one question; on Wednesday jax is 10 % slower. Named last first."""
    folders = []
    for number, day in enumerate(DAYS):
        result = run(number, 5, slower=1.1 if day == "wednesday" else 1.0)
        for each in result.cells:
            each.__pydantic_extra__ = {"finished": f"2026-01-0{number + 1}T12:00:00"}
        folders.append(write_result(tmp_path / day, result))
    return folders[::-1]


def test_history_orders_by_date_and_tells_the_slowdown(week: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "history.html"
    done = crosstrain("history", *week, "--out", page)
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert words.index("tuesday after monday") < words.index("wednesday after tuesday")
    after_tuesday = words.split("wednesday after tuesday")[1]
    assert "on jax: slower: 1." in after_tuesday
    assert "slower" not in words.split("tuesday after monday")[1].split("wednesday after tuesday")[0]
    spec = Page(page.read_text(encoding="utf-8")).data("chart-specs")["history-1"]
    drawn = [r for r in spec["datasets"]["rows"] if r["engine"] == "jax"]
    assert [(r["comparison"], r["change"], r["label"]) for r in drawn] == [
        ("monday", "none", ""), ("tuesday", "none", ""), ("wednesday", "slower", "jax"),
    ]  # fmt: skip


def test_report_says_in_the_terminal_what_changed(
    week: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = crosstrain("report", week[1], week[0])
    words = " ".join(done.stdout.split())
    assert "wednesday after tuesday Beyond noise, 1 finding changed" in words
    assert "net at 32 pixels on jax: slower: 1." in words
    markdown = crosstrain("report", week[1], week[0], "--format", "markdown").stdout
    assert "## wednesday after tuesday" in markdown
    assert "on jax: slower: 1." in markdown


def other_question(folder: Path) -> Path:
    result: ComparisonResult = run(1, 3, settings={"data": "mnist"})
    return write_result(folder, result)


@pytest.mark.parametrize("command", ["report", "history"])
def test_different_questions_are_one_sentence(command: str, tmp_path: Path) -> None:
    one = write_result(tmp_path / "one", run(0, 3, settings={"data": "digits"}))
    done = crosstrain(command, one, other_question(tmp_path / "other"))
    assert done.exit_code == 2
    assert done.stderr.strip() == (
        "crosstrain: one and other are comparisons of different questions: data is digits in the one and "
        "mnist in the other"
    )


def test_a_series_of_one_is_one_sentence(tmp_path: Path) -> None:
    done = crosstrain("history", write_result(tmp_path / "one", run(0, 3)))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "name two folders" in done.stderr
    assert "no comparison" in crosstrain("history", tmp_path, tmp_path / "one").stderr

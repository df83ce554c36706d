"""``crosstrain report``: the tables for papers hold the result's own numbers, and the command's manners."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from crosstrain.cli import app
from crosstrain.reporting.answer.text import answer
from crosstrain.reporting.command import command
from crosstrain.reporting.escaping import md
from crosstrain.reporting.terminal import text
from crosstrain.results.rows import rows
from crosstrain.results.schema import ComparisonResult
from tests.reporting.samples import cell, full, result, small


def crosstrain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def write_result(folder: Path, of: ComparisonResult) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(of.model_dump_json())
    return folder


def report_text(folder: Path, form: str) -> str:
    report = crosstrain("report", folder, "--format", form)
    assert report.exit_code == 0, report.output
    return report.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_result(tmp_path / "sample", small())


def test_a_card_says_what_was_trained_how_and_with_what_result(tmp_path: Path) -> None:
    of = full()
    text = report_text(write_result(tmp_path / "full", of), "card")
    sections = re.findall(r"^## (.*)$", text, re.M)
    assert sections[:3] == ["Intended use", "Training", "Results"]
    assert {"Proof", "Limits", "Again"} <= set(sections)
    assert "- optimizer: sgd (learning rate 0.01, momentum 0.9)" in text
    proof = text.split("## Proof")[1].split("##")[0]
    assert len(proof.strip().splitlines()) == 2 + len(of.certificates)
    for caveat in of.recommendation.caveats:
        assert md(caveat) in text
    assert f"```\n{command(of.settings)}\n```" in text


def test_markdown_has_a_table_for_each_size_and_quantity(folder: Path) -> None:
    report = report_text(folder, "markdown")
    assert re.findall(r"^### (\S+ \S+) .*size (\d+), device cpu$", report, re.M) == [
        ("Training time", "16"), ("Training time", "32"), ("Test accuracy", "16"), ("Test accuracy", "32"),
    ]  # fmt: skip
    by_key = {(r.network, r.input_size, r.engine): r for r in rows(small().cells)}
    time_32 = report.split("### ")[2].splitlines()
    assert time_32[2] == "| engine | lenet5 | resnet20 |"
    best = [text.interval(by_key[n, 32, "torch"].seconds) for n in ("lenet5", "resnet20")]
    assert time_32[4] == f"| torch | **{best[0]}** | **{best[1]}** |"
    other = [text.interval(by_key[n, 32, "jax@tuned"].seconds) for n in ("lenet5", "resnet20")]
    assert time_32[5] == f"| jax@tuned | {other[0]} | {other[1]} |"
    accuracy = report.split("### ")[3].splitlines()
    assert accuracy[4].count("**90.00 [") == 2
    assert accuracy[5].count(" =") == 2  # the same accuracy is a tie


def test_what_departs_is_never_the_best() -> None:
    from crosstrain.reporting.formats import markdown

    cells = [
        cell("net", 32, "torch", 2.0), cell("net", 32, "jax", 1.0, certificate="departs"),
        cell("net", 32, "mxnet", 0.5, division="open"),
        cell("net", 32, "paddle", 1, status="missing", epochs=[]),
    ]  # fmt: skip
    lines = {
        line.split(" | ")[0]: line for line in markdown({"": result(cells)}, {}).split("### ")[1].splitlines()
    }
    assert "**2.02" in lines["| torch"]
    assert "**" not in lines["| jax"]
    assert "✗" in lines["| jax"]
    assert "**" not in lines["| mxnet (open)"]
    assert lines["| paddle"] == "| paddle | missing |"


def test_csv_and_json_have_the_rows_in_full_precision(folder: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(report_text(folder, "csv"))))
    records = json.loads(report_text(folder, "json"))["rows"]
    expected = rows(small().cells)
    assert len(lines) == len(records) == len(expected) == 8
    for line, record, row in zip(lines, records, expected, strict=True):
        assert (line["network"], int(line["input_size"]), line["engine"]) == (
            row.network,
            row.input_size,
            row.engine,
        )
        assert row.seconds is not None
        assert float(line["seconds_per_epoch"]) == record["seconds_per_epoch"] == row.seconds.value
        assert float(line["seconds_per_epoch_high"]) == row.seconds.high
        assert float(line["test_accuracy"]) == record["test_accuracy"] == row.test_accuracy
        assert record["peak_memory_bytes"] == row.peak_memory_bytes
        assert line["ratio"] == ""


def test_csv_of_several_machines_has_their_ratio(folder: Path, tmp_path: Path) -> None:
    slower = [cell("lenet5", 16, "torch", 3.0, repeat=repeat) for repeat in range(3)]
    other = write_result(tmp_path / "other", result(slower))
    report = crosstrain("report", folder, other, "--format", "csv")
    line = next(x for x in csv.DictReader(io.StringIO(report.stdout)) if x["machine"] == "other")
    assert float(line["ratio"]) == pytest.approx(3 / 1.002, rel=1e-6)
    assert float(line["ratio_low"]) < float(line["ratio"]) < float(line["ratio_high"])


SPECIAL = {
    "a_b": r"a\_b", "50%": r"50\%", "a&b": r"a\&b", "$x^2": r"\$x\textasciicircum{}2",
    "c:\\d{e}": r"c:\textbackslash{}d\{e\}", "a~b#c": r"a\textasciitilde{}b\#c",
}  # fmt: skip


def test_latex_is_well_formed_whatever_the_names(tmp_path: Path) -> None:
    of = result([cell(name, 32, "torch", 1.0 + i) for i, name in enumerate(SPECIAL)])
    report = report_text(write_result(tmp_path / "names", of), "latex")
    for written in SPECIAL.values():
        assert f" {written} " in report
    body = report.split("\\begin{table}")[1]
    assert re.findall(r"\\(toprule|midrule|bottomrule)", body) == ["toprule", "midrule", "bottomrule"]
    assert "\\begin{tabular}{lrrrrrr}" in body
    plain = body.replace("\\&", "").replace("\\{", "").replace("\\}", "")
    for line in plain.splitlines():
        if line.endswith("\\\\"):
            assert line.count("&") == len(SPECIAL)
        assert line.count("{") == line.count("}")
    assert report.isascii()


def test_markup_and_formulas_in_names_are_text(tmp_path: Path) -> None:
    of = result([cell("<b>|`x`", 8, "torch", 1.0), cell("=HYPERLINK(1)", 8, "torch", 1.0)])
    place = write_result(tmp_path / "names", of)
    report = report_text(place, "markdown")
    assert "&lt;b&gt;\\|\\`x\\`" in report
    assert "<b>" not in report
    assert [line["network"] for line in csv.DictReader(io.StringIO(report_text(place, "csv")))][
        1
    ] == "'=HYPERLINK(1)"


def test_everything_that_a_result_can_hold_has_its_tables(tmp_path: Path) -> None:
    place = write_result(tmp_path / "full", full())
    tables: list[dict[str, Any]] = json.loads(report_text(place, "json"))["tables"]
    assert {t["input_size"] for t in tables} == {"16", "32"}
    time_32 = next(t for t in tables if t["input_size"] == "32")
    entry = time_32["engines"]["mxnet"][time_32["networks"].index("resnet20")]
    assert entry == {"shown": "crashed", "best": False, "tie": False, "mark": ""}
    of_answer = len(answer(full()).figures)
    assert report_text(place, "latex").count("\\begin{table}") == len(tables) + of_answer


def test_where_it_is_written_and_what_is_refused(folder: Path, tmp_path: Path) -> None:
    report = crosstrain("report", folder)
    assert report.stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").stat().st_size > 500_000
    out = tmp_path / "tables.tex"
    assert crosstrain("report", folder, "--format", "latex", "--out", out).stdout.strip() == str(out)
    assert out.read_text(encoding="utf-8") == report_text(folder, "latex")
    for wrong, sentence in (
        ([tmp_path], "holds no comparison"), ([folder, "--format", "xml"], "there is no format 'xml'"),
        ([folder, "--out", tmp_path / "no" / "file"], "name a file in an existing folder"),
    ):  # fmt: skip
        refused = crosstrain("report", *wrong)
        assert refused.exit_code == 2
        assert sentence in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert "\n    crosstrain report" in crosstrain("report", "--help").stdout

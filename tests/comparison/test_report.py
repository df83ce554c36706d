"""What people see: never wider than 100 columns, escaped in notebooks, plain lines without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from crosstrain.advice.recommendation import recommend
from crosstrain.comparison.plan import Cell
from crosstrain.comparison.progress.account import Account
from crosstrain.comparison.progress.remaining import Remaining
from crosstrain.data.prepared import unit_of
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.notebook import html
from crosstrain.reporting.page.summary import key_table
from crosstrain.reporting.page.view import View
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import console
from crosstrain.reporting.terminal.progress import Show
from crosstrain.reporting.terminal.tables import print_comparison, wall_line
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult, ComparisonResult, Wall
from tests.comparison.fakes import cell


def result(*cells: CellResult, folder: str = "out") -> ComparisonResult:
    return ComparisonResult(
        crosstrain="0", folder=folder, cells=list(cells), recommendation=recommend(rows(cells)),
        wall=Account().to_json(),
    )  # fmt: skip


def printed(of: ComparisonResult) -> list[str]:
    out = io.StringIO()
    print_comparison(of, console(out))
    return out.getvalue().splitlines()


def test_the_table_fits_100_columns_with_long_names_and_large_numbers() -> None:
    name = "some/very/long/path/of/a/users/network_definition_file.py:build_the_network"
    cells = [
        cell(
            engine, [12345.6, 12400.1, 12999.9], network=name, input_size=[1024, 2048], certificate=mark,
            peak_memory_bytes=2**40, compile_seconds=123456.0, test_accuracy=0.123456,
        )
        for engine, mark in (("tensorflow", "proved"), ("keras-on-torch", "departs"), ("jax", "none"))
    ]  # fmt: skip
    lines = printed(result(*cells))
    assert max(map(cell_len, lines)) <= 100
    assert any("12400" in line for line in lines)


def test_the_columns_that_were_promised_are_there() -> None:
    lines = printed(result(cell("torch"), cell("jax", [2.0, 2.1, 2.2])))
    for word in ("engine", "cert", "s/epoch", "images/s", "test acc", "memory", "compile"):
        assert word in lines[0]
    row = next(line for line in lines if "torch" in line)
    for figure in ("✓", "1.00 [0.98–1.02]", "1000", "95.00 %", "500 MiB", "2 s"):
        assert figure in row


@pytest.mark.parametrize(
    ("facts", "shape", "unit"),
    [
        ({"series": {}}, [20, 1], "windows"),
        ({"text": {}}, [100], "texts"),
        ({"table": {}}, [7], "rows"),
        ({"lines": {}}, [32, 100, 1], "images"),
        ({}, [32, 32, 3], "images"),
        ({}, [20, 3], "examples"),
    ],
)
def test_what_is_counted_is_called_what_it_is(facts: dict, shape: list[int], unit: str) -> None:
    """On the terminal, in a notebook and on the page."""
    of = result(cell("torch"), cell("jax", [2.0, 2.1, 2.2]))
    of = of.model_copy(update={"data": {"facts": facts, "inputs": {"": {"shape": shape}}}})
    assert f" {unit}/s" in printed(of)[0]
    assert f"<th>{unit}/s</th>" in html(of)
    columns = key_table(View(of, Path()).lines, unit_of(of.data)).columns
    assert f"{unit}/s" in columns
    assert "images_per_second" in of.model_dump()["cells"][0]["epochs"][0], "keys of the JSON stay"


def test_faults_and_few_samples_are_said() -> None:
    lines = "\n".join(
        printed(result(cell("torch", [1.0, 2.0]), cell("jax", [], status="crashed", error="it fell")))
    )
    assert "net at 32 on jax: crashed, it fell" in lines
    assert "1.50 (1.00–2.00)" in lines
    assert "fewer than 3 epochs" in lines


def test_markup_in_names_is_text() -> None:
    lines = printed(result(cell(network="[red]net[/red]")))
    assert any("[red]net[/red]" in line for line in lines)


def test_a_notebook_shows_text_as_text() -> None:
    html = Comparison(result(cell(network="<script>alert(1)</script>")))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr>") == 2


def test_the_data_frame_has_a_row_for_each_engine() -> None:
    frame = Comparison(result(cell("torch"), cell("jax"), cell("jax", repeat=1))).dataframe
    assert list(frame["engine"]) == ["torch", "jax"]
    assert frame.loc[0, "seconds_per_epoch"] == pytest.approx(1.0)
    assert frame.loc[0, "seconds_per_epoch_low"] <= 1.0 <= frame.loc[0, "seconds_per_epoch_high"]
    assert list(frame["cells"]) == [1, 2]


def test_a_comparison_is_read_back_or_refused(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="holds no comparison"):
        Comparison.load(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(CrosstrainError, match="damaged"):
        Comparison.load(tmp_path)
    (tmp_path / "result.json").write_text(result(cell()).model_dump_json())
    assert Comparison.load(tmp_path).cells[0].engine == "torch"


def test_own_cost_is_preparing_and_rest_proofs_apart() -> None:
    wall = Wall(total=200, training=90, compiling=3, importing=2, evaluating=1, proving=100, preparing=1)
    assert wall.rest == 3
    assert wall.own_share == pytest.approx(0.04)
    assert "4.0%" in wall_line(wall)


@given(st.floats(0, 1e9))
def test_times_are_short(value: float) -> None:
    assert len(text.seconds(value)) <= 14
    assert len(text.clock(value)) <= 14


CELL = Cell("net", 32, "torch", 0, 0, "net")
OTHER = Cell("net", 32, "jax", 0, 0, "net")


def test_time_left_from_its_own_pace_then_from_its_likes() -> None:
    remaining = Remaining([CELL, OTHER, Cell("net", 32, "torch", 0, 1, "net")])
    remaining.start(CELL, 0.0)
    assert remaining.of_cell(1.0) is None
    remaining.advance(0.25)
    assert remaining.of_cell(10.0) == pytest.approx(30.0)
    assert remaining.of_all(10.0) == pytest.approx(30.0 + 40.0 + 40.0)
    remaining.finish(CELL, 40.0)
    remaining.start(OTHER, 40.0)
    assert remaining.of_cell(50.0) == pytest.approx(30.0)
    remaining.advance(0.5)
    assert remaining.of_all(50.0) == pytest.approx(10.0 + 40.0)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_epoch_rate_accuracy_and_time_left(terminal: bool) -> None:
    out = io.StringIO()
    screen = Console(file=out, force_terminal=terminal, width=100, _environ={"TERM": "xterm-256color"})
    now = [0.0]
    with Show(screen, clock=lambda: now[0]) as show:
        show.stage("Preparing digits")
        show.begin([CELL, OTHER], [], 2)
        show.start(CELL)
        now[0] = 10.0
        epoch = {
            "event": "epoch",
            "epoch": 1,
            "train_seconds": 9.5,
            "images_per_second": 405.0,
            "unit": "windows",
            "train_loss": 0.5,
        }
        show.event(CELL, {**epoch, "validation_accuracy": 0.912})
        progress = {
            "event": "progress",
            "epoch": 2,
            "step": 1,
            "steps": 2,
            "images_per_second": 400.0,
            "unit": "windows",
            "loss": 0.4,
        }
        show.event(CELL, progress)
        show.event(CELL, {"event": "phase", "name": "evaluate"})
        show.event(CELL, {"event": "something new"})
        if terminal:
            assert show._bars is not None
            show.event(CELL, progress)
            show._bars.progress.refresh()
        show.finish(CELL, cell())
    shown = out.getvalue()
    assert "net at 32 on torch" in shown
    assert "91.20 %" in shown
    assert "left" in shown
    assert ("405 windows/s" in shown) or ("400 windows/s" in shown)


def test_a_compile_time_is_that_of_the_cells_that_compiled() -> None:
    first, again = cell(compile_seconds=60.0), cell(compile_seconds=2.0, compilations_reused=3, repeat=1)
    (row,) = rows([first, again])
    assert (row.compile_seconds, row.compiled_before) == (60.0, False)
    (row,) = rows([again])
    assert (row.compile_seconds, row.compiled_before) == (2.0, True)
    again_alone, both = ("\n".join(printed(result(*cells))) for cells in ([again], [first, again]))
    assert "reading what an earlier run had compiled" in " ".join(again_alone.split())
    assert "(2 s)" in again_alone
    assert "reading what" not in both
    assert "60 s" in both
    assert "(60 s)" not in both

"""The page of a comparison: whole, self-contained, true to the result, and deaf to markup in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import crosstrain
from crosstrain.cli import app
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.command import arguments, command
from crosstrain.reporting.page import render, render_inference, write_page
from crosstrain.reporting.page.machines import page_title
from crosstrain.reporting.page.scripts import PALETTES
from crosstrain.results.inference import InferenceCell, InferenceResult
from crosstrain.results.inference import recommend as recommend_served
from crosstrain.results.schema import ComparisonResult
from crosstrain.training import spelling
from tests.comparison.conftest import defined, quick_definitions
from tests.comparison.fakes import Prover, Workers, prover, workers
from tests.reporting.samples import EVIL, cell, full, result, settings, small

__all__ = ["defined", "prover", "quick_definitions", "workers"]

SECTIONS = [
    "summary", "results", "certificates", "charts", "stability", "criteria", "search", "settings", "machine",
    "data", "repeat", "notes",
]  # fmt: skip
CHARTS = {
    "time-by-size", "time-by-network", "time-by-depth", "accuracy-by-time", "learning-by-epoch",
    "learning-by-seconds", "loss-by-epoch", "loss-by-seconds", "latency", "latency-distribution", "memory",
    "tuning", "search-learning-rate", "search-optimizer", "where-time-went",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, text, scripts apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = self.scripts[-1][0], self.scripts[-1][1] + data
        elif self._inside != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def data(self, identity: str) -> Any:
        return next(json.loads(text) for attributes, text in self.scripts if attributes.get("id") == identity)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(full(), Path("runs/sample")))


def test_every_section_and_chart_is_there_in_order(page: Page) -> None:
    assert [each["id"] for each in page.all("section")] == SECTIONS
    specs = page.data("chart-specs")
    assert set(specs) == CHARTS
    assert {figure["data-chart"] for figure in page.all("figure")} == CHARTS
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_shows_what_the_result_holds(page: Page) -> None:
    for words in (
        "Take torch with lenet5 at 16", "crashed", "it fell", "cannot be proved", "batch_norm",
        "[1, 2.5, …], norm 3.25",
        "the random split leaks", "0123abcd", "0.770 [0.693–0.847]", "No counter".lower(), "a note", "31.0 %",
        "1.25 [1.12–1.38] times the time", "2 of 3", "no, ±2.0e-07", "3 trials on torch", "0.001235",
        "0.9234 best 13 s", "diverged: the loss was nan",
    ):  # fmt: skip
        assert words in page.words, words
    rows = page.data("chart-specs")["time-by-network"]["datasets"]["rows"]
    torch = next(
        row for row in rows if (row["network"], row["size"], row["engine"]) == ("lenet5", "16", "torch")
    )
    assert torch["seconds"] == pytest.approx(1.012, abs=0.005)
    assert "mxnet" not in {row["engine"] for row in rows}
    growth = page.data("chart-specs")["time-by-size"]["datasets"]["growth"]
    # Over all pixels the exponent is 0.5, so that twice the side takes twice the time.
    assert [point["pixels"] for point in growth] == [16.0, 32.0]
    assert growth[1]["seconds"] / growth[0]["seconds"] == pytest.approx(2.0)


def test_empty_sections_are_left_out_and_an_unfinished_result_says_so() -> None:
    failed = cell("net", 8, "torch", 1.0, status="failed", error="no memory", epochs=[], certificate="none")
    page = Page(render(result([failed]), Path("nowhere")))
    assert [each["id"] for each in page.all("section")] == ["summary", "results", "certificates", "notes"]
    assert "No recommendation can be given." in page.words
    assert "net at 8 on torch: failed, no memory" in page.words
    one = Page(render(result([cell("net", None, "torch", 0.0)]), Path("nowhere")))
    assert "time-by-size" not in one.data("chart-specs")


def test_it_needs_no_network_and_runs_no_other_script(page: Page) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    rules = (
        next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy") or ""
    )
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in rules
    running = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    for text in running:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in rules
    assert len(running) == rules.count("sha256-") == 2


def test_markup_in_a_result_stays_text() -> None:
    html = render(full(EVIL), Path("runs/sample"))
    harmless, hurt = Page(render(full(), Path("runs/sample"))), Page(html)
    assert "<img src=x" not in html
    assert hurt.scripts[0][1].count("hurt") > 20  # it is in the charts' data, where it is an escape
    assert [tag for tag, _ in hurt.elements] == [tag for tag, _ in harmless.elements]
    assert len(hurt.scripts) == len(harmless.scripts)
    names = {row["network"] for row in hurt.data("chart-specs")["memory"]["datasets"]["rows"]}
    assert f"net{EVIL}" in names
    assert EVIL.split("'")[0] in hurt.words


def test_the_page_of_a_hundred_rows_stays_small() -> None:
    many = result(
        [
            cell(f"net{n}", size, f"engine{e}", 1.0 + e)
            for n in range(5)
            for size in (16, 32)
            for e in range(10)
        ]
    )
    html = render(many, Path("nowhere"))
    assert "engine9" in html
    assert len(html) < 2_000_000


def test_the_page_is_written_beside_the_result(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="holds no comparison"):
        write_page(tmp_path)
    (tmp_path / "result.json").write_text(small().model_dump_json())
    assert write_page(tmp_path).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "report.html"}


def test_several_machines_stand_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = small().cells
    for epoch in (epoch for each in slow for epoch in each.epochs):
        epoch.train_seconds *= 2
    for name, each in {"fast": small(), "slow": result(slow)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(each.model_dump_json())
    monkeypatch.chdir(tmp_path)
    report = crosstrain.report(["fast", "slow"])
    assert report.path == Path("report.html")
    page = Page(report.path.read_text(encoding="utf-8"))
    rows = page.data("chart-specs")["time-by-machine"]["datasets"]["rows"]
    assert {row["machine"] for row in rows} == {"fast", "slow"}
    assert page.words.count("slower: 2.00 [") == 8
    assert "Beyond noise, 8 findings changed" in page.words
    assert "], a tie" not in page.words


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({}, "One comparison, several runs"),
        ({"machine": {"processor": "another"}}, "One comparison, several machines"),
        ({"crosstrain": "2"}, "One comparison, several versions"),
        ({"machine": {"cores": 64}, "crosstrain": "2"}, "One comparison, several machines and versions"),
    ],
)
def test_several_comparisons_are_called_after_what_differs(change: dict[str, Any], title: str) -> None:
    assert page_title([small(), small().model_copy(update=change)]) == title


def test_comparisons_of_several_days() -> None:
    days = [small().cells for _ in range(2)]
    for number, cells in enumerate(days):
        for each in cells:
            each.__pydantic_extra__["finished"] = f"2026-11-0{number + 1}T12:00:00"  # type: ignore[index]
    assert page_title([result(cells) for cells in days]) == "One comparison, several days"


def test_palettes_stand_out_from_their_background() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for theme, background in (("light", "#ffffff"), ("dark", "#14171a")):
        assert len(set(PALETTES[theme])) == len(PALETTES[theme]) >= 12
        for colour in PALETTES[theme]:
            low, high = sorted((light(colour), light(background)))
            assert (high + 0.05) / (low + 0.05) >= 3, (theme, colour)


# -- the command that repeats it ------------------------------------------------------------------
HARD: tuple[dict[str, Any], ...] = (
    {},
    {"optimizer": "sgd:nesterov=true", "learning_rate": 0.1, "momentum": 0.0},
    {"optimizer": "sgd:nesterov=true", "momentum": 0.9, "weight_decay": 5e-4},
    {"optimizer": "adam:beta_1=0.8", "schedule": "step:boundaries=[500,900],factors=[0.1,0.01]", "epochs": 7},
    {"loss": {"": "huber:delta=2:weight=1".replace(":weight=1", ",weight=0.5")}, "precision": "float64"},
    {"seed": 3, "seeds": 2, "kernel_initializer": "random_normal:stddev=0.01"},
    {"options": {"torch": {"compile": "default", "channels_last": True}}, "seeds": 3, "repeats": 4},
    {
        "budget": "20m",
        "repeats_until": "2%",
        "tuned": True,
        "prepare": "clahe,standardize",
        "split": "random",
        "limit": 30,
    },
    {"proof": False, "device": "cuda:0", "threads": 1, "batch_size": 32, "sizes": None, "twins": 3},
)


@pytest.mark.parametrize("options", HARD)
def test_the_command_leads_to_the_same_settings(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = settings(**options)
    words = shlex.split(command(wanted))
    assert words == arguments(wanted)
    assert words[:2] == ["crosstrain", "compare"]
    heard: dict[str, Any] = {}

    def listen(networks: Any, data: str, **rest: Any) -> None:
        from crosstrain.comparison.settings import settings as made

        rest.pop("out")
        heard.update(made(networks, data, **rest).identity())
        raise CrosstrainError("heard enough")

    monkeypatch.setattr("crosstrain.api.compare", listen)
    outcome = CliRunner().invoke(app, words[1:])
    assert "heard enough" in outcome.stderr
    assert json.loads(json.dumps(heard)) == json.loads(json.dumps(wanted))


def test_the_command_quotes_for_the_shell() -> None:
    wanted = {**settings(), "data": "folder:my $(rm -rf) 'photos'", "networks": ["a b.py:build"]}
    line = command(wanted)
    assert shlex.split(line)[2:5] == ["a b.py:build", "--data", "folder:my $(rm -rf) 'photos'"]
    assert spelling.items("a,b") == ["a", "b"]


def test_the_command_names_the_device_and_classical_estimators() -> None:
    wanted = {**settings(device="cpu"), "networks": ["mlp"], "classical": ["classic:LVQ:version=3"]}
    words = arguments(wanted)
    assert words[2] == "mlp,classic:LVQ:version=3"
    assert words[words.index("--device") + 1] == "cpu"


def test_a_live_page_may_ask_its_own_server() -> None:
    running: ComparisonResult = small().model_copy(update={"running": True})
    html = render(running, Path("nowhere"), live=True)
    assert "connect-src &#x27;self&#x27;" in html
    assert "connect-src" not in render(small(), Path("nowhere"))


# -- at inference, and where pages come from ------------------------------------------------------
def served(evil: str = "") -> InferenceResult:
    cells = [
        InferenceCell(
            id=f"net-{engine}-{repeat}", network=f"net{evil}", engine=engine, input_size=32, repeat=repeat,
            status="done", latencies=[seconds * (1 + 0.01 * k) for k in range(20)],
            throughput={"1": [1 / seconds], "8": [2 / seconds]}, test_accuracy=0.9, test_examples=100,
            output_error=1e-6, classes_differ=0, file_bytes=2**20, import_seconds=0.5,
        )
        for engine, seconds in (("torch", 0.004), ("openvino", 0.001)) for repeat in range(3)
    ]  # fmt: skip
    cells.append(
        InferenceCell(id="x", network=f"net{evil}", engine="jax", status="failed", error=f"fell{evil}")
    )
    return InferenceResult(
        crosstrain="0.1.0", folder="runs/served", cells=cells, recommendation=recommend_served(cells),
        settings={"subjects": [f"net{evil}"], "data": "digits", "engines": ["torch", "openvino"], "size": 32,
                  "batch_sizes": [1, 8], "repeats": 3, "device": "cpu", "threads": 2,
                  "options": {"torch": {"compile": "default"}}},
        notes=[f"a note{evil}"],
    )  # fmt: skip


def test_a_comparison_at_inference_has_its_page(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(served().model_dump_json())
    page = Page(write_page(tmp_path).read_text(encoding="utf-8"))
    assert [each["id"] for each in page.all("section")] == [
        "summary", "results", "charts", "settings", "repeat", "notes",
    ]  # fmt: skip
    assert set(page.data("chart-specs")) == {"latency", "latency-distribution", "throughput"}
    assert "Take openvino for net" in page.words
    assert "--task inference" in page.words
    assert "net on jax: failed, fell" in page.words
    middle = [r for r in page.data("chart-specs")["latency"]["datasets"]["rows"] if r["share"] == "p50"]
    assert {r["engine"]: r["milliseconds"] for r in middle}["openvino"] == pytest.approx(1.095)
    evil = render_inference(served(EVIL))
    assert [tag for tag, _ in Page(evil).elements] == [tag for tag, _ in page.elements]
    with pytest.raises(CrosstrainError, match="at inference"):
        crosstrain.report(tmp_path, form="csv")


def test_a_search_is_drawn_by_what_was_searched(page: Page) -> None:
    """Numbers on an axis of their own, logarithmic where they span a factor of ten; words beside each other;
    what has no score is not drawn, and said."""
    specs = page.data("chart-specs")
    rate, optimizer = specs["search-learning-rate"], specs["search-optimizer"]
    assert rate["datasets"]["rows"] == [
        {"trial": 1, "value": 0.00123456, "score": 0.71, "best": "other"},
        {"trial": 2, "value": 0.01, "score": 0.9234, "best": "best"},
    ]
    assert rate["layer"][0]["encoding"]["x"]["type"] == "quantitative"
    assert optimizer["layer"][0]["encoding"]["x"]["type"] == "nominal"
    assert "1 without a score is not drawn" in page.words
    assert "search" not in {each["id"] for each in Page(render(small(), Path("runs/sample"))).all("section")}


@pytest.mark.parametrize("key", ["validation_map_50", "validation_rois/map_50"])
def test_curves_are_drawn_of_what_a_training_is_judged_by(key: str) -> None:
    """Whether the network has one output, or several, of which one is judged so."""
    values = [0.1, 0.4]
    epochs = [{"train_seconds": 1.0, "images_per_second": 9.0, key: value} for value in values]
    cells = [cell("net", 32, "torch", 1.0, epochs=epochs)]
    page = Page(render(result(cells, settings=settings()), Path("runs/sample")))
    drawn = page.data("chart-specs")["learning-by-epoch"]["datasets"]["rows"]
    assert [row["value"] for row in drawn] == values
    assert "Validation mAP@0.5" in page.words


def test_compare_writes_the_page_at_its_end(
    tmp_path: Path, workers: Workers, prover: Prover, quick_definitions: None, defined: Any
) -> None:
    comparison = crosstrain.compare(
        "mlp", "digits", engines="torch,jax", sizes=8, epochs=2, out=tmp_path / "run", progress=False
    )
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert comparison.recommendation.headline in page.words
    assert " ".join(comparison.recommendation.why) in page.words
    assert "mlp on digits" in page.words
    assert comparison.report() == tmp_path / "run" / "report.html"

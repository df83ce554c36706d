"""Sources side by side: the same parts at the same height, nothing lost, efforts and what each asks for."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crosstrain.cli import app
from crosstrain.reporting.network.beside import page
from crosstrain.source.beside import Beside, beside
from crosstrain.source.generate import TARGETS, code_lines, target_of
from crosstrain.source.network import Source
from crosstrain.source.target import QUESTIONS
from tests.source.conftest import Subjects
from tests.source.test_source import written


def together(subject: Subjects, name: str, *targets: str) -> Beside:
    texts = [written(subject(name), target).text for target in targets]
    return beside([Source(name, t, text, code_lines(text)) for t, text in zip(targets, texts, strict=True)])


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "branched"])
def test_every_line_of_every_source_is_in_its_column(name: str, subject: Subjects) -> None:
    result = together(subject, name, *TARGETS)
    for column, source in enumerate(result.sources):
        shown = [line for block in result.blocks for line in (block.texts[column] or "").splitlines()]
        head = {"import", "from", "if", '"""'}
        left_out = [line for line in source.text.splitlines() if line and line not in shown]
        assert all(line.split()[0] in head or line[0] != " " or line == "    main()" for line in left_out)
        effort = result.efforts[column]
        assert effort.network_lines + effort.training_lines <= source.lines
        assert min(vars(effort).values()) > 0


def test_what_does_the_same_stands_at_the_same_height(subject: Subjects) -> None:
    result = together(subject, "resnet20", "torch", "jax", "keras")
    heads = {
        tuple(text and text.split("(")[0].splitlines()[-1] for text in block.texts) for block in result.blocks
    }
    assert ("class Block", "def block", "def block") in heads
    assert ("class ResNet20", "def forward", "def build") in heads
    assert ("def batches", "def batches", "def batches") in heads
    assert [block.part for block in result.blocks][-1] == "helpers"


def test_names_are_those_of_the_framework(subject: Subjects) -> None:
    """LeNet-5 in PyTorch, counted by hand: nn.Module, nn.Conv2d, nn.Linear, F.avg_pool2d, torch.tanh and
    F.cross_entropy."""
    (effort, _) = together(subject, "lenet5", "torch", "jax").efforts
    assert effort.network_names == 6


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_answers_every_question(target: str) -> None:
    assert tuple(target_of(target).asks) == QUESTIONS


def test_the_page_escapes_and_keeps_the_source(subject: Subjects) -> None:
    class Code(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.texts: list[str] = []
            self.inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "pre":
                self.inside = True
                self.texts.append("")

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag != "pre"

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.texts[-1] += data

    result = together(subject, "resnet20", "torch", "flax")
    reader = Code()
    reader.feed(page(result))
    expected = [text for block in result.blocks for text in block.texts if text]
    assert [text.rstrip("\n") for text in reader.texts] == expected
    assert "<b>" not in page(beside([Source("<b>", s.engine, s.text, s.lines) for s in result.sources]))


def test_the_command_writes_page_columns_and_json(tmp_path: Path) -> None:
    command = ["code", "lenet5", "--engine", "torch, keras", "--side-by-side", "--no-check"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "both.html"), "--json", "-"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert [each["engine"] for each in data["sources"]] == ["torch", "keras"]
    assert {len(block["texts"]) for block in data["blocks"]} == {2}
    assert "LeNet5" in (tmp_path / "both.html").read_text()
    shown = CliRunner().invoke(app, command)
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "one global generator" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("engines", "more", "why"),
    [
        ("torch", [], "2 to 4 different engines"),
        ("torch,torch", [], "2 to 4 different engines"),
        ("torch,caffe", [], "no target 'caffe'"),
        ("torch,jax", ["--format", "notebook"], "leave --format and --requirements out"),
    ],
)
def test_what_cannot_be_set_side_by_side(engines: str, more: list[str], why: str) -> None:
    command = ["code", "lenet5", "--engine", engines, "--side-by-side", "--no-check", *more]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert why in " ".join(done.stderr.split())

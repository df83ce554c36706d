"""``crosstrain classic demo``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from crosstrain.classic.demos import DEMOS
from crosstrain.cli import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["classic", "demo", *arguments])


def test_without_a_name_all_are_listed(run) -> None:
    result = run()
    assert result.exit_code == 0
    for name, demo in DEMOS.items():
        assert f"{name} " in result.stdout
        assert demo.what in result.stdout


@pytest.mark.parametrize("name", DEMOS)
def test_every_demo_draws_a_picture(run, name: str) -> None:
    result = run(name, "--json", "result.json")
    assert result.exit_code == 0, result.output
    answer = json.loads(Path("result.json").read_text())
    assert answer["result"] in result.stdout
    files = [Path(file) for file in answer["files"]]
    assert files == [Path(f"{name}{form}") for form in (".png", ".gif") if form in DEMOS[name].forms]
    image = cv2.imread(str(files[0]))
    assert image is not None
    assert image.std() > 5
    if len(files) == 2:
        read, animation = cv2.imreadanimation(str(files[1]))
        assert read
        assert len(animation.frames) > 3


def test_the_file_s_suffix_says_how(run) -> None:
    assert run("hopfield", "--out", "letter.svg").exit_code == 0
    assert Path("letter.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("hopfeld",), "there is no demo 'hopfeld'; there are perceptron"),
        (("tsp", "--out", "tour.gif"), "the demo tsp is drawn in files that end in .png, .svg, .html"),
        (("tsp", "--out", "nowhere/tour.png"), "cannot write nowhere/tour.png: name a file in an existing"),
        (("--out", "tour.png"), "--out needs the name of a demo"),
    ],
)
def test_wrong_use(run, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert not list(Path.cwd().iterdir())

"""``crosstrain networks``: the list and its filters, one network's layers and drawing."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import pytest

import crosstrain as public
from crosstrain import zoo
from tests.cli.test_commands import crosstrain, own_folder, refused

__all__ = ["own_folder"]


def listed(*arguments: str) -> list[str]:
    result = crosstrain("networks", *arguments, "--json", "-")
    assert result.exit_code == 0, result.output
    return [row["name"] for row in json.loads(result.stdout)["networks"]]


def test_all_are_listed_with_what_the_catalogue_says() -> None:
    assert listed() == list(zoo.networks())
    (row,) = json.loads(crosstrain("networks", "--year", "1998", "--json", "-").stdout)["networks"][1:]
    expected = {"name": "lenet5", "task": "image-classification", "year": 1998, "parameters": 61_706,
                "macs": 416_520, "input_shape": [32, 32, 1]}  # fmt: skip
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        (["--year", "2015"], lambda row: row.year == 2015),
        (["--year", "2014-2015"], lambda row: 2014 <= row.year <= 2015),
        (["--year", "2019-"], lambda row: row.year >= 2019),
        (["--year", "-2011"], lambda row: row.year <= 2011),
        (["--max-parameters", "300k"], lambda row: row.parameters <= 300_000),
        (["--max-parameters", "5.5M"], lambda row: row.parameters <= 5_500_000),
        (["--task", "image-classification"], lambda row: row.task == "image-classification"),
        (["--year", "2015", "--max-parameters", "1M"], lambda r: r.year == 2015 and r.parameters <= 10**6),
    ],
)  # fmt: skip
def test_filters(arguments: list[str], holds: object) -> None:
    names = [name for name, row in zoo.networks().items() if holds(row)]  # type: ignore[operator]
    assert listed(*arguments) == names
    assert names


def test_a_filter_that_nothing_passes_lists_nothing() -> None:
    assert listed("--year", "1900") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "juggling"], "no network has the task 'juggling'; there are captioning"),
        (["--year", "MMXV"], "'MMXV' is no year; write 2015"),
        (["--max-parameters", "many"], "'many' is no number of parameters; write 5000000, 5M or 300k"),
        (["lenet5", "--year", "1998"], "--year chooses from the list"),
        (["--draw", "a.svg"], "--draw draws one network"),
        (["lenet5", "--draw", "a.pdf"], "name a file that ends in .svg or .png"),
        (["lenet5", "--draw", "nowhere/a.svg"], "existing folder"),
        (["lenet5,mlp"], "one network can be described at a time, not 2"),
        (["lenet6"], "did you mean lenet5"),
        (["lenet5:depth=3"], "lenet5 has no argument 'depth'; it has width"),
    ],
)
def test_wrong_use(arguments: list[str], sentence: str) -> None:
    assert sentence in refused(crosstrain("networks", *arguments))


def test_one_network_is_shown_and_drawn(tmp_path: Path) -> None:
    result = crosstrain("networks", "resnet20", "--draw", "drawing.svg", "--json", "network.json")
    assert result.exit_code == 0, result.output
    assert "resnet20: 269,722 parameters, 40,551,040 MACs" in result.stdout
    assert "×3" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert Path("drawing.svg").read_text().startswith("<svg")
    data = json.loads(Path("network.json").read_text())
    assert data["catalogue"]["year"] == 2015
    assert sum(layer["parameters"] for layer in data["layers"]) == 269_722


def test_a_network_of_one_s_own_is_described() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu", name="only")])
    described = public.describe_network(model)
    assert described.row is None
    assert [(layer.title, layer.output) for layer in described.outline.layers] == [
        ("Input", (4,)), ("Dense 3 · ReLU", (3,)),
    ]  # fmt: skip

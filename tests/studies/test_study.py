"""Studies: plans that are checked key by key, run part by part, and set beside what was published."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import crosstrain
from crosstrain.cli import app
from crosstrain.comparison.settings import Settings, settings
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.command import command
from crosstrain.reporting.comparison import Comparison
from crosstrain.results.schema import ComparisonResult, Recommendation
from crosstrain.studies import plan as plans
from crosstrain.studies import run as studying
from crosstrain.studies.original import replications
from tests.comparison.fakes import Workers

PLAN = """
title = "Mine"
question = "Which?"
[data]
default = "digits"
[recipe]
learning_rate = 0.05
[[parts]]
name = "cpu"
engines = ["torch", "jax", "theano"]
[[parts]]
name = "gpu"
device = "gpu"
engines = ["torch"]
[scales.small]
networks = ["mlp@8+16", "lenet5@8"]
epochs = 2
parts = ["cpu"]
[scales.full]
networks = ["mlp@8"]
epochs = 3
"""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, arguments)])


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan of the user's, in a folder of its own, where theano alone is not installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studying, "find", lambda row: None if row.name == "theano" else object())
    monkeypatch.setattr(studying, "describe", lambda row, here: {"devices": ["cpu"]})
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    return path


# -- networks with sizes of their own -----------------------------------------------------------------
def test_networks_may_have_sizes_of_their_own() -> None:
    request = settings("idsia@48,resnet20@32+48,lenet5", "digits", engines=["torch"], sizes=[28])
    assert request.networks == ("idsia", "resnet20", "lenet5")
    assert request.subjects() == [("idsia", 48), ("resnet20", 32), ("resnet20", 48), ("lenet5", 28)]
    assert " idsia@48,resnet20@32+48,lenet5@28 " in command(request.identity())
    plain = settings("idsia,lenet5", "digits", engines=["torch"], sizes=[28, 32])
    assert plain.subjects() == [("idsia", 28), ("idsia", 32), ("lenet5", 28), ("lenet5", 32)]
    assert "pairs" not in plain.identity()
    with pytest.raises(CrosstrainError, match="less than one pixel"):
        settings("idsia@0", "digits", engines=["torch"])


def test_what_is_preferred_is_no_part_of_what_a_comparison_is() -> None:
    one, other = (settings("mlp", "digits", engines=["torch"], prefer=p) for p in ("time", "memory=2,time"))
    assert one.identity() == other.identity()
    assert one.default_folder == other.default_folder
    with pytest.raises(CrosstrainError, match="there is no criterion 'speed'"):
        settings("mlp", "digits", engines=["torch"], prefer="speed")
    with pytest.raises(CrosstrainError, match="latency is measured only with --criteria"):
        settings("mlp", "digits", engines=["torch"], prefer="latency")


def test_what_is_required_is_no_part_of_what_a_comparison_is() -> None:
    one, other = (settings("mlp", "digits", engines=["torch"], require=r) for r in ("time<=2m", "memory<=2G"))
    assert one.identity() == other.identity()
    for wrong, sentence in (
        ("fps>=25", "fps is measured only with --criteria"),
        ("speed>=3", "'speed' cannot be required; fps, latency"),
        ("time=3", "'time=3' is no requirement; write fps>=25"),
        ("accuracy>=most", "the limit of accuracy is 'most', which is no number"),
        ("time<=", "is no requirement"),
    ):
        with pytest.raises(CrosstrainError, match=sentence):
            settings("mlp", "digits", engines=["torch"], require=wrong)


# -- plans ----------------------------------------------------------------------------------------------
def test_the_plans_that_come_with_crosstrain_can_be_read_and_run() -> None:
    names = [row["name"] for row in json.loads(invoke("--list", "--json", "-").stdout)]
    assert {"traffic-signs", "digits"} <= set(names)
    for name in names:
        shown = invoke(name, "--show").stdout
        assert tomllib.loads(shown) == tomllib.loads(plans.find(name).read_text())
        read = plans.read(plans.find(name))
        for scale in read.scales.values():
            for part in read.parts_of(scale):
                settings(part.networks or scale.networks, "digits", engines=["torch"], budget=scale.budget)


def test_the_plan_of_the_traffic_signs_is_the_published_one() -> None:
    read = plans.read(plans.find("traffic-signs"))
    assert (read.recipe.optimizer, read.recipe.learning_rate, read.recipe.momentum) == ("sgd", 0.01, 0.9)
    assert read.recipe.batch_size == 64
    assert read.scales["full"].epochs == 25
    assert read.scales["full"].split == "random"
    assert "clahe" in read.data.prepare
    factors = [round(change.factor, 1) for change in read.published.changes if change.what == "tuning"]
    assert (min(factors), max(factors)) == (1.4, 1.9)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("epochs = 2", "epoch = 2", "scales.small.epoch: there is no such key"),
        ("epochs = 2", "epochs = 0", "small.epochs: input should be greater than or equal to 1, not 0"),
        (
            "epochs = 2",
            'budget = "soon"',
            "scales.small.budget: 'soon' is not a time; write 90s, 10m or 1.5h",
        ),
        ('title = "Mine"', "", "title: is missing"),
        ("epochs = 2", "limit = 0", "small.limit: input should be greater than or equal to 1, not 0"),
        ('parts = ["cpu"]', 'parts = ["tpu"]', "scales.small.parts names 'tpu'; there are cpu, gpu"),
        ('name = "gpu"', 'name = "cpu"', "two parts are called cpu"),
        ('name = "gpu"', 'name = "../gpu"', "parts.2.name: string should match pattern"),
        ('"mlp@8+16"', '"mlp@0"', "scales.small.networks: mlp@0 has an input size of 0, which is less than"),
        ("[recipe]", 'prefer = "speed"\n[recipe]', "data.prefer: there is no such key"),
        ("[data]", 'prefer = "speed"\n[data]', "prefer: there is no criterion 'speed'"),
        ("[recipe]", "[recipe", "is not valid TOML"),
        ("0.05", "-1", "recipe.learning_rate: input should be greater than 0, not -1"),
        ('"mlp@8+16"', '"resnet99"', "(scale small, part cpu): there is no network 'resnet99' in the zoo"),
        ('"theano"', '"caffe"', "part cpu: there is no engine 'caffe'"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_refused_with_its_file_and_key(plan: Path, old: str, new: str, sentence: str) -> None:
    assert old in PLAN
    plan.write_text(PLAN.replace(old, new, 1))
    result = invoke("mine.toml")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("crosstrain: mine.toml")
    assert sentence in line
    assert sorted(p.name for p in plan.parent.iterdir()) == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "there is no study 'nonsense'; there are digits, traffic-signs, or give your own"),
        (["missing.toml"], "there is no file missing.toml"),
        (["mine.toml", "--scale", "huge"], "the study has no scale 'huge'; it has small, full"),
        (["traffic-signs"], "name the data of the study with --data: gtsrb:DIR-or-zip"),
        (["mine.toml", "--engines", "caffe"], "there is no engine 'caffe'"),
        ([], "name a study"),
    ],
)
def test_wrong_use_is_one_sentence(plan: Path, arguments: list[str], sentence: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


# -- running --------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("quick_definitions", "prover")
def test_a_study_of_ones_own(plan: Path, workers: Workers, tmp_path: Path) -> None:
    result = invoke("mine.toml", "--out", "out", "--json", "out.json")
    assert result.exit_code == 0, result.output
    assert workers.cells == [
        f"{network}-{engine}-s0-r0"
        for network in ("mlp-8", "mlp-16", "lenet5-8")
        for engine in ("torch", "jax")
    ]
    assert {job["recipe"]["optimizer"]["learning_rate"] for job in workers.jobs} == {0.05}
    assert "Theano is not installed" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "8 px, s/epoch [95 %]" in result.stdout
    document = json.loads((tmp_path / "out.json").read_text())
    assert document == json.loads((tmp_path / "out" / "study.json").read_text())
    assert [(part["name"], part["skipped"]) for part in document["parts"]] == [("cpu", None)]
    assert document["parts"][0]["result"]["front"]
    assert (tmp_path / "out" / "study.toml").read_text() == PLAN
    assert "</html>" in (tmp_path / "out" / "report.html").read_text()
    assert Comparison.load(tmp_path / "out").ok
    before = list(workers.cells)
    assert invoke("mine.toml", "--out", "out", "--prefer", "memory").exit_code == 0
    assert workers.cells == before
    assert Comparison.load(tmp_path / "out").recommendation.weights == {"memory": 1.0}


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_a_part_without_its_device_is_left_out_with_a_sentence(plan: Path, workers: Workers) -> None:
    result = invoke("mine.toml", "--scale", "full")
    assert result.exit_code == 0
    assert "Left out, since no engine finds a gpu here." in result.stdout
    assert {job["device"] for job in workers.jobs if job["task"] == "train"} == {"cpu"}


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_a_gpu_is_taken_by_the_engines_that_find_one(
    plan: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(studying, "describe", lambda row, here: {"devices": ["cpu", "cuda:0"]})
    calls = []

    def noted(request: Settings, folder: Path, watch: Any) -> ComparisonResult:
        calls.append((request.device, folder))
        return _none()

    monkeypatch.setattr(studying.comparing, "run", noted)
    studying.run(studying.Request(plans.read(plan), plan, scale="full"), tmp_path / "out")
    assert calls == [("cpu", tmp_path / "out"), ("cuda:0", tmp_path / "out" / "gpu")]


@pytest.mark.parametrize(
    ("of_data", "of_scale", "own", "taken"),
    [("", "", None, None), ("limit = 9", "", None, 9), ("limit = 9", "limit = 5", None, 5),
     ("limit = 9", "limit = 5", 2, 2)],
)  # fmt: skip
def test_a_limit_is_the_command_s_the_scale_s_or_the_data_s(
    plan: Path, of_data: str, of_scale: str, own: int | None, taken: int | None,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    text = PLAN.replace("[data]", f"[data]\n{of_data}").replace("epochs = 2", f"epochs = 2\n{of_scale}")
    plan.write_text(text)
    limits = []

    def noted(request: Settings, folder: Path, watch: Any) -> ComparisonResult:
        limits.append(request.limit)
        return _none()

    monkeypatch.setattr(studying.comparing, "run", noted)
    studying.run(studying.Request(plans.read(plan), plan, limit=own), tmp_path / "out")
    assert limits == [taken]


def test_a_part_may_have_an_amount_of_its_own(
    plan: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = (
        'about = "In time alone."\nnetworks = ["mlp@8"]\nepochs = 1\nrepeats = 4\nlimit = 3\nprefer = "time"'
    )
    text = PLAN.replace('device = "gpu"', f'device = "cpu"\n{own}').replace('parts = ["cpu"]', "repeats = 2")
    plan.write_text(text)
    taken = []

    def noted(request: Settings, folder: Path, watch: Any) -> ComparisonResult:
        rule = request.recipe
        taken.append((request.subjects(), rule.epochs, request.repeats, request.limit, folder.name))
        weights.append(request.prefer)
        return _none()

    weights: list[Any] = []
    monkeypatch.setattr(studying.comparing, "run", noted)
    studying.run(studying.Request(plans.read(plan), plan), tmp_path / "out")
    both = [("mlp", 8), ("mlp", 16), ("lenet5", 8)]
    assert taken == [(both, 2, 2, None, "out"), ([("mlp", 8)], 1, 4, 3, "gpu")]
    assert weights[0] != weights[1]
    studying.run(studying.Request(plans.read(plan), plan, prefer="memory"), tmp_path / "out")
    assert weights[2] == weights[3]


def _none() -> ComparisonResult:
    return ComparisonResult(
        crosstrain="0", folder="nowhere", cells=[], recommendation=Recommendation(reason="Nothing.")
    )


@pytest.mark.usefixtures("quick_definitions", "prover")
def test_ctrl_c_keeps_what_is_finished(plan: Path, workers: Workers, tmp_path: Path) -> None:
    workers.fail = lambda job: KeyboardInterrupt() if job.get("id") == "mlp-16-jax-s0-r0" else None
    result = invoke("mine.toml", "--out", "out")
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr
    document = json.loads((tmp_path / "out" / "study.json").read_text())
    assert len([c for c in document["parts"][0]["result"]["cells"] if c["status"] == "done"]) == 3
    workers.fail = lambda job: None
    assert invoke("mine.toml", "--out", "out").exit_code == 0
    assert workers.cells.count("mlp-8-torch-s0-r0") == 1


def test_a_real_study_of_the_digits(tmp_path: Path) -> None:
    """The small plan that comes with crosstrain, with real training and proof."""
    study = crosstrain.study("digits", engines="torch", threads=1, out=tmp_path / "out", progress=False)
    assert study.ok
    (comparison,) = study.comparisons
    assert {(c.network, c.input_size, c.certificate) for c in comparison.cells} == {
        ("mlp", 28, "proved"), ("lenet5", 32, "proved"),
    }  # fmt: skip
    assert comparison.recommendation.weights == {"accuracy": 2.0, "time": 1.0}
    assert comparison.recommendation.changes


# -- beside what was published --------------------------------------------------------------------------
def result_with(**fields: Any) -> ComparisonResult:
    return _none().model_copy(update=fields)


def test_published_changes_stand_beside_those_measured_here() -> None:
    published = plans.read(plans.find("traffic-signs")).published
    factor = {"value": 1.3, "low": 1.2, "high": 1.4, "samples": 9, "method": "bootstrap"}
    row = {"network": "idsia", "input_size": 48}
    result = result_with(
        tuning=[{**row, "engine": "mxnet", "factor": factor}, {**row, "engine": "jax", "factor": factor}],
        criteria=[{**row, "engine": "torch", "deterministic": {"cost": factor}}],
    )
    by_key = {(each.what, each.engine): each for each in replications(published, [result])}
    assert round(by_key["tuning", "mxnet"].there, 2) == 1.92
    assert by_key["tuning", "mxnet"].here == (("idsia at 48", factor),)
    assert by_key["tuning", "tensorflow"].here == ()
    assert round(by_key["repeatability", "cntk"].there, 2) == 1.77
    assert by_key["repeatability", "cntk"].here == ()

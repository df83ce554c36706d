"""Published times and accuracies beside those measured here: ratios, ranks, tables, charts, files."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import crosstrain
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.grid import WIDTH, console
from crosstrain.results.schema import CellResult, ComparisonResult, Recommendation
from crosstrain.statistics.ratios import wilson
from crosstrain.studies import plan as plans
from crosstrain.studies.page import PAGE, write_page
from crosstrain.studies.plan import Time
from crosstrain.studies.terminal import print_study
from crosstrain.studies.then_and_now import Beside, then_and_now
from tests.comparison.fakes import Prover, Workers, cell
from tests.conftest import SHARED

REFERENCE = SHARED.parent / "reference" / "published_times.toml"


def published(network: str, size: int, engine: str, seconds: float | None, **more: Any) -> Time:
    return Time(network=network, size=size, engine=engine, seconds=seconds, **more)


def measured(network: str, size: int, engine: str, second: float, **more: Any) -> list[CellResult]:
    times = [second, second * 1.01, second * 0.99]
    return [cell(engine, times, network=network, input_size=size, repeat=r, **more) for r in range(3)]


def result(*cells: list[CellResult]) -> ComparisonResult:
    return ComparisonResult(
        crosstrain="1", folder="", cells=[c for each in cells for c in each],
        recommendation=Recommendation(reason=""),
    )  # fmt: skip


def of(kind: str, beside: list[Beside]) -> dict[tuple[str, str], Beside]:
    return {(each.subject, each.engine): each for each in beside if each.kind == kind}


TIMES = [
    published("net20", 32, "torch", 10.0, accuracy=0.96),
    published("net20", 32, "jax", 15.0),
    published("net20", 32, "cntk", 5.0, accuracy=0.97),
    published("net20", 48, "torch", 21.0),
    published("net32", 32, "torch", 16.0),
    published("net20", 32, "torch", 1.0, device="cuda"),
]
HERE = result(
    measured("net20", 32, "torch", 2.4), measured("net20", 32, "jax", 2.0),
    measured("net20", 48, "torch", 6.0), measured("net32", 32, "torch", 3.6),
)  # fmt: skip


def test_engines_stand_over_the_fastest_of_those_that_still_run() -> None:
    beside = of("engine", then_and_now(TIMES[:3], [HERE]))
    torch, jax, cntk = (beside["net20 at 32 pixels", name] for name in ("torch", "jax", "cntk"))
    assert (torch.then, jax.then, cntk.then) == (1.0, 1.5, 0.5)
    assert (torch.rank_then, torch.rank_now) == (1, 2)
    assert (jax.rank_then, jax.rank_now) == (2, 1)
    assert jax.now is not None
    assert (jax.now.value, jax.now.low, jax.now.high) == (1.0, 1.0, 1.0)
    assert torch.now is not None
    assert torch.now.value == pytest.approx(1.2)
    assert torch.now.low < 1.2 < torch.now.high
    assert (cntk.now, cntk.rank_then, cntk.rank_now) == (None, None, None)
    assert torch.published == "10 s, torch 10 s"


def test_sizes_depths_accuracies_and_devices() -> None:
    beside = then_and_now(TIMES, [HERE])
    size = of("size", beside)["net20 at 48 pixels over 32", "torch"]
    assert size.then == 2.1
    assert size.now is not None
    assert size.now.value == pytest.approx(2.5)
    depth = of("depth", beside)["net32 at 32 pixels over net20", "torch"]
    assert depth.then == 1.6
    assert depth.now is not None
    assert depth.now.value == pytest.approx(1.5)
    accuracy = of("accuracy", beside)
    assert accuracy["net20 at 32 pixels", "torch"].now == wilson(0.95, 10_000)
    assert accuracy["net20 at 32 pixels", "cntk"].now is None
    (gpu,) = [each for each in beside if each.device == "cuda"]
    assert gpu.now is None, "what ran on a processor is not set beside a GPU"
    json.dumps([each.to_json() for each in beside], allow_nan=False)


def test_releases_and_further_names_are_not_the_published_engine() -> None:
    here = result(measured("net20", 32, "torch@1.0", 2.0), measured("net20", 32, "torch@cf", 2.0))
    assert all(each.now is None for each in then_and_now(TIMES, [here]))


def test_the_page_draws_and_tables_every_kind(tmp_path: Path) -> None:
    write_page("A study <script>", then_and_now(TIMES, [HERE]), tmp_path / PAGE)
    page = (tmp_path / PAGE).read_text()
    for kind in ("engine", "size", "depth", "accuracy"):
        assert f'id="chart-then-and-now-{kind}"' in page
    assert "net20 at 48 pixels over 32" in page
    assert "1 → 2" in page
    assert "<script>:" not in page


# -- from a file ------------------------------------------------------------------------------------
PLAN = """
title = "Ours"
data = { default = "digits" }
[[parts]]
name = "cpu"
engines = ["torch", "jax"]
device = "cpu"
[scales.small]
networks = ["mlp@8"]
epochs = 1
repeats = 3
"""
FURTHER = """
[[published.times]]
network = "mlp"
size = 8
engine = "jax"
seconds = 4.0
accuracy = 0.9
[[published.times]]
network = "mlp"
size = 8
engine = "torch"
seconds = 3.0
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "ours.toml").write_text(PLAN)
    (tmp_path / "further.toml").write_text(FURTHER)
    return tmp_path / "ours.toml"


@pytest.mark.usefixtures("quick_definitions")
def test_a_study_with_further_figures(
    plan: Path, workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = crosstrain.study(plan, progress=False)
    jobs = len(workers.jobs)
    assert not (alone.folder / PAGE).exists()
    study = crosstrain.study(plan, published=tmp_path / "further.toml", progress=False)
    assert study.folder == alone.folder
    assert len(workers.jobs) == jobs, "what was published changes no measurement"
    assert (study.folder / PAGE).exists()
    saved = json.loads((study.folder / "study.json").read_text())["then_and_now"]
    assert [each["kind"] for each in saved] == ["engine", "engine", "accuracy"]
    assert saved[0]["now"]["value"] == pytest.approx(2.0)
    out = io.StringIO()
    print_study(study, console(out))
    shown = out.getvalue()
    assert "Then and now: each engine's time over the fastest engine's" in shown
    assert max(len(line) for line in shown.splitlines() if "Results are in" not in line) <= WIDTH


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FURTHER.replace('"mlp"', '"vgg16"'), "published.times has the network vgg16, which the study lacks"),
        ("[[published.times]]\nnetwork = 3\nengine = 'torch'", "published.times.1.network: "),
        ("title = 'another plan'", "published: is missing"),
        ("[[published", "is not valid TOML"),
    ],
)
def test_files_that_are_wrong_are_one_sentence(plan: Path, text: str, sentence: str) -> None:
    further = plan.with_name("further.toml")
    further.write_text(text)
    with pytest.raises(CrosstrainError) as error:
        crosstrain.study(plan, published=further, progress=False)
    assert sentence in str(error.value)
    assert str(further) in str(error.value)
    with pytest.raises(CrosstrainError, match="cannot be read: No such file"):
        crosstrain.study(plan, published=plan.with_name("none.toml"), progress=False)


def test_the_published_rows_of_the_traffic_signs() -> None:
    """All of them, with three ratios computed here by hand."""
    if not REFERENCE.exists():
        pytest.skip(f"no published rows at {REFERENCE}")
    plan = plans.with_published(plans.read(plans.find("traffic-signs")), REFERENCE)
    raw = tomllib.loads(REFERENCE.read_text())["published"]["times"]
    assert len(plan.published.times) == len(raw)
    by_key = {(r["network"], r["size"], r["engine"], r["device"]): r["seconds"] for r in raw}
    here = result(*(measured("resnet20", 32, e, s) for e, s in (("torch", 1.0), ("mxnet", 1.2))))
    beside = then_and_now(plan.published.times, [here])
    of_cpu = [each for each in beside if each.device == "cpu"]
    engine = of("engine", of_cpu)["resnet20 at 32 pixels", "torch"]
    torch, mxnet = (by_key["resnet20", 32, name, "cpu"] for name in ("torch", "mxnet"))
    assert engine.then == pytest.approx(torch / mxnet)
    assert (engine.rank_then, engine.rank_now) == (2, 1)
    size = of("size", of_cpu)["resnet20 at 48 pixels over 32", "torch"]
    assert size.then == pytest.approx(by_key["resnet20", 48, "torch", "cpu"] / torch)
    depth = of("depth", of_cpu)["resnet32 at 32 pixels over resnet20", "torch"]
    assert depth.then == pytest.approx(by_key["resnet32", 32, "torch", "cpu"] / torch)
    accuracies = sum(each.kind == "accuracy" for each in beside)
    assert accuracies == sum("accuracy" in r for r in raw)

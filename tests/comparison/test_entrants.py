"""Engines under further names: their settings, files, certificates and rows are their own."""

from __future__ import annotations

from pathlib import Path

import pytest

import crosstrain
from crosstrain.comparison.settings import Settings, settings
from crosstrain.comparison.training import train
from crosstrain.engines.registry import engine_of
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.terminal.grid import WIDTH
from crosstrain.studies.comparison import run
from tests.comparison.fakes import Prover, Workers


def quick_settings(*engines: str, **changes: object) -> Settings:
    defaults = {"engines": engines, "sizes": [8], "epochs": 2, "threads": 1}
    return settings("mlp", "digits", **{**defaults, **changes})  # type: ignore[arg-type]


@pytest.mark.usefixtures("quick_definitions")
def test_an_engine_under_three_names(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    chosen = quick_settings(
        "torch", "torch@again", "torch@c", options={"torch@c": {"compile": True}}, repeats=2
    )
    result = run(chosen, tmp_path / "out")
    jobs = {job["id"]: job for job in workers.jobs if job["task"] == "train"}
    assert list(jobs)[:3] == ["mlp-8-torch-s0-r0", "mlp-8-torch+again-s0-r0", "mlp-8-torch+c-s0-r0"]
    assert {job["engine"] for job in workers.jobs} == {"torch"}
    assert [job["options"] for job in jobs.values()][:3] == [{}, {}, {"compile": True}]
    assert [row["engine"] for row in result.rows] == ["torch", "torch@again", "torch@c"]
    assert [row["engine_version"] for row in result.rows] == ["1.0"] * 3
    # Alike set up is proved once; certified are all, each under its own name.
    assert prover.calls == [("mlp", "torch"), ("mlp", "torch")]
    assert [c.engine for c in result.certificates] == [
        name for name in ("torch", "torch@again", "torch@c") for _ in range(2)
    ]
    assert {c.certificate for c in result.cells} == {"proved"}
    assert (tmp_path / "out" / "certificates" / "mlp-8-torch+again.json").exists()
    assert max(map(len, str(Comparison(result)).splitlines())) <= WIDTH
    run(chosen, tmp_path / "out")
    assert len(prover.calls) == 2
    assert len(workers.cells) == 6


@pytest.mark.usefixtures("quick_definitions")
def test_an_open_option_opens_only_its_own_entrant(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    chosen = quick_settings("torch", "torch@half", options={"torch@half": {"bfloat16": True}})
    assert [c.division for c in run(chosen, tmp_path / "out").cells] == ["closed", "open"]


@pytest.mark.parametrize(
    ("engines", "sentence"),
    [
        (["torch@"], "is not a name for an engine; write ENGINE@NAME"),
        (["torch@a b"], "is not a name for an engine"),
        (["torch@../x"], "is not a name for an engine"),
        (["torch@a@b"], "is not a name for an engine"),
        (["torsh@a"], "there is no engine 'torsh'"),
        (["all@a"], "there is no engine 'all'"),
        (["onnxruntime@a"], "does not train"),
        (["torch@tuned"], "comes with --tuned"),
    ],
)
def test_names_that_are_none(engines: list[str], sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        quick_settings(*engines)


def test_options_are_of_those_that_take_part() -> None:
    with pytest.raises(CrosstrainError, match="option for 'torch', which is not among the engines torch@a"):
        quick_settings("torch@a", options={"torch": {"layout": "channels_first"}})


def test_what_is_no_comparison_takes_no_further_names(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="training takes engines by their own names: torch, not"):
        train(quick_settings("torch@a"), tmp_path)
    with pytest.raises(CrosstrainError, match="a proof takes engines by their own names"):
        crosstrain.prove("mlp", engines="torch@a", progress=False)


def test_the_engine_behind_a_name() -> None:
    assert [engine_of(name) for name in ("torch", "keras-jax@tuned")] == ["torch", "keras-jax"]


def test_two_names_of_one_engine_really_run(tmp_path: Path) -> None:
    """Real workers: the same seed and the same settings give the same losses under both names."""
    comparison = crosstrain.compare(
        "mlp", "digits", engines="torch,torch@again,torch@cf", sizes=8, epochs=1, threads=1, progress=False,
        options={"torch@cf": {"layout": "channels_first"}}, out=tmp_path / "out",
    )  # fmt: skip
    assert comparison.ok
    first, again, other = comparison.cells
    assert [c.engine for c in comparison.cells] == ["torch", "torch@again", "torch@cf"]
    assert first.epochs[0].train_loss == again.epochs[0].train_loss
    assert other.options == {"layout": "channels_first"}
    assert {c.certificate for c in comparison.cells} == {"proved"}


@pytest.mark.usefixtures("quick_definitions")
def test_releases_are_entrants_with_options_of_their_own(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.comparison.fakes import SPEED

    monkeypatch.setitem(SPEED, "torch@2.12", 1.1)
    result = run(
        quick_settings("torch", "torch@2.12", "torch@2.12@c", options=["torch@2.12@c.compile=true"]),
        tmp_path / "out",
    )
    assert [row["engine"] for row in result.rows] == ["torch", "torch@2.12", "torch@2.12@c"]
    assert [job["engine"] for job in workers.jobs if job["task"] == "train"] == [
        "torch", "torch@2.12", "torch@2.12",
    ]  # fmt: skip
    assert prover.calls == [("mlp", "torch"), ("mlp", "torch@2.12"), ("mlp", "torch@2.12")]
    assert (tmp_path / "out" / "cells" / "mlp-8-torch+2.12-s0-r0.json").exists()
    with pytest.raises(CrosstrainError, match=r"there is no engine 'torhc@2\.12'"):
        quick_settings("torhc@2.12")

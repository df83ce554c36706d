"""What else decides: repeatability, the peak, serving, and what a failure or Ctrl-C costs."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.comparison.progress.watch import Silent
from crosstrain.comparison.settings import settings
from crosstrain.criteria import case, peak, serving
from crosstrain.criteria.bits import Difference, compared
from crosstrain.criteria.installation import closure, size_on_disk
from crosstrain.criteria.run import FIELDS
from crosstrain.graph.cost import cost
from crosstrain.reporting.terminal.criteria import print_criteria
from crosstrain.reporting.terminal.grid import console
from crosstrain.runs.definition import Definition
from crosstrain.runs.process import Outcome
from crosstrain.studies.comparison import Interrupted, run
from tests.comparison.fakes import Workers


# -- bits ---------------------------------------------------------------------------------------
def test_weights_are_compared_by_their_bits() -> None:
    other_nan = np.frombuffer(struct.pack("<I", 0x7FC00001), np.float32)
    one, next_one = np.float32([1.0]), np.nextafter(np.float32([1.0]), np.float32(2))
    plain = {"a": np.float32([np.nan, 0.0, np.inf]), "b": one}
    assert compared(plain, {k: v.copy() for k, v in plain.items()}) == Difference(2, 0, 0.0)
    assert compared({"a": np.float32([0.0])}, {"a": np.float32([-0.0])}) == Difference(1, 1, 0.0)
    assert compared({"a": np.float32([np.nan])}, {"a": other_nan}) == Difference(1, 1, 0.0)
    assert compared({"a": one, "b": one}, {"a": next_one, "b": one}) == Difference(2, 1, 2.0**-23)
    for other in (np.float32([np.nan]), np.float32([np.inf]), np.float32([1.0, 1.0])):
        assert compared({"a": one}, {"a": other}) == Difference(1, 1, math.inf)
    assert compared({"a": one}, {"b": one}) == Difference(2, 2, math.inf)
    assert compared({"a": one}, {"a": one.astype("float64")}) == Difference(1, 1, 0.0)


# -- the peak -----------------------------------------------------------------------------------
def test_the_peak_is_measured_once_a_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path))
    first = peak.peak(threads=1, sizes=[128, 256, 512])
    # From one core's plain code to a processor that has yet to be built.
    assert 1e8 < first["flops_per_second"] < 1e14
    assert first["flops_per_second"] == max(first["by_library"].values())
    assert set(first["samples"]) == {"128", "256", "512"}

    def idle(job: Any, **limits: Any) -> Outcome:
        return Outcome("crashed", None, "it was asked again", tmp_path, 1.0, None)

    measured = peak.run_job
    monkeypatch.setattr(peak, "run_job", idle)
    monkeypatch.setattr(peak.psutil, "cpu_percent", lambda interval: 100.0)
    assert peak.peak(threads=1, sizes=[128, 256, 512]) == first
    with pytest.raises(case.UnknownError, match="it was asked again"):
        peak.peak(threads=2, sizes=[128])
    (note,) = (tmp_path / "peaks").glob("*.json")
    note.write_text(json.dumps({**first, "measured": first["measured"] - 2 * peak.SHELF_LIFE}))
    monkeypatch.setattr(peak, "run_job", measured)
    assert peak.peak(threads=1, sizes=[128])["measured"] > first["measured"]


def test_copies_have_a_peak_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path))
    measured = peak.peak(threads=1, sizes=[128])
    # Memory that is slower than 100 MB/s or faster than 10 TB/s was not measured.
    assert 1e8 < measured["bytes_per_second"] < 1e13


@pytest.mark.parametrize(
    ("flops", "bandwidth", "limit"), [(1e9, 1e14, "products"), (1e14, 1e6, "memory"), (1e12, None, None)]
)
def test_what_limits_a_network_is_the_peak_that_it_is_nearer_to(
    flops: float, bandwidth: float | None, limit: str | None,
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    top = {"flops_per_second": flops, "library": "torch"}
    top |= {"bytes_per_second": bandwidth} if bandwidth else {}
    monkeypatch.setattr(peak, "peak", lambda *a: top)
    (record,) = run(quick_settings(), tmp_path / "out").criteria
    assert record.get("limited_by") == limit
    assert record["peak_share"] == pytest.approx(record["training_flops"] / flops)
    if bandwidth:
        assert record["bandwidth_share"] == pytest.approx(record["training_bytes"] / bandwidth)


def test_a_peak_of_a_busy_moment_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path))
    rates = iter([1e9, 1e9, 5e9, 5e9])

    def answer(job: Any, **limits: Any) -> Outcome:
        return Outcome("done", {"flops_per_second": next(rates)}, None, tmp_path, 1.0, None)

    monkeypatch.setattr(peak, "run_job", answer)
    monkeypatch.setattr(peak, "find", lambda row: True)
    for busy, expected in ((80.0, 1e9), (90.0, 1e9), (75.0, 1e9), (20.0, 5e9), (60.0, 5e9)):
        monkeypatch.setattr(peak.psutil, "cpu_percent", lambda interval, busy=busy: busy)
        assert peak.peak()["flops_per_second"] == expected


# -- sizes --------------------------------------------------------------------------------------
def test_an_installation_is_all_that_a_framework_requires() -> None:
    names = closure(["pandas", "not-a-distribution"])
    assert {"pandas", "numpy", "python-dateutil"} <= set(names)
    assert "pytest" not in names  # only of an extra
    assert size_on_disk("numpy") > 10 * 2**20
    assert size_on_disk("not-a-distribution") == 0


# -- the driver, with workers that only pretend ---------------------------------------------------
class Pretended:
    """Stands in for the workers of criteria: trains, serves and writes files in no time."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.repeats: Callable[[Mapping[str, Any]], bool] = lambda job: True
        self.fail: Callable[[Mapping[str, Any]], Outcome | BaseException | None] = lambda job: None

    def __call__(self, job: Mapping[str, Any], *, folder: Path, **limits: Any) -> Outcome:
        self.jobs.append(dict(job))
        failure = self.fail(job)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            return failure
        answer = {"train": self.trained, "infer": self.served}.get(job["task"], self.written)
        return Outcome("done", answer(job), None, folder / "log", 1.0, 10**8)

    def trained(self, job: Mapping[str, Any]) -> dict[str, Any]:
        weights = np.zeros(1) if self.repeats(job) else np.full(1, 1e-7 * len(self.jobs))
        np.savez(job["weights_out"], w=weights)
        seconds = 3.0 if job["options"].get("deterministic") or job["threads"] == 1 else 1.0
        return {"epochs": [{"train_seconds": seconds}] * job["recipe"]["epochs"], "diverged": None}

    def served(self, job: Mapping[str, Any]) -> dict[str, Any]:
        assert Path(job["weights"]).exists()
        return {
            "latencies": [i / 1000 for i in range(1, 301)],
            "throughput": {str(size): [100.0 * size] * 5 for size in job["batch_sizes"]},
        }

    def written(self, job: Mapping[str, Any]) -> dict[str, Any]:
        Path(job["out"]).write_bytes(b"model")
        return {"bytes": 5}

    def tasks(self) -> list[str]:
        return [f"{job['id']} {job['task'].rpartition(':')[0] or job['task']}" for job in self.jobs]


class Stages(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def stage(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, workers: Workers, quick_definitions: Any) -> Pretended:
    fake = Pretended()
    option = {"default": False, "choices": [False, True], "help": "", "division": "closed"}

    def describe(row: Any, where: Any) -> dict[str, Any]:
        options = {"deterministic": option} if row.name == "torch" else {}
        return {"status": "ready", "devices": ["cpu"], "precisions": ["float32"], "options": options}

    monkeypatch.setattr(case, "run_job", fake)
    monkeypatch.setattr(case, "describe", describe)
    monkeypatch.setattr(peak, "peak", lambda *a: {"flops_per_second": 1e12, "library": "numpy"})
    return fake


def quick_settings(**changes: Any) -> Any:
    defaults = {
        "engines": ["torch"],
        "sizes": [8],
        "epochs": 2,
        "threads": 2,
        "proof": False,
        "criteria": True,
    }
    return settings("mlp", "digits", **{**defaults, **changes})


def test_an_engine_that_does_not_repeat_is_tried_with_its_switch(
    pretended: Pretended, defined: Path, tmp_path: Path
) -> None:
    pretended.repeats = lambda job: bool(job["options"].get("deterministic"))
    (record,) = run(quick_settings(), tmp_path / "out").criteria
    assert (record["repeatable"], record["differing_arrays"], record["arrays"]) == (False, 1, 1)
    assert record["largest_difference"] == pytest.approx(1e-7)
    switch = record["deterministic"]
    assert (switch["option"], switch["repeatable"]) == ("deterministic=True", True)
    assert switch["seconds_per_epoch"]["value"] == 3.0
    assert switch["cost"]["value"] == pytest.approx(3.0)
    assert not list((tmp_path / "out" / "criteria").rglob("*.npz"))
    assert set(FIELDS) <= set(record)
    assert record["latency_p50"] == pytest.approx(0.1505)
    assert (record["latencies"][0], record["latencies"][-1], len(record["latencies"])) == (0.001, 0.3, 200)
    assert record["throughput"]["64"] == 6400.0
    macs = cost(Definition.load(defined).graph).macs
    images_per_second = 1000.0
    assert record["peak_share"] == pytest.approx(3 * 2 * macs * images_per_second / 1e12)
    assert record["reliability"] == {"cells": 1, "ended_well": 1, "diverged": 0, "failed": 0}
    assert "energy_joules_per_epoch" in record["why_not"] or record["energy_joules_per_epoch"] > 0


@pytest.mark.parametrize("repeats", [True, False])
def test_a_row_that_says_it_repeats_is_trained_again(
    pretended: Pretended, tmp_path: Path, repeats: bool
) -> None:
    """Without ``--criteria`` too; nothing else is measured, and of no other row."""
    pretended.repeats = lambda job: repeats
    asked = quick_settings(
        engines=["torch", "torch@same"], options={"torch@same": {"deterministic": True}}, criteria=False
    )
    result = run(asked, tmp_path / "out")
    (record,) = result.criteria
    assert [job["options"] for job in pretended.jobs] == [{"deterministic": True}]
    assert (record["engine"], record["repeatable"]) == ("torch@same", repeats)
    (sentence,) = [note for note in result.notes if "deterministic=True" in note]
    assert sentence == (
        "mlp on torch@same repeats bit for bit: two trainings of 2 epochs with the seed 0 gave the same "
        "weights (deterministic=True)."
        if repeats
        else "mlp on torch@same does not repeat, in spite of deterministic=True: two trainings of 2 epochs "
        "with the seed 0 differ in 1 of 1 array, by up to 1e-07."
    )
    out = StringIO()
    print_criteria(result.criteria, console(out))
    table = out.getvalue()
    assert ("same" if repeats else "±1.0e-07") in table.splitlines()[-2]
    assert "bits" in table
    assert "p50" not in table
    assert run(asked, tmp_path / "out").criteria == result.criteria
    assert len(pretended.jobs) == 1


def test_a_promise_that_could_not_be_tried_is_said_to_be_open(pretended: Pretended, tmp_path: Path) -> None:
    pretended.fail = lambda job: Outcome("crashed", None, "it fell over", tmp_path, 1.0, None)
    result = run(quick_settings(options={"torch": {"deterministic": True}}, criteria=False), tmp_path / "out")
    assert result.notes[-1] == (
        "mlp on torch: whether deterministic=True makes it repeat is unknown: crashed: it fell over."
    )


def test_an_engine_without_a_switch_is_tried_on_one_thread(pretended: Pretended, tmp_path: Path) -> None:
    pretended.repeats = lambda job: job["threads"] == 1
    (record,) = run(quick_settings(engines=["jax"]), tmp_path / "out").criteria
    assert record["repeatable"] is False
    assert (record["deterministic"]["option"], record["deterministic"]["repeatable"]) == ("threads=1", True)
    pretended.repeats = lambda job: True
    (record,) = run(quick_settings(engines=["jax"]), tmp_path / "other").criteria
    assert (record["repeatable"], record["deterministic"]) == (True, None)
    assert "repeats as it is" in record["why_not"]["deterministic"]
    watch = Stages()
    assert run(quick_settings(engines=["jax"]), tmp_path / "other", watch).criteria == [record]
    assert not [text for text in watch.texts if "What else decides" in text]


def test_two_repeats_are_compared_and_long_trainings_repeated_in_part(
    pretended: Pretended, tmp_path: Path
) -> None:
    (record,) = run(quick_settings(engines=["jax"], repeats=2), tmp_path / "out").criteria
    assert (record["repeatable"], record["repeat_epochs"]) == (True, 2)
    assert "train" not in [job["task"] for job in pretended.jobs]
    (record,) = run(quick_settings(engines=["jax"], epochs=100), tmp_path / "long").criteria
    assert record["repeat_remark"] == "repeated over 1 epoch of 100"
    trained = [job["recipe"]["epochs"] for job in pretended.jobs if job["task"] == "train"]
    assert trained == [1, 1]
    pretended.jobs = []
    (record,) = run(quick_settings(epochs=100), tmp_path / "switch").criteria
    trained = [job["id"] for job in pretended.jobs if job["task"] == "train"]
    assert trained == [f"mlp-8-torch-{name}" for name in ("again-0", "again-1", "deterministic-0")]
    assert record["deterministic"]["repeatable"] is record["deterministic"]["same_as_without"] is True


def test_a_failing_measure_costs_its_own_field_and_is_tried_again(
    pretended: Pretended, tmp_path: Path
) -> None:
    pretended.fail = lambda job: (
        Outcome("crashed", None, "it fell over", tmp_path, 1.0, None) if job["task"] == "infer" else None
    )
    (record,) = run(quick_settings(), tmp_path / "out").criteria
    assert (record["latency_p50"], record["throughput"]) == (None, None)
    assert record["why_not"]["latency_p99"] == "crashed: it fell over"
    assert (record["repeatable"], record["export_bytes"]) == (True, 5)
    pretended.fail, pretended.jobs = lambda job: None, []
    (record,) = run(quick_settings(), tmp_path / "out").criteria
    assert record["latency_p50"]
    assert {job["task"] for job in pretended.jobs} == {"infer"}


def test_ctrl_c_keeps_what_is_measured(pretended: Pretended, tmp_path: Path) -> None:
    pretended.fail = lambda job: KeyboardInterrupt() if job["task"] == "infer" else None
    with pytest.raises(Interrupted) as stop:
        run(quick_settings(engines=["torch", "jax"]), tmp_path / "out")
    (record,) = stop.value.result.criteria
    assert (record["engine"], record["repeatable"], record["latency_p50"]) == ("torch", True, None)
    pretended.fail, pretended.jobs = lambda job: None, []
    result = run(quick_settings(engines=["torch", "jax"]), tmp_path / "out")
    assert [each["latency_p50"] is not None for each in result.criteria] == [True, True]
    assert not [job for job in pretended.jobs if job["task"] == "train" and job["engine"] == "torch"]


def test_rows_that_failed_say_so_and_changed_cells_are_measured_anew(
    pretended: Pretended, workers: Workers, tmp_path: Path
) -> None:
    workers.fail = lambda job: (
        Outcome("crashed", None, "no", tmp_path, 1.0, None) if job["engine"] == "jax" else None
    )
    result = run(quick_settings(engines=["torch", "jax"]), tmp_path / "out")
    torch, jax = result.criteria
    assert torch["repeatable"] is True
    assert jax["reliability"]["failed"] == 1
    assert jax["why_not"]["repeatable"] == "no cell of this row ended well"
    workers.fail, pretended.jobs = lambda job: None, []
    torch, jax = run(quick_settings(engines=["torch", "jax"]), tmp_path / "out").criteria
    assert jax["repeatable"] is True
    assert {job["engine"] for job in pretended.jobs if "engine" in job} == {"jax"}
    assert not jax["why_not"].keys() & {"repeatable", "latency_p50"}


# -- in earnest ---------------------------------------------------------------------------------
def test_the_criteria_of_a_real_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REPEATS", 1)  # what only takes longer is left out
    monkeypatch.setattr(peak, "peak", partial(peak.peak, sizes=[512, 1024]))

    def compare(**changes: Any) -> Any:
        watch = Stages()
        comparison = crosstrain.compare(
            "mlp", "digits", engines="torch", sizes=8, epochs=2, threads=1, proof=False,
            out=tmp_path / "out", progress=watch, **changes,
        )  # fmt: skip
        return comparison, [text for text in watch.texts if text.startswith("What else decides")]

    comparison, stages = compare(criteria=True)
    (record,) = comparison.result.criteria
    assert (record["repeatable"], record["differing_arrays"]) == (True, 0)
    assert record["deterministic"]["repeatable"] is True
    assert 0 < record["deterministic"]["cost"]["low"] <= record["deterministic"]["cost"]["value"]
    assert 0 < record["peak_share"] < 1.2
    assert 0 < record["latency_p50"] <= record["latency_p95"] <= record["latency_p99"] < 1
    assert record["throughput"]["64"] > record["throughput"]["1"] > 0
    assert 4 * comparison.cells[0].parameters < record["export_bytes"] < 40 * comparison.cells[0].parameters
    assert record["native_bytes"] > 4 * comparison.cells[0].parameters
    assert record["install_bytes"] > 10**8
    assert 20 < record["lines_of_source"] < 500
    assert len(stages) == 6
    json.dumps(comparison.to_json(), allow_nan=False)

    again, stages = compare()
    assert not stages
    assert again.result.criteria == comparison.result.criteria
    out = StringIO()
    print_criteria(again.result.criteria, console(out))
    printed = out.getvalue()
    assert max(map(len, printed.splitlines())) <= 100
    assert "same" in printed

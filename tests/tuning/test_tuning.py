"""Tuning: the search finds what helps, never keeps what is slower; profiles hold only where they fit."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import crosstrain
from crosstrain.comparison import certify
from crosstrain.comparison.entrants import Setup
from crosstrain.comparison.settings import Settings, settings
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.terminal.grid import WIDTH, console
from crosstrain.reporting.terminal.tuning import print_tuning
from crosstrain.runs.process import Outcome, environment
from crosstrain.studies.comparison import run
from crosstrain.tuning import profiles, search
from crosstrain.tuning.knobs import KEEP, KNOBS, joined
from crosstrain.tuning.run import Interrupted, tune
from crosstrain.tuning.search import Search, confirm
from crosstrain.tuning.space import Choice, Dimension, Space, space_of
from tests.comparison.fakes import Prover, Workers

OPTION = {"help": "", "division": "closed"}
TORCH = {
    "compile": {**OPTION, "default": False, "choices": [False, True]},
    "bfloat16": {**OPTION, "default": False, "choices": [False, True], "division": "open"},
}
"""What the fake workers describe."""


def space(settings: int, values: int) -> Space:
    """Settings a, b, … with the values 1, 2, …"""
    names = [chr(ord("a") + i) for i in range(settings)]
    dimensions = (Dimension(n, "", tuple(range(1, values + 1)), 0, option=True) for n in names)
    return Space("torch", 2, tuple(dimensions))


class Machine:
    """Processes whose time is the product of their settings' factors, with noise between processes."""

    def __init__(self, factors: dict[tuple[str, Any], float], noise: float = 0.0, seed: int = 0) -> None:
        self.factors, self.noise, self.trials = factors, noise, 0
        self._rng = random.Random(seed)

    def fewer_than(self, trials: int) -> Callable[[], bool]:
        return lambda: self.trials < trials

    def time(self, choice: Choice) -> float:
        return math.prod(self.factors.get(change, 1.0) for change in choice)

    def __call__(self, choice: Choice, number: int) -> list[float] | None:
        self.trials += 1
        if any(self.factors.get(change) == math.inf for change in choice):
            return None
        level = self.time(choice) * math.exp(self._rng.gauss(0, self.noise))
        return [level * math.exp(self._rng.gauss(0, self.noise / 3)) for _ in range(5)]


# -- the search -----------------------------------------------------------------------------------
def test_the_planted_best_is_found() -> None:
    """Three settings help, one of them with its second value best; others cost, or crash."""
    machine = Machine(
        {("a", 1): 0.8, ("b", 1): 1.3, ("b", 2): 0.9, ("c", 1): 0.85, ("c", 2): 0.7, ("d", 1): math.inf}
    )
    assert dict(Search(space(5, 2), machine, lambda: True).best()) == {"a": 1, "b": 2, "c": 2}
    assert machine.trials < 60


def test_settings_that_only_hurt_each_other_are_not_joined() -> None:
    """Alone both help, together they do not: the better one alone is the answer."""

    def measure(choice: Choice, number: int) -> list[float]:
        return [{(): 1.0, (("a", 1),): 0.7, (("b", 1),): 0.8}.get(choice, 1.5)] * 3

    assert Search(space(2, 1), measure, lambda: True).best() == (("a", 1),)


def test_what_did_not_help_again_does_not_win() -> None:
    """A lucky first measurement is forgotten when the second says otherwise."""

    def measure(choice: Choice, number: int) -> list[float]:
        return [0.7 if choice == (("a", 1),) and number == 0 else 1.0] * 3

    assert Search(space(2, 1), measure, lambda: True).best() == search.DEFAULT


def test_the_search_stops_when_time_is_up() -> None:
    machine = Machine({("a", 1): 0.5})
    interrupted = Search(space(6, 3), machine, lambda: machine.trials < 4)
    assert interrupted.best() == (("a", 1),)
    assert machine.trials == 4


def test_a_compiler_that_is_missing_is_asked_once() -> None:
    compilers = Space("torch", 2, (Dimension("compile", "", ("a", "b", "c"), "off", option=True),))
    machine = Machine({("compile", value): math.inf for value in "abc"})
    assert Search(compilers, machine, lambda: True).best() == search.DEFAULT
    assert machine.trials == 3  # the default twice


def test_a_default_that_cannot_be_measured_ends_it() -> None:
    failing = Search(space(3, 2), lambda choice, number: None, lambda: True)
    assert failing.best() == search.DEFAULT
    assert len(failing.rounds) == 1


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    factors=st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from([1, 2])),
        st.sampled_from([0.5, 0.8, 0.95, 1.0, 1.05, 1.3, math.inf]),
    ),
    trials=st.integers(1, 80),
)
def test_what_is_kept_is_never_slower(factors: dict[tuple[str, Any], float], trials: int) -> None:
    """Whatever helps or hurts, and whenever the time is up: a kept winner is truly faster."""
    machine = Machine(factors)
    winner = Search(space(4, 2), machine, lambda: machine.trials < trials).best()
    confirmed = confirm(winner, machine, search.CONFIRMING, 2)
    assert not confirmed.keeps or machine.time(winner) * search.CLEARLY < 1.0
    if winner != search.DEFAULT and machine.time(winner) < 0.9:
        assert confirmed.keeps


def test_noise_alone_is_seldom_kept() -> None:
    """Nothing helps, processes differ by 3 %: some candidate always looks fastest and must not be kept."""
    winners = 0
    for seed in range(80):
        machine = Machine({}, noise=0.03, seed=seed)
        winner = Search(space(5, 3), machine, machine.fewer_than(40)).best()
        winners += winner != search.DEFAULT and confirm(winner, machine, 4, 2).keeps
    assert winners <= 3


def test_a_crash_in_the_confirming_run_confirms_nothing() -> None:
    calls: list[Choice] = []

    def measure(choice: Choice, number: int) -> list[float] | None:
        calls.append(choice)
        return None if choice and calls.count(choice) == 3 else [0.5 if choice else 1.0] * 3

    assert not confirm((("a", 1),), measure, 4, 2).keeps
    assert calls[:4] == [(), (("a", 1),), (("a", 1),), ()]


# -- what there is to try -------------------------------------------------------------------------
def test_the_open_division_alone_tries_what_changes_the_arithmetic() -> None:
    closed = space_of("torch", TORCH, device="cpu", threads=2)
    opened = space_of("torch", TORCH, device="cpu", threads=2, division="open")
    names = {d.name for d in closed.dimensions}
    assert {"compile", "threads", "pinned", "allocator"} <= names
    assert {d.name for d in opened.dimensions} - names == {"bfloat16", "onednn_products"}
    assert opened.setup((("bfloat16", True),)).division == "open"
    assert closed.setup((("compile", True),)) == Setup("torch", {"compile": True}, 2)


def test_what_cannot_matter_is_not_tried() -> None:
    options = {
        "deterministic": {**OPTION, "default": False, "choices": [False, True]},
        "unroll": {**OPTION, "default": 1, "choices": [1, 2, 4]},
        "autotune": {**OPTION, "default": True, "choices": [True, False]},
    }
    plain = {d.name for d in space_of("jax", options, device="cpu", threads=1).dimensions}
    assert not plain & {"deterministic", "unroll", "autotune", "threads", "pinned", "onednn"}
    recurrent = space_of("jax", options, device="cpu", threads=1, ops=["lstm"]).dimensions
    assert "unroll" in {d.name for d in recurrent}
    assert {d.name for d in space_of("torch", options, device="cuda:0", threads=2).dimensions} == {
        "autotune",
        "cuda_memory",
    }


def test_settings_that_share_a_variable_are_joined() -> None:
    assert joined([{"XLA_FLAGS": "--a"}, {"XLA_FLAGS": "--b", "X": "1"}]) == {
        "XLA_FLAGS": "--a --b",
        "X": "1",
    }
    eigen = space_of("keras-jax", {}, device="cpu", threads=2)
    flags = eigen.setup((("xla_libraries", "eigen"), ("xla_vectors", "512"))).environment["XLA_FLAGS"]
    assert "cse_barrier_expander" in flags
    assert flags.endswith("xla_cpu_prefer_vector_width=512")
    assert KEEP not in flags


def test_the_environment_reaches_the_process() -> None:
    job = Setup("torch", {}, 1, {"MALLOC_ARENA_MAX": "1"}, pinned=True).job()
    variables = environment({"task": "trial", **job})
    assert variables["MALLOC_ARENA_MAX"] == "1"
    assert variables["OMP_PROC_BIND"] == "close"
    assert len(job["cores"]) <= 1


def test_proofs_run_in_the_same_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine's own process does, that which finds the truth does not."""
    jobs: list[dict[str, Any]] = []
    monkeypatch.setattr(certify, "run_job", lambda job, **given: jobs.append(job))
    launch = certify.launched_as(Setup("torch", {}, 1, {"MALLOC_ARENA_MAX": "1"}))
    for task in ("evidence", "truth"):
        launch({"task": task, "engine": "torch"}, folder=tmp_path)
    assert [job.get("environment") for job in jobs] == [{"MALLOC_ARENA_MAX": "1"}, None]


# -- profiles and the driver ----------------------------------------------------------------------
class Timed(Workers):
    """Trials whose seconds depend on their job."""

    def trained(self, job: Any, on_event: Any) -> dict[str, Any]:
        if job["task"] != "trial":
            seconds = self.seconds(job)
            result = super().trained(job, on_event)
            for epoch in result["epochs"]:
                epoch["train_seconds"] *= seconds
            return result
        return {"samples": [self.seconds(job)] * 4, "compile_seconds": 0.1, "train_seconds": 0.5}

    def seconds(self, job: Any) -> float:
        fast = job["options"].get("compile", False)
        keeps_memory = "MALLOC_MMAP_MAX_" in job.get("environment", {})
        return (0.5 if fast else 1.0) * (0.8 if keeps_memory else 1.0) * (1.9 if job["threads"] == 1 else 1.0)


@pytest.fixture
def timed(workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Timed:
    """Fake trials of engines that describe themselves as ``TORCH``, profiles in a folder of their own."""
    from crosstrain.comparison import cells, engines
    from crosstrain.tuning import run as tuning
    from crosstrain.tuning import trials, tuned

    fake = Timed()
    for module in (cells, engines, trials):
        monkeypatch.setattr(module, "run_job", fake)
    for module in (tuning, tuned):
        monkeypatch.setattr(module, "describe", lambda row, where: {"status": "ready", "options": TORCH})
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    return fake


def quick_settings(*engines: str, **changes: Any) -> Settings:
    defaults = {"engines": engines, "sizes": [8], "epochs": 1, "threads": 2, "budget": 1e4}
    return settings("mlp", "digits", **{**defaults, **changes})


@pytest.mark.usefixtures("quick_definitions")
def test_tuning_and_comparing(timed: Timed, prover: Prover, tmp_path: Path) -> None:
    """Tune, then compare: the tuned engine takes part, set up and certified as its profile says."""
    result = tune(quick_settings("torch"), out=tmp_path / "tune")
    (profile,) = result.engines
    assert profile.status == "tuned"
    assert profile.options == {"compile": True}
    assert profile.threads == 2
    assert "MALLOC_MMAP_MAX_" in profile.environment
    factor = profile.interval("factor")
    assert factor is not None
    assert factor.value == pytest.approx(1 / (0.5 * 0.8))
    assert [t.settings for t in profile.trials].count({}) >= search.CONFIRMING + 2
    out = console(lines := open(tmp_path / "table", "w+"))  # noqa: SIM115
    print_tuning(result, out)
    lines.seek(0)
    table = lines.read()
    lines.close()
    assert "2.50 [2.50–2.50]" in table
    assert max(map(len, table.splitlines())) <= WIDTH

    chosen = quick_settings("torch", "jax", tuned=True, epochs=2, budget=None, repeats=3)
    compared = run(chosen, tmp_path / "out")
    assert [row["engine"] for row in compared.rows] == ["torch", "torch@tuned", "jax"]
    job = next(j for j in timed.jobs if str(j.get("id")).startswith("mlp-8-torch+tuned"))
    assert (job["engine"], job["options"], job["environment"]) == (
        "torch", {"compile": True}, profile.environment,
    )  # fmt: skip
    # Proofs run side by side: which is begun first is left open.
    assert sorted(prover.calls) == [("mlp", "jax"), ("mlp", "torch"), ("mlp", "torch")]
    assert {c.certificate for c in compared.cells} == {"proved"}
    (row,) = compared.tuning
    assert row["engine"] == "torch"
    assert row["factor"]["value"] == pytest.approx(2.5)
    assert any("crosstrain tune mlp --data digits --size 8 --engine jax" in note for note in compared.notes)
    assert "2.50 [" in str(Comparison(compared))

    # Another profile in between is another comparison.
    profiles.keep(profile.model_copy(update={"options": {}}))
    with pytest.raises(CrosstrainError, match="the profile of torch@tuned for mlp at 8 has changed"):
        run(chosen, tmp_path / "out")


@pytest.mark.usefixtures("quick_definitions")
def test_the_same_again_keeps_profiles_and_again_redoes_them(timed: Timed, tmp_path: Path) -> None:
    tune(quick_settings("torch", "jax"), out=tmp_path / "tune")
    jobs = len(timed.jobs)
    again = tune(quick_settings("torch", "jax"), out=tmp_path / "tune")
    assert again.kept == ["torch", "jax"]
    assert len(timed.jobs) == jobs
    assert tune(quick_settings("torch"), out=tmp_path / "tune", again=True).kept == []
    assert len(timed.jobs) > jobs


@pytest.mark.usefixtures("quick_definitions")
def test_where_nothing_helps_the_default_stays(
    timed: Timed, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Timed, "seconds", lambda self, job: 1.0)
    (profile,) = tune(quick_settings("torch"), out=tmp_path / "tune").engines
    assert (profile.status, profile.options, profile.environment) == ("default", {}, {})
    compared = run(quick_settings("torch", tuned=True, budget=None), tmp_path / "out")
    assert [row["engine"] for row in compared.rows] == ["torch"]
    assert [row["kept_default"] for row in compared.tuning] == [True]


@pytest.mark.usefixtures("quick_definitions")
def test_failures_cost_their_trial_or_their_engine(timed: Timed, tmp_path: Path) -> None:
    """A compiler that is missing fails one trial; an engine that cannot train at all is told, not kept."""

    def fails(job: Any) -> Outcome | None:
        hopeless = job["engine"] == "jax" and job["task"] == "trial"
        if hopeless or job.get("options", {}).get("compile"):
            return Outcome("crashed", None, "it fell over (SIGABRT)", tmp_path, 1.0, None)
        return None

    timed.fail = fails
    torch, jax = (result := tune(quick_settings("torch", "jax"), out=tmp_path / "tune")).engines
    assert torch.status == "tuned"
    assert "compile" not in torch.changes
    failed = [t for t in torch.trials if t.error]
    assert [t.settings for t in failed] == [{"compile": True}]
    assert (jax.status, jax.error) == ("failed", "it fell over (SIGABRT)")
    assert not result.ok
    assert [path.name[:5] for path in profiles.root().iterdir()] == ["torch"]


@pytest.mark.usefixtures("quick_definitions")
def test_ctrl_c_keeps_finished_engines(timed: Timed, tmp_path: Path) -> None:
    timed.fail = lambda job: KeyboardInterrupt() if job["engine"] == "jax" else None
    with pytest.raises(Interrupted) as stop:
        tune(quick_settings("torch", "jax"), out=tmp_path / "tune")
    assert [each.engine for each in stop.value.result.engines] == ["torch"]
    timed.fail = lambda job: None
    assert tune(quick_settings("torch", "jax"), out=tmp_path / "tune").kept == ["torch"]


@pytest.mark.usefixtures("quick_definitions")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ('{"engine": "torch"', "is damaged"),
        ({"engine_version": "0.9"}, "of version 0.9, installed is 1.0"),
        ({"format": 99}, "of something else"),
        ({"environment": {"A B": "x"}}, "is damaged"),
        ({"options": {"gone": True}}, "has no option 'gone'"),
    ],
)
def test_a_profile_that_does_not_fit_is_ignored_with_a_note(
    timed: Timed, prover: Prover, tmp_path: Path, damage: Any, reason: str
) -> None:
    tune(quick_settings("torch"), out=tmp_path / "tune")
    (path,) = profiles.root().iterdir()
    whole = json.loads(path.read_text())
    path.write_text(damage if isinstance(damage, str) else json.dumps({**whole, **damage}))
    compared = run(quick_settings("torch", tuned=True, budget=None), tmp_path / "out")
    assert [row["engine"] for row in compared.rows] == ["torch"]
    assert any(reason in note for note in compared.notes)
    assert any("torch has no profile for mlp at 8" in note for note in compared.notes)


@pytest.mark.usefixtures("quick_definitions")
def test_other_batches_other_profile(timed: Timed, prover: Prover, tmp_path: Path) -> None:
    tune(quick_settings("torch"), out=tmp_path / "tune")
    compared = run(quick_settings("torch", tuned=True, budget=None, batch_size=32), tmp_path / "out")
    assert [row["engine"] for row in compared.rows] == ["torch"]
    assert any("--batch-size 32" in note for note in compared.notes)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"network": "mlp,lenet5"}, "tuning takes one network"),
        ({"division": "wide"}, "there is no division 'wide'; there are closed and open"),
        ({"engine": "torch@x"}, "tuning takes engines by their own names"),
        ({"engine": "torsh"}, "there is no engine 'torsh'"),
        ({"budget": "soon"}, "is not a time"),
    ],
)
def test_wrong_use(arguments: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    wrong = {"network": "mlp", "data": "digits", "engine": "torch", "progress": False, **arguments}
    with pytest.raises(CrosstrainError, match=sentence):
        crosstrain.tune(**wrong, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_real_engine_is_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real trials: samples on an epoch's clock, compiling apart; the evidence is in the profile."""
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    result = crosstrain.tune(
        "mlp", "digits", engine="torch", size=8, budget=4, progress=False, out=tmp_path / "t"
    )
    (profile,) = result.engines
    assert profile.status in ("tuned", "default")
    default = profile.trials[0]
    assert default.settings == {}
    assert default.seconds is not None
    assert len(default.samples) >= 2
    trained = crosstrain.compare(
        "mlp", "digits", engines="torch", sizes=8, epochs=2, proof=False, progress=False, out=tmp_path / "c"
    )
    epoch = min(trained.cells[0].epoch_seconds)
    assert 0.2 < default.seconds / epoch < 5
    assert profiles.find("torch", "mlp", profile.key).profile == profile


def test_the_guide_tells_of_every_setting() -> None:
    """docs/tuning.md has a row for each setting of the environment, with its choices and its meaning; names
    are one setting's alone on every engine."""
    guide = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text()
    for knob in KNOBS:
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{knob.name}`"))
        assert knob.help in row
        assert all(name in row for name in knob.choices)
    for engine in ("torch", "tensorflow", "keras-jax", "mxnet", "paddle"):
        names = [d.name for d in space_of(engine, TORCH, device="cpu", threads=4, division="open").dimensions]
        assert len(names) == len(set(names))

"""The command line: exit codes, one sentence for wrong use, JSON alone on standard output, help."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from crosstrain.cli import app
from tests.comparison.conftest import defined, quick_definitions
from tests.comparison.fakes import Prover, Workers, prover, workers

__all__ = ["defined", "prover", "quick_definitions", "workers"]

QUICK = ["--engines", "torch,jax", "--sizes", "8", "--epochs", "2"]


def crosstrain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(result: Result) -> str:
    """The sentence of a wrong use."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("crosstrain: ")]
    assert len(lines) == 1, result.stderr
    return lines[0].removeprefix("crosstrain: ")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- help and lists -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "command", ["compare", "prove", "train", "code", "export", "networks", "engines", "datasets", "study"]
)
def test_help_shows_examples(command: str) -> None:
    result = crosstrain(command, "--help")
    assert result.exit_code == 0
    assert f"\n    crosstrain {command}" in result.stdout
    assert crosstrain("--help").stdout.count("crosstrain ") >= 4


ISSUE = {
    "compare": "--data --engines --sizes --epochs --seeds --device --batch-size --optimizer --learning-rate "
    "--momentum --budget --out --json",
    "prove": "--engines --precision --json",
    "train": "--data --engine --json --out",
    "networks": "--json",
    "engines": "--json",
    "datasets": "--json",
}


@pytest.mark.parametrize("command", ISSUE)
def test_the_promised_options_are_there(command: str) -> None:
    shown = crosstrain(command, "--help").stdout
    assert [option for option in ISSUE[command].split() if option not in shown] == []


def test_version() -> None:
    result = crosstrain("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "crosstrain")


@pytest.mark.parametrize("command", ["networks", "datasets"])
def test_lists_as_a_table_and_as_json(command: str) -> None:
    table = crosstrain(command)
    assert table.exit_code == 0
    assert max(map(len, table.stdout.splitlines())) <= 100
    rows = json.loads(crosstrain(command, "--json", "-").stdout)[command]
    assert [row["name"] for row in rows]
    assert all(row["name"] in table.stdout for row in rows)


def test_engines_without_looking() -> None:
    rows = json.loads(crosstrain("engines", "--no-look", "--json", "-").stdout)["engines"]
    assert {row["name"] for row in rows} >= {"torch", "tensorflow", "jax"}
    assert {row["status"] for row in rows} <= {"ready", "missing"}
    assert all(row["install"] == f"crosstrain engines install {row['name']}" for row in rows)


# -- compare ------------------------------------------------------------------------------------
@pytest.mark.usefixtures("quick_definitions")
class TestCompare:
    def test_done_is_0_with_table_recommendation_and_folder(self, workers: Workers, prover: Prover) -> None:
        result = crosstrain("compare", "mlp", "--data", "digits", *QUICK, "--out", "out")
        assert result.exit_code == 0, result.output
        assert "Take torch with mlp at 8" in result.stdout
        assert "Results are in out" in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 100
        assert "epoch 2/2" in result.stderr

    def test_json_alone_on_standard_output(self, workers: Workers, prover: Prover) -> None:
        result = crosstrain("compare", "mlp", "-d", "digits", *QUICK, "--json", "-")
        assert result.exit_code == 0
        assert len(json.loads(result.stdout)["cells"]) == 2

    def test_json_to_a_file_beside_the_table(self, workers: Workers, prover: Prover, tmp_path: Path) -> None:
        result = crosstrain("compare", "mlp", "-d", "digits", *QUICK, "--json", "r.json")
        assert "Take torch" in result.stdout
        assert json.loads((tmp_path / "r.json").read_text())["recommendation"]["engine"] == "torch"

    def test_the_same_command_finds_its_folder_again(
        self, workers: Workers, prover: Prover, tmp_path: Path
    ) -> None:
        for _ in range(2):
            assert crosstrain("compare", "mlp", "-d", "digits", *QUICK).exit_code == 0
        assert len(workers.cells) == 2
        assert len(list((tmp_path / "crosstrain-runs").iterdir())) == 1

    def test_a_departure_is_1(self, workers: Workers, prover: Prover) -> None:
        prover.status = {"jax": "departs"}
        assert crosstrain("compare", "mlp", "-d", "digits", *QUICK).exit_code == 1

    def test_interrupted_is_130_and_shows_what_is_finished(self, workers: Workers, prover: Prover) -> None:
        workers.fail = lambda job: KeyboardInterrupt() if job["engine"] == "jax" else None
        result = crosstrain("compare", "mlp", "-d", "digits", *QUICK)
        assert result.exit_code == 130
        assert "run the same command again" in result.stderr
        assert "torch" in result.stdout

    def test_options_reach_the_cells(self, workers: Workers, prover: Prover) -> None:
        arguments = [
            "--optimizer", "adam:beta_1=0.8", "--learning-rate", "0.002", "--batch-size", "32",
            "--seeds", "2",
            "--schedule", "cosine:decay_steps=10", "--weight-decay", "0.01", "--option", "torch.compile=true",
            "--threads", "3", "--workers", "2", "--precision", "float64",
        ]  # fmt: skip
        result = crosstrain("compare", "mlp", "-d", "digits", *QUICK, *arguments)
        assert result.exit_code == 0, result.output
        job = next(j for j in workers.jobs if j["task"] == "train" and j["engine"] == "torch")
        optimizer = job["recipe"]["optimizer"]
        assert (optimizer["name"], optimizer["beta_1"], optimizer["learning_rate"]) == ("adam", 0.8, 0.002)
        assert optimizer["weight_decay"] == 0.01
        assert (job["recipe"]["batch_size"], job["threads"], job["precision"]) == (32, 3, "float64")
        assert job["recipe"]["schedule"] == {"name": "cosine", "settings": {"decay_steps": 10}}
        assert job["options"] == {"compile": True}
        assert (job["workers"], job["device"]) == (2, "cpu")

    def test_seeds_are_counted_from_the_first(self, workers: Workers, prover: Prover) -> None:
        result = crosstrain("compare", "mlp", "-d", "digits", *QUICK, "--seeds", "2", "--seed", "3")
        assert result.exit_code == 0, result.output
        jobs = [job for job in workers.jobs if job["task"] == "train"]
        assert sorted({(job["seed"], job["recipe"]["seed"]) for job in jobs}) == [(3, 3), (4, 4)]
        assert len(jobs) == 4


# -- wrong use ----------------------------------------------------------------------------------
WRONG: list[tuple[list[str], str]] = [
    (["compare", "resnet99", "--data", "digits"], "no network 'resnet99'"),
    (["compare", "mlp", "--data", "digitz"], "no data set 'digitz'; did you mean digits"),
    (["compare", "mlp", "--data", "digits", "--engines", "pytorch"], "no engine 'pytorch'"),
    (["compare", "mlp", "--data", "mnist:gone"], "no file or folder gone"),
    (["compare", "mlp", "--data", "digits", "--budget", "soon"], "'soon' is not a time"),
    (["compare", "mlp", "--data", "digits", "--sizes", "32,big"], "'big' is not an input size"),
    (["compare", "mlp", "--data", "digits", "--option", "compile"], "'compile' is not an option"),
    (["compare", "mlp", "--data", "digits", "--json", "gone/r.json"], "cannot write gone/r.json"),
    (["compare", "mlp", "--data", "digits", "--option", "torch.a=" + "[" * 9000], "nested"),
    (["compare", "mlp", "--data", "digits", "--optimizer", "adam:beta_1=" + "[" * 9000], "nested"),
    (["compare", "mlp", "--data", "digits", "--sizes", "1e400"], "'1e400' is not an input size"),
    (["compare", "mlp", "--data", "digits", "--sizes", "9" * 5000], "more than 32768 pixels"),
    (["compare", "mlp", "--data", "digits", "--memory-limit", "9" * 400], "too much memory"),
    (["train", "mlp", "--data", "digits", "--engine", "torch", "--learning-rate", "1e400"], "not a number"),
    (["prove", "mlp", "--schedule", 'step:boundaries=[1,"b"],factors=[1,2]'], "not a list of numbers"),
    (["prove", "mlp", "--loss", "huber:weight=1e400"], "is '1e400', which is not a number"),
    (["prove", "mlp", "--input-shape", "9" * 5000], "not an input shape"),
    (["compare", "gone.py:net", "--data", "digits"], "no file gone.py"),
    (["prove", "resnet99"], "no network 'resnet99'"),
    (["prove", "mlp", "--precision", "float8"], "no proof in 'float8'"),
    (["prove", "mlp", "--input-shape", "large"], "'large' is not an input shape"),
    (["prove", "mlp", "--engines", "pytorch"], "no engine 'pytorch'"),
    (["train", "mlp", "--data", "digits", "--engine", "pytorch"], "no engine 'pytorch'"),
    (["train", "mlp,lenet5", "--data", "digits", "--engine", "torch"], "takes one network"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[" ".join(w[0])[:80] for w in WRONG])
def test_wrong_use_is_2_and_one_sentence_with_nothing_written(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(crosstrain(*arguments))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["compare", "mlp"], ["compare", "mlp", "--data", "digits", "--epochs", "x"], ["fly"]]
)
def test_what_cannot_be_parsed_is_2_too(arguments: list[str]) -> None:
    assert crosstrain(*arguments).exit_code == 2


def test_an_empty_data_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    sentence = refused(crosstrain("compare", "mlp", "--data", "folder:photos", "--sizes", "8"))
    assert "photos" in sentence
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_data_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir(mode=0o000)
    assert "photos" in refused(crosstrain("compare", "mlp", "--data", "folder:photos", "--sizes", "8"))


def test_a_file_that_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 but no more")
    assert "x.npz" in refused(crosstrain("compare", "mlp", "--data", "arrays:x.npz"))


def fitting(tmp_path: Path, code: str) -> Result:
    """A comparison of the network ``build`` in ``code`` with digits, by real definition."""
    (tmp_path / "net.py").write_text(f"import keras\nfrom keras import layers\n{code}\n")
    return crosstrain("compare", "net.py:build", "--data", "digits", "--engines", "torch")


NETWORKS = {
    "takes 5×5×1": "def build(): return keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(2, 9)])",
    "no 'build'": "def other(): return 1",
    "boom": "def build(): raise RuntimeError('boom')",
    "keras.Model": "def build(): return 42",
}


@pytest.mark.parametrize("sentence", ["no 'build'", "boom", "keras.Model"])
def test_a_file_that_gives_no_network(tmp_path: Path, sentence: str) -> None:
    assert sentence in refused(fitting(tmp_path, NETWORKS[sentence]))
    assert not (tmp_path / "crosstrain-runs").exists()


def test_a_network_whose_input_does_not_fit_the_data(tmp_path: Path) -> None:
    code = "def build(): return keras.Sequential([keras.Input((7,)), layers.Dense(10)])"
    assert "(7" in refused(fitting(tmp_path, code)) or "takes 7" in refused(fitting(tmp_path, code))
    assert not (tmp_path / "crosstrain-runs").exists()


def test_a_loss_that_does_not_fit_the_outputs(tmp_path: Path) -> None:
    code = "def build(): return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])"
    assert "3" in refused(fitting(tmp_path, code))
    arguments = ["compare", "mlp", "--data", "digits", "--sizes", "8", "--engines", "torch", "--loss"]
    assert "ctc" in refused(crosstrain(*arguments, "ctc")).lower()
    assert "nonsense" in refused(crosstrain(*arguments, "nonsense"))
    assert not (tmp_path / "crosstrain-runs").exists()


def saved(path: Path, *extra: Any) -> None:
    import keras

    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), *extra, keras.layers.Dense(10)]).save(
        path
    )


def test_a_truncated_keras_file(tmp_path: Path) -> None:
    saved(tmp_path / "whole.keras")
    (tmp_path / "half.keras").write_bytes((tmp_path / "whole.keras").read_bytes()[:3000])
    assert "half.keras" in refused(
        crosstrain("compare", "half.keras", "--data", "digits", "--engines", "torch")
    )
    assert "half.keras" in refused(crosstrain("prove", "half.keras", "--engines", "torch"))


def test_an_unsafe_keras_file_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    import keras

    # The path is a constant of the bytecode that the file carries.
    spy = eval(f"lambda x: (open({str(tmp_path / 'ran')!r}, 'w').close(), x)[1]")
    saved(tmp_path / "spy.keras", keras.layers.Lambda(spy))
    assert (tmp_path / "ran").exists(), "the spy does not report"
    (tmp_path / "ran").unlink()
    for command in (["compare", "spy.keras", "--data", "digits"], ["prove", "spy.keras"]):
        assert "--trust" in refused(crosstrain(*command, "--engines", "torch"))
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "crosstrain-runs").exists()


def test_an_arrays_file_with_pickles_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([{}, {}], dtype=object), y=np.zeros(2))
    assert "x.npz" in refused(crosstrain("compare", "mlp", "--data", "arrays:x.npz"))

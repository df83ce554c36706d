"""``crosstrain engines`` and its commands, ``crosstrain networks --engines``: what they print, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crosstrain.comparison import pairs
from crosstrain.comparison.settings import settings
from crosstrain.engines.registry import BUILT_IN, EngineRow
from crosstrain.environments.environments import default
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.grid import console
from crosstrain.reporting.terminal.tables import comparison_table, faults
from tests.cli.test_commands import crosstrain, refused
from tests.comparison.fakes import cell

OWN = [*default()]
MISSING = EngineRow("absent", "absent", ("absent_framework",), "absent", "torch.txt")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> EngineRow:
    """An engine that is nowhere installed, among the others."""
    monkeypatch.setattr("crosstrain.engines.registry.BUILT_IN", (*BUILT_IN, MISSING))
    return MISSING


def test_the_table_is_narrow_and_says_how_to_install(absent: EngineRow) -> None:
    shown = crosstrain("engines", "list", "--no-look").stdout
    assert max(map(len, shown.splitlines())) <= 100
    assert [line.split()[0] for line in shown.splitlines()[2 : 2 + len(BUILT_IN)]] == [
        r.name for r in BUILT_IN
    ]
    assert "absent" in shown.partition("Not installed: ")[2].partition("Install")[0]
    assert "crosstrain engines install" in shown


def test_what_the_json_says(absent: EngineRow) -> None:
    rows = {
        r["name"]: r for r in json.loads(crosstrain("engines", "--no-look", "--json", "-").stdout)["engines"]
    }
    assert (rows["absent"]["status"], rows["absent"]["environment"], rows["absent"]["version"]) == (
        "missing", None, None,
    )  # fmt: skip
    for name in OWN:
        assert (rows[name]["status"], rows[name]["environment"]) == ("ready", "own")
    assert rows["torch"]["trains"]
    assert not rows["onnxruntime"]["trains"]


@pytest.mark.parametrize("command", ["install", "remove", "doctor"])
def test_help_of_each_command_has_examples(command: str) -> None:
    assert f"crosstrain engines {command}" in crosstrain("engines", command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["install"], "name at least one engine"),
        (["install", "abacus"], "no engine 'abacus'"),
        (["install", "--all", "torch"], "not both"),
        (["remove"], "name at least one engine"),
        (["remove", "abacus"], "no engine 'abacus'"),
        (["doctor", "abacus"], "no engine 'abacus'"),
    ],
)
def test_wrong_use_is_2_and_one_sentence(arguments: list[str], words: str) -> None:
    assert words in refused(crosstrain("engines", *arguments))


@pytest.mark.skipif(not OWN, reason="no engine is installed here")
def test_the_own_python_is_left_alone() -> None:
    result = crosstrain("engines", "install", OWN[0])
    assert result.exit_code == 0
    assert f"{OWN[0]} " in result.stdout
    assert "runs in your own Python" in result.stdout
    gone = crosstrain("engines", "remove", OWN[0])
    assert gone.exit_code == 0
    assert "nothing to remove" in gone.stdout


def test_an_installation_that_fails_is_1_and_the_others_go_on(
    absent: EngineRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(row: EngineRow, tell: Any) -> None:
        raise CrosstrainError(f"cannot install {row.name}: no network")

    monkeypatch.setattr("crosstrain.api.engines.install", fail)
    result = crosstrain("engines", "install", "absent", *OWN[:1])
    assert result.exit_code == 1
    assert "cannot install absent: no network" in result.stderr
    assert all(name in result.stdout for name in OWN[:1])


def test_doctor_of_what_is_missing_is_1_and_says_what_to_do(absent: EngineRow) -> None:
    result = crosstrain("engines", "doctor", "absent")
    assert result.exit_code == 1
    assert "absent is not installed" in result.stdout
    assert "crosstrain engines install absent" in result.stdout


# -- all, and pairs ------------------------------------------------------------------------------
def test_all_are_those_that_train_and_are_there(absent: EngineRow) -> None:
    chosen = settings("mlp", "digits", engines="all").engines
    rows = {row.name: row for row in BUILT_IN}
    assert {*OWN} <= {*chosen}
    assert "absent" not in chosen
    assert all(rows[name].trains for name in chosen)
    with pytest.raises(CrosstrainError, match="runs trained networks and does not train"):
        settings("mlp", "digits", engines="onnxruntime")


def test_pairs_come_from_ops_and_declarations(
    absent: EngineRow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready = {"status": "ready", "error": None, "unsupported": {}}
    descriptions = {
        "torch": ready,
        "jax": {**ready, "unsupported": {"average_pool": "it has no windows", "fft": "never asked"}},
        "tensorflow": {"status": "broken", "error": "no libcuda"},
    }
    monkeypatch.setattr(pairs, "described", lambda rows: descriptions)
    result = crosstrain("networks", "mlp,lenet5", "--engines", "torch,jax,tensorflow,absent", "--json", "-")
    by_key = {(p["network"], p["engine"]): p for p in json.loads(result.stdout)["pairs"]}
    assert {key for key, pair in by_key.items() if pair["runs"]} == {
        ("mlp", "torch"), ("lenet5", "torch"), ("mlp", "jax"),
    }  # fmt: skip
    assert by_key["lenet5", "jax"]["reason"] == "jax cannot run the op 'average_pool': it has no windows"
    assert by_key["mlp", "tensorflow"]["reason"] == "broken: no libcuda"
    assert "crosstrain engines install absent" in by_key["mlp", "absent"]["reason"]
    shown = crosstrain("networks", "mlp,lenet5", "--engines", "torch,jax,absent").stdout
    assert [line.split() for line in shown.splitlines()[2:5]] == [
        ["torch", "✓", "✓"], ["jax", "✓", "!"], ["absent", "!", "!"],
    ]  # fmt: skip
    assert "jax, lenet5: jax cannot run the op 'average_pool'" in shown
    assert "--engines" in refused(crosstrain("networks", "mlp"))


def test_a_comparison_shows_what_an_engine_cannot_run() -> None:
    from tests.comparison.test_report import result

    reason = "mxnet cannot run the op 'lstm': it has no scan"
    comparison = result(
        cell("torch"), cell("mxnet", status="cannot", error=reason, epochs=[], certificate="cannot")
    )
    out = console()
    with out.capture() as shown:
        out.print(comparison_table(comparison))
    (line,) = [line for line in shown.get().splitlines() if "mxnet" in line]
    assert "cannot" in line
    assert any(reason in line and "cannot" in line for line in faults(comparison))


def test_without_an_own_engine_the_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crosstrain.comparison.settings.default", tuple)
    monkeypatch.setattr("crosstrain.comparison.settings.ready", lambda training: ("mxnet", "mlx"))
    with pytest.raises(CrosstrainError, match="use --engines all, or name one, as --engines mxnet"):
        settings("mlp", "digits")
    monkeypatch.setattr("crosstrain.comparison.settings.ready", lambda training: ())
    with pytest.raises(CrosstrainError, match="one comes with: crosstrain engines install torch"):
        settings("mlp", "digits")
    with pytest.raises(CrosstrainError, match="no engine is installed"):
        settings("mlp", "digits", engines="all")

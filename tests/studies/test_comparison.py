"""The driver: order, resume, refusal, budgets, and what a failure costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crosstrain.comparison.settings import settings
from crosstrain.engines.registry import EngineRow
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.comparison import Comparison
from crosstrain.runs.process import Outcome
from crosstrain.runs.store import Store
from crosstrain.studies.comparison import Interrupted, run
from tests.comparison.fakes import Prover, Workers

pytestmark = pytest.mark.usefixtures("quick_definitions")


def request(**options: Any) -> Any:
    defaults = {"engines": ["torch", "jax"], "sizes": [8], "epochs": 2, "threads": 1}
    return settings(options.pop("networks", "mlp"), "digits", **{**defaults, **options})


def test_a_comparison_from_beginning_to_end(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    result = run(request(seeds=2, repeats=2), tmp_path / "out")
    assert len(result.cells) == 8
    assert [c.status for c in result.cells] == ["done"] * 8
    assert {c.certificate for c in result.cells} == {"proved"}
    assert result.recommendation.engine == "torch"
    assert workers.cells[:4] == [
        "mlp-8-torch-s0-r0",
        "mlp-8-jax-s0-r0",
        "mlp-8-jax-s1-r0",
        "mlp-8-torch-s1-r0",
    ]
    assert prover.calls == [("mlp", "torch"), ("mlp", "jax")]
    recipes = {(job["seed"], job["recipe"]["seed"]) for job in workers.jobs}
    assert recipes == {(0, 0), (1, 1)}


def test_the_json_has_the_promised_keys(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    data = Comparison(run(request(), tmp_path / "out")).to_json()
    promised = {
        "network", "engine", "engine_version", "device", "input_size", "seed", "division", "status",
        "certificate", "epochs", "compile_seconds", "prepare_seconds", "evaluate_seconds", "test_accuracy",
        "peak_memory_bytes",
    }  # fmt: skip
    for cell in data["cells"]:
        assert promised <= set(cell)
        for epoch in cell["epochs"]:
            assert {"train_seconds", "images_per_second", "train_loss", "validation_accuracy"} <= set(epoch)
    assert {"engine", "network", "input_size", "reason"} <= set(data["recommendation"])
    assert {"processor", "cores", "memory_bytes", "versions"} <= set(data["machine"])
    json.dumps(data, allow_nan=False)


def test_the_same_again_does_nothing_again(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    first = run(request(), tmp_path / "out")
    jobs, proofs = list(workers.jobs), list(prover.calls)
    second = run(request(), tmp_path / "out")
    assert workers.jobs == jobs
    assert prover.calls == proofs
    assert [c.model_dump() for c in second.cells] == [c.model_dump() for c in first.cells]


def test_only_what_failed_is_run_again(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    workers.fail = lambda job: (
        Outcome("crashed", None, "it fell over (SIGABRT)", tmp_path, 1.0, None)
        if job["engine"] == "jax"
        else None
    )
    result = run(request(), tmp_path / "out")
    assert [(c.engine, c.status) for c in result.cells] == [("torch", "done"), ("jax", "crashed")]
    assert result.cells[1].error == "it fell over (SIGABRT)"
    assert result.recommendation.engine == "torch"
    assert not Comparison(result).ok
    workers.fail = lambda job: None
    assert Comparison(run(request(), tmp_path / "out")).ok
    assert workers.cells.count("mlp-8-torch-s0-r0") == 1
    assert workers.cells.count("mlp-8-jax-s0-r0") == 2


def test_ctrl_c_keeps_what_is_finished(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    workers.fail = lambda job: KeyboardInterrupt() if job["engine"] == "jax" else None
    with pytest.raises(Interrupted) as stop:
        run(request(), tmp_path / "out")
    assert [c.engine for c in stop.value.result.cells] == ["torch"]
    assert Comparison.load(tmp_path / "out").cells[0].status == "done"
    workers.fail = lambda job: None
    run(request(), tmp_path / "out")
    assert workers.cells.count("mlp-8-torch-s0-r0") == 1


def test_other_settings_in_the_same_folder_are_refused(
    workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    run(request(), tmp_path / "out")
    with pytest.raises(CrosstrainError, match=r"recipe.optimizer.learning_rate was 0.01, now 0.1"):
        run(request(learning_rate=0.1), tmp_path / "out")
    with pytest.raises(CrosstrainError, match="--out"):
        run(request(engines=["torch"]), tmp_path / "out")
    assert len(Comparison.load(tmp_path / "out").cells) == 2


def test_another_version_of_a_framework_is_not_mixed_in(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(request(), tmp_path / "out")
    monkeypatch.setattr(EngineRow, "version", property(lambda row: "2.0"))
    with pytest.raises(CrosstrainError, match="the version of torch has changed since"):
        run(request(), tmp_path / "out")


def test_a_changed_network_file_is_refused(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("def build(): ...")
    run(request(networks=f"{file}:build"), tmp_path / "out")
    file.write_text("def build(): return 1")
    with pytest.raises(CrosstrainError, match=r"files\."):
        run(request(networks=f"{file}:build"), tmp_path / "out")


def test_a_folder_at_work_and_a_strangers_folder_are_refused(workers: Workers, tmp_path: Path) -> None:
    with Store(tmp_path / "out"), pytest.raises(CrosstrainError, match=r"another crosstrain.*at work"):
        run(request(), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    with pytest.raises(CrosstrainError, match=r"contains other files \(thesis.tex\)"):
        run(request(), tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("there", [False, True])
def test_wrong_use_leaves_nothing_behind(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refuse(*arguments: Any, **given: Any) -> Any:
        raise CrosstrainError("the network takes 32×32×3, the data is 8×8×1")

    monkeypatch.setattr("crosstrain.comparison.subjects.define", refuse)
    out = tmp_path / "runs" / "out"
    if there:
        out.mkdir(parents=True)
    with pytest.raises(CrosstrainError, match="takes 32×32×3"):
        run(request(), out)
    assert not workers.jobs
    assert list(out.iterdir()) == [] if there else not (tmp_path / "runs").exists()


def test_a_network_that_does_not_fit_costs_only_its_own_cells(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crosstrain.comparison import subjects

    define = subjects.define

    def picky(source: str, **given: Any) -> Any:
        if source == "lenet5":
            raise CrosstrainError("lenet5 does not fit")
        return define(source, **given)

    monkeypatch.setattr(subjects, "define", picky)
    result = run(request(networks="mlp,lenet5"), tmp_path / "out")
    assert [(c.network, c.status) for c in result.cells] == [("mlp", "done")] * 2 + [("lenet5", "cannot")] * 2
    assert not Comparison(result).ok


def test_a_missing_engine_is_one_line_and_the_others_go_on(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineRow, "importable", property(lambda row: row.name != "jax"))
    result = run(request(), tmp_path / "out")
    assert [(c.engine, c.status) for c in result.cells] == [("torch", "done"), ("jax", "missing")]
    assert "crosstrain engines install jax" in (result.cells[1].error or "")
    with pytest.raises(CrosstrainError, match="engines install jax"):
        run(request(engines=["jax"]), tmp_path / "alone")
    monkeypatch.setattr(EngineRow, "importable", property(lambda row: True))
    assert Comparison(run(request(), tmp_path / "out")).ok


def test_a_departure_is_marked_noted_and_never_recommended(
    workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    prover.status = {"torch": "departs"}
    result = run(request(), tmp_path / "out")
    assert [(c.engine, c.certificate) for c in result.cells] == [("torch", "departs"), ("jax", "proved")]
    assert result.recommendation.engine == "jax"
    assert any("torch" in note and "departs" in note for note in result.notes)
    assert not Comparison(result).ok


def test_without_proof_nothing_is_recommended(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    result = run(request(proof=False), tmp_path / "out")
    assert prover.calls == []
    assert result.recommendation.engine is None
    assert Comparison(result).ok


def test_open_options_make_open_rows(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    closed = run(request(options={"torch": {"compile": True}}), tmp_path / "closed")
    assert [c.division for c in closed.cells] == ["closed", "closed"]
    opened = run(request(options={"torch": {"bfloat16": True}}), tmp_path / "open")
    assert [c.division for c in opened.cells] == ["open", "closed"]
    assert opened.recommendation.engine == "jax"
    with pytest.raises(CrosstrainError, match="has no option 'x'; it has compile, deterministic, bfloat16"):
        run(request(options={"torch": {"x": 1}}), tmp_path / "x")
    with pytest.raises(CrosstrainError, match="cannot be 'maybe'"):
        run(request(options={"torch": {"compile": "maybe"}}), tmp_path / "y")
    with pytest.raises(CrosstrainError, match="has no device 'cuda:0'"):
        run(request(device="cuda:0"), tmp_path / "z")


def test_a_budget_measures_one_epoch_then_takes_cells_up_again(
    workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    result = run(request(budget=60.0, epochs=None), tmp_path / "out")
    probes = [job for job in workers.jobs if job["recipe"]["epochs"] == 1]
    assert len(probes) == 2
    rest = [job for job in workers.jobs if job["recipe"]["epochs"] > 1]
    assert {job["checkpoint"] for job in probes} <= {job["checkpoint"] for job in rest}
    assert all(job["resume"] for job in rest)
    assert len({len(c.epochs) for c in result.cells}) == 1
    assert any("left out" in note for note in result.notes)
    jobs = list(workers.jobs)
    again = run(request(budget=60.0, epochs=None), tmp_path / "out")
    assert workers.jobs == jobs
    assert len(again.cells) == len(result.cells)


def test_a_budget_that_is_used_up_leaves_cells_out(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    result = run(request(budget=1e-6), tmp_path / "out")
    assert [c.status for c in result.cells] == ["left out", "left out"]
    assert workers.cells == []
    assert result.recommendation.engine is None


def test_limits_reach_the_workers(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    run(request(timeout="90s", memory_limit="1G"), tmp_path / "out")
    assert {job["limits"]["timeout"] for job in workers.jobs} == {90.0}
    assert {job["limits"]["memory_limit"] for job in workers.jobs} == {2**30}


def test_garbage_from_a_worker_costs_its_cell(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    workers.fail = lambda job: (
        Outcome("done", {"epochs": "many"}, None, tmp_path, 1.0, None) if job["engine"] == "jax" else None
    )
    result = run(request(), tmp_path / "out")
    assert [(c.engine, c.status) for c in result.cells] == [("torch", "done"), ("jax", "failed")]
    assert "result is not one" in (result.cells[1].error or "")


def test_a_damaged_record_is_run_again(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    run(request(), tmp_path / "out")
    (tmp_path / "out" / "cells" / "mlp-8-jax-s0-r0.json").write_text('{"status": "do')
    (tmp_path / "out" / "cells" / "mlp-8-torch-s0-r0.json").write_text('{"status": "done"}')
    assert Comparison(run(request(), tmp_path / "out")).ok
    assert len(workers.cells) == 4


def test_a_full_disk_is_one_sentence_and_can_be_resumed(
    workers: Workers, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.write_cell

    def full(store: Store, name: str, *rest: Any) -> None:
        if "jax" in name:
            raise StorageError("the disk is full")
        write(store, name, *rest)

    monkeypatch.setattr(Store, "write_cell", full)
    with pytest.raises(StorageError):
        run(request(), tmp_path / "out")
    monkeypatch.undo()
    assert (tmp_path / "out" / "cells" / "mlp-8-torch-s0-r0.json").exists()


def test_the_account_adds_up(workers: Workers, prover: Prover, tmp_path: Path) -> None:
    result = run(request(), tmp_path / "out")
    wall = result.wall
    assert wall["training"] == pytest.approx((1.0 + 2.0) * 2)
    assert wall["importing"] >= 2 * 0.5
    assert wall["compiling"] == pytest.approx(2 * 0.25)
    assert wall["evaluating"] == pytest.approx(2 * 0.1)


def test_data_is_prepared_once_for_all_and_definitions_differ_by_seed(
    workers: Workers, prover: Prover, tmp_path: Path, quick_definitions: list[dict[str, Any]]
) -> None:
    run(request(networks="mlp,lenet5", seeds=3), tmp_path / "out")
    assert [(c["source"], c["seed"]) for c in quick_definitions] == [
        (network, seed) for network in ("mlp", "lenet5") for seed in range(3)
    ]
    assert len({job["data_folder"] for job in workers.jobs}) == 1
    assert all(c["classes"] == 10 and c["input_shapes"] == {"": [8, 8, 1]} for c in quick_definitions)

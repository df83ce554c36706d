"""Prepared data kept on the device: the same batches, the same weights, nothing that does not fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data.prepared import Prepared
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.engines.resident import SHARE, Rows, worth_keeping
from crosstrain.runs.tasks import cell
from crosstrain.system.files import read_arrays
from crosstrain.training.recipe import batches
from tests.runs import sample
from tests.runs.test_cell import Recorder, job, recipe, run

PARTS = {"train": {"x": np.zeros((10, 4), "float32")}, "test": {"x": np.zeros((5, 4), "float32")}}
NEEDED = 15 * 4 * 4

ENGINES = [only] if (only := os.environ.get("CROSSTRAIN_TEST_ENGINE")) else ["torch", "tensorflow", "jax"]
"""Keras's are tried in processes of their own (``tests/engines/test_keras.py``)."""


def _here(engine: str) -> None:
    if not engine_row(engine).importable:
        pytest.skip(f"{engine} is not installed here")


@pytest.mark.parametrize(
    ("choice", "free", "kept"),
    [
        ("auto", None, False), ("auto", SHARE * NEEDED, False), ("auto", SHARE * NEEDED + 1, True),
        ("device", None, True), ("device", 0, True), ("host", 10**12, False),
    ],
)  # fmt: skip
def test_what_is_kept(choice: str, free: int | None, kept: bool) -> None:
    assert worth_keeping(choice, PARTS, free) == kept


def test_rows_are_picked_as_from_an_array() -> None:
    array = np.arange(20).reshape(10, 2)
    rows, order = Rows.all(array), np.array([7, 1, 1, 9])
    assert (len(rows), len(rows[order]), len(rows[2:5][:2])) == (10, 4, 2)
    for which in (order, slice(3, None), slice(0, 4)):
        np.testing.assert_array_equal(array[rows[which].index], array[which])
    np.testing.assert_array_equal(array[rows[order][1:3].index], array[order][1:3])


class Keeper(Recorder):
    """A recorder that keeps data as if on a device."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[str]] = {}

    def keep(self, parts: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, Rows]]:
        self.kept = {part: sorted(arrays) for part, arrays in parts.items()}
        return {part: {n: Rows.all(a) for n, a in arrays.items()} for part, arrays in parts.items()}

    def train(self, inputs: Mapping[str, Any], learning_rate: float) -> float:
        assert {type(value) for value in inputs.values()} == {Rows}
        return super().train(inputs, learning_rate)

    def predict(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, np.ndarray]:
        assert {type(value) for value in inputs.values()} == {Rows}
        return super().predict({name: rows.array[rows.index] for name, rows in inputs.items()}, training)


def test_batches_come_in_the_recipes_order_and_evaluation_reads_the_device_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Keeper()
    monkeypatch.setattr(cell, "load_engine", lambda name: engine)
    record, _ = run(job(tmp_path, recipe(epochs=1)))
    assert set(engine.kept) == {"train", "validation", "test"}
    assert engine.kept["test"] == ["features"], "targets are judged on the host"
    data = Prepared.load(tmp_path / "data")
    order = list(batches(data.examples("train"), sample.BATCH, 0, 0))
    trained = [inputs for inputs, _ in engine.done("train")][-len(order) :]
    for inputs, index in zip(trained, order, strict=True):
        for rows in inputs.values():
            np.testing.assert_array_equal(rows.index, index)
    plain = Recorder()
    monkeypatch.setattr(cell, "load_engine", lambda name: plain)
    without, _ = run(job(tmp_path, recipe(epochs=1)))
    assert record["test_metrics"] == without["test_metrics"]


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_training_on_kept_data_is_the_training(engine: str, noisy: bool, tmp_path: Path) -> None:
    """Bit for bit, with a ragged last batch, validation and test."""
    _here(engine)
    records, weights = {}, {}
    for choice in ("host", "device"):
        out = tmp_path / f"{choice}.npz"
        request = job(
            tmp_path, recipe(epochs=2), engine, noisy, options={"data": choice}, weights_out=str(out),
            threads=None,
        )  # fmt: skip
        records[choice], _ = run(request)
        weights[choice] = read_arrays(out)
    for name, value in weights["host"].items():
        np.testing.assert_array_equal(weights["device"][name], value)
    one, other = records["host"], records["device"]
    assert one["test_metrics"] == other["test_metrics"]
    assert [e["train_loss"] for e in one["epochs"]] == [e["train_loss"] for e in other["epochs"]]


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_become_what_they_become_on_the_way_from_the_host(engine: str) -> None:
    """Bytes, whole numbers of 64 bits and float64 are kept, and read in the run's precision."""
    _here(engine)
    from tests.engines.networks import Net, cross_entropy

    net = Net("kinds")
    y = net.dense("y", net.feature("x", 4), 3)
    random = np.random.default_rng(0)
    case = net.case({"y": y}, cross_entropy, {"x": np.zeros((2, 4)), "target/y": np.zeros(2, "int64")})
    targets = random.integers(0, 3, 9)
    bytes_ = random.integers(0, 255, (9, 4)).astype("uint8")
    for inputs in (bytes_, random.standard_normal((9, 4))):
        network: Any = (
            engine_row(engine).load().build(case.program, case.weights, Setting(options={"data": "device"}))
        )
        whole = {"x": inputs, "target/y": targets}
        kept = network.keep({"train": whole})["train"]
        index = np.array([8, 0, 3])
        for name in whole:
            assert len(kept[name]) == 9
        rows = {name: each[index] for name, each in kept.items()}
        plain = {name: each[index] for name, each in whole.items()}
        np.testing.assert_array_equal(network.predict(rows)["y"], network.predict(plain)["y"])
        loss, _ = network.gradients(plain)
        assert network.gradients(rows)[0] == loss
        assert float(network.train(rows, 0.1)) == pytest.approx(loss, rel=1e-6)

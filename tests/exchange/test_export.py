"""``crosstrain export``: written, run in a foreign engine, and only then in place."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from crosstrain.cli import app
from crosstrain.engines.registry import engines
from crosstrain.errors import CrosstrainError
from crosstrain.exchange import export as exporting
from crosstrain.exchange import tasks
from crosstrain.exchange.export import export
from crosstrain.exchange.formats import FORMATS
from crosstrain.exchange.onnx.reading.importer import from_onnx
from tests.exchange.networks import network
from tests.foreign import needed, users_cache


@pytest.fixture
def real_cache() -> Iterator[None]:
    """Where environments are kept; skips where there is none with ONNX Runtime."""
    with users_cache():
        needed("onnxruntime")
        yield


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """A job about a network in a folder, as the define task leaves it."""
    sample, folder = network("lenet5"), tmp_path / "network"
    folder.mkdir()
    sample.graph.save(folder / "network.json", sample.weights)
    (folder / "definition.json").write_text(json.dumps({"name": "lenet5"}))
    return {"network_folder": str(folder), "weights": None, "data_folder": None, "format": "onnx"}


def silent(event: dict[str, Any]) -> None:
    """Nobody listens."""


# -- the table ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_names_engines_that_there_are_and_a_module_that_needs_none(name: str) -> None:
    row = FORMATS[name]
    assert set(row.verified_by) | set(row.written_by) <= set(engines())
    module = importlib.import_module(row.module)
    assert callable(module.write)
    assert callable(module.opened)
    assert row.makes


# -- the worker's tasks -------------------------------------------------------------------------
def test_the_tasks_of_an_export(job: dict[str, Any], tmp_path: Path) -> None:
    tasks.write({**job, "out": str(tmp_path / "net.onnx")}, silent)
    result = tasks.sample({**job, "out": str(tmp_path / "sample.npz"), "examples": 5}, silent)
    assert result == {"examples": 5}
    with np.load(tmp_path / "sample.npz") as stored:
        (key,) = (k for k in stored.files if k.startswith("input/"))
        assert stored[key].shape == (5, 32, 32, 1)
        graph, weights = from_onnx(tmp_path / "net.onnx")
        from crosstrain.graph.reference import run_numpy

        outputs, _ = run_numpy(graph, weights, {key.removeprefix("input/"): stored[key]})
        for name, value in outputs.items():
            assert np.allclose(value, stored[f"output/{name}"], rtol=1e-5, atol=1e-6)


def test_trained_weights_take_the_place_of_the_initial_ones(job: dict[str, Any], tmp_path: Path) -> None:
    trained = {k: v * 2 for k, v in network("lenet5").weights.items()}
    np.savez(tmp_path / "best.npz", **trained)
    source = tasks.source_of({**job, "weights": str(tmp_path / "best.npz")})
    assert all(np.array_equal(source.weights[k], trained[k]) for k in trained)


def test_random_inputs_fit_words_and_numbers() -> None:
    graph = network("branched").graph
    inputs = tasks.random_inputs(graph, 3)
    assert {k: (v.shape, v.dtype.name) for k, v in inputs.items()} == {
        "words": ((3, 4), "int32"), "pixels": ((3, 6), "float32"), "numbers": ((3, 3), "float32"),
    }  # fmt: skip


# -- the whole of it ----------------------------------------------------------------------------
@pytest.mark.usefixtures("real_cache")
def test_a_network_is_exported_verified_and_not_written_over(tmp_path: Path) -> None:
    out = tmp_path / "net.onnx"
    result = export("lenet5", "onnx", out=out)
    assert result.output_error < 1e-5
    assert result.verified_by == "onnxruntime"
    assert result.bytes == out.stat().st_size
    assert (result.weights, result.real_data, result.test_accuracy) == ("initial", False, None)
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    with pytest.raises(CrosstrainError, match="already exists"):
        export("lenet5", "onnx", out=out)
    before = out.stat().st_mtime_ns
    export("lenet5", "onnx", out=out, overwrite=True)
    assert out.stat().st_mtime_ns > before


@pytest.mark.usefixtures("real_cache")
def test_what_departs_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number of one weight is changed between writing and verifying."""
    honest = exporting._Worker.write

    def spoilt(self: Any, path: Path) -> None:
        honest(self, path)
        model = onnx.load(path)
        weight = model.graph.initializer[-1]
        array = numpy_helper.to_array(weight).copy()
        array.reshape(-1)[0] += 0.1
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        onnx.save(model, path)

    monkeypatch.setattr(exporting._Worker, "write", spoilt)
    with pytest.raises(CrosstrainError, match="departs from the network: in onnxruntime its outputs are off"):
        export("lenet5", "onnx", out=tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_an_accuracy_that_departs_is_refused() -> None:
    judge = exporting._Worker._judge
    verified = {"output_error": 1e-7, "test_accuracy": 0.90, "test_examples": 10_000}
    judge(None, "onnxruntime", verified, 0.9005)  # type: ignore[arg-type]
    with pytest.raises(CrosstrainError, match=r"its test accuracy is 0\.9000, the network's 0\.9100"):
        judge(None, "onnxruntime", verified, 0.91)  # type: ignore[arg-type]
    with pytest.raises(CrosstrainError, match="departs"):
        judge(None, "onnxruntime", {**verified, "output_error": float("nan")}, 0.90)  # type: ignore[arg-type]


# -- wrong use ----------------------------------------------------------------------------------
@pytest.mark.usefixtures("real_cache")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"form": "pmml"}, r"there is no format 'pmml'; there are onnx, keras"),
        ({"weights": "newest"}, r"weights are best or last, not 'newest'"),
        ({"cell": "a-b"}, r"lenet5 is not the folder of a comparison, so it has no cell 'a-b'"),
        ({"run": "nothing-here"}, r"there is no network 'nothing-here' in the zoo"),
        ({"run": "."}, r"is not a crosstrain folder"),
    ],
)
def test_wrong_use_is_one_sentence(settings: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    arguments = {"run": "lenet5", "form": "onnx", "out": tmp_path / "x", **settings}
    with pytest.raises(CrosstrainError, match=sentence) as error:
        export(**arguments)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_without_a_foreign_engine_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find", lambda row: None)
    with pytest.raises(CrosstrainError, match="has to be verified in another engine"):
        export("lenet5", "onnx", out=tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_no_export_made_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(CrosstrainError, match="is a folder that no export made"):
        exporting._check_place(mine, overwrite=True)
    (mine / exporting.MARK).write_text("{}")
    exporting._check_place(mine, overwrite=True)


# -- the command --------------------------------------------------------------------------------
@pytest.mark.usefixtures("real_cache")
def test_the_command_prints_json_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export", "lenet5", "--format", "onnx", "--json", "-"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["path"] == "lenet5.onnx"
    assert report["files"] == {"lenet5.onnx": (tmp_path / "lenet5.onnx").stat().st_size}


def test_the_command_says_what_is_wrong_and_exits_with_2() -> None:
    result = CliRunner().invoke(app, ["export", "lenet5", "--format", "docx"])
    assert result.exit_code == 2
    assert "crosstrain: there is no format 'docx'" in result.stderr

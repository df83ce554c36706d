"""Whole numbers keep their type on the way out: data sets hold tokens as int64, a file may take int32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crosstrain.engines.checks import as_taken
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.exchange.formats import Arrays
from crosstrain.exchange.onnx.writing.export import save, to_onnx
from crosstrain.exchange.tasks import taking
from crosstrain.graph.builder import Builder
from crosstrain.graph.graph import Graph, TensorSpec

TABLE = np.arange(12.0).reshape(6, 2)


def looked_up(kind: str) -> Graph:
    """Rows of a table by words, times a number for each example."""
    builder = Builder("looked_up")
    words = builder.add_input("words", TensorSpec((None, 3), kind))
    scale = builder.add_input("scale", TensorSpec((None, 1, 1)))
    (rows,) = builder.emit("take", builder.add_weight("embedding/embeddings", TABLE, True), words, axis=0)
    (y,) = builder.emit("multiply", rows, scale)
    return builder.graph({"y": y})


@pytest.mark.parametrize("kind", ["int32", "int64", "int16", "uint8"])
@pytest.mark.parametrize("given", ["int64", "int32", "uint8"])
def test_a_file_gets_tokens_in_the_type_of_its_input(kind: str, given: str) -> None:
    graph, seen = looked_up(kind), {}

    def predict(inputs: Arrays) -> Arrays:
        seen.update({name: array.dtype.name for name, array in inputs.items()})
        return {}

    taking(graph, predict)({"words": np.ones((2, 3), given), "scale": np.ones((2, 1, 1), "float32")})
    assert seen == {"words": kind, "scale": "float32"}


def test_an_array_is_taken_as_it_is_where_its_type_fits() -> None:
    tokens = np.arange(6, dtype="int32")
    assert as_taken(tokens, "int32") is tokens
    assert as_taken(tokens.astype("int64"), "int32").dtype == "int32"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "opencv"])
@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_runtimes_take_int64_tokens(engine: str, kind: str, tmp_path: Path) -> None:
    row = engine_row(engine)
    if not row.importable:
        pytest.skip(f"{engine} is not in this Python")
    graph = looked_up(kind)
    save(to_onnx(graph, {"embedding/embeddings": TABLE}, name="looked_up"), tmp_path / "net.onnx")
    network = row.load_for_inference().open(tmp_path / "net.onnx", ("y",), Setting("cpu", "float32", 1, {}))
    words, scale = np.array([[0, 1, 5], [2, 2, 0]], "int64"), np.full((2, 1, 1), 2.0)
    outputs = network.predict({"words": words, "scale": scale})
    np.testing.assert_allclose(outputs["y"], 2 * TABLE[words])

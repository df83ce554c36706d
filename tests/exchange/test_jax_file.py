"""The export format ``jax``: StableHLO and parameters, loaded by ``jax.export``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crosstrain.exchange.jax_file import LOAD, NETWORK, PARAMETERS, PLATFORMS
from tests.exchange import foreign_formats as formats

pytest.importorskip("jax")
pytest.importorskip("flatbuffers")

NETWORKS = ("mlp", "lenet5", "resnet20", "two-headed", "branched", "recurrent")

ALONE = """
sys.path.insert(0, str(folder))
from load import load
predict, parameters = load()
made = predict(parameters, inputs)
outputs = [made[name] for name in ("hidden", "classes")]
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_in_stablehlo(name: str, tmp_path: Path) -> None:
    sample = formats.built(name)
    path = formats.written("jax", sample, tmp_path)
    assert {p.name for p in path.iterdir()} == {NETWORK, PARAMETERS, LOAD}
    assert max(formats.differences("jax", sample, path).values()) < 1e-5


def test_it_loads_where_there_is_nothing_but_jax(tmp_path: Path) -> None:
    sample = formats.built("two-headed")
    path = formats.written("jax", sample, tmp_path)
    without = ("crosstrain", "keras", "onnx", "torch", "tensorflow")
    formats.assert_close(formats.run_alone(ALONE, sample, path, tmp_path, without), sample.expected)


def test_it_is_for_all_platforms_and_its_batch_is_open(tmp_path: Path) -> None:
    from jax import export

    path = formats.written("jax", formats.built("lenet5"), tmp_path)
    exported = export.deserialize((path / NETWORK).read_bytes())
    assert set(exported.platforms) == set(PLATFORMS)
    assert [str(kind.shape[0]) for kind in exported.out_avals] == ["batch"]
    assert "(N, 32, 32, 1)" in (path / LOAD).read_text()


def test_a_series_of_any_length(tmp_path: Path) -> None:
    """Another open axis than the batch is a symbol of its own."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    series = keras.Input((None, 3), name="series")
    model = keras.Model(series, layers.Dense(2, name="out")(layers.GRU(4, name="gru")(series)))
    from crosstrain.graph.keras_import import import_model
    from tests.exchange.networks import sampled

    graph, weights = import_model(model, None)
    path = formats.written("jax", sampled(graph, weights, {"series": np.ones((2, 5, 3))}), tmp_path)
    for length in (4, 7):
        inputs = {"series": np.random.default_rng(length).standard_normal((3, length, 3))}
        assert max(formats.differences("jax", sampled(graph, weights, inputs), path).values()) < 1e-5


def test_changed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(path: Path) -> None:
        with np.load(path / PARAMETERS) as stored:
            parameters = dict(stored)
        name = next(n for n, array in parameters.items() if array.ndim == 4)
        parameters[name].reshape(-1)[0] += 1
        np.savez(path / PARAMETERS, **parameters)  # type: ignore[arg-type]

    formats.refused_when_spoilt("jax", "jax", spoil, tmp_path, monkeypatch)

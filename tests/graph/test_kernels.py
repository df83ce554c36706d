"""Kernels drawn by a recipe's initializer: as it says, only kernels, each by itself, the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import run
from crosstrain.graph.graph import Graph
from crosstrain.training import spelling
from crosstrain.training.initialisers import SETTINGS, spelled
from tests.graph.test_define import default_precision, job, user_file

__all__ = ["default_precision"]

NETWORK = """
def net(input_shape, classes):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(64, 3, bias_initializer="ones", kernel_initializer="zeros", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(layers.SeparableConv2D(64, 3, name="apart")(x))
    shared = layers.Dense(64, kernel_initializer="zeros", name="shared")
    x = shared(shared(x))
    x = layers.Reshape((-1, 64))(layers.MultiHeadAttention(2, 32, name="attention")(x, x))
    x = layers.LSTM(50, name="memory")(x)
    return keras.Model(inputs, layers.Dense(classes, kernel_initializer="zeros", name="head")(x))
"""


def drawn(folder: Path, spec: str, **changes: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    folder.mkdir(exist_ok=True)
    source = f"{user_file(folder, NETWORK)}:net"
    initializer = spelling.initializer(spec)
    data = run(job(source, folder / "out", kernel_initializer=initializer, **changes), lambda event: None)
    return data, Graph.load(folder / "out" / "network.json")[1]


EXPECTED = {
    "random_normal:stddev=0.3": lambda fan_in, fan_out: 0.3,
    "random_uniform:minval=-0.3,maxval=0.3": lambda fan_in, fan_out: 0.3 / np.sqrt(3),
    "he_normal": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "he_uniform": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "glorot_uniform": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "lecun_normal": lambda fan_in, fan_out: np.sqrt(1 / fan_in),
    "variance_scaling:scale=3,mode=fan_out": lambda fan_in, fan_out: np.sqrt(3 / fan_out),
    "uniform_over_fan_in:limit=2.4": lambda fan_in, fan_out: 2.4 / fan_in / np.sqrt(3),
}


@pytest.mark.parametrize("spec", EXPECTED)
def test_kernels_have_the_deviation_of_their_initializer(tmp_path: Path, spec: str) -> None:
    data, weights = drawn(tmp_path, spec, input_shapes={"": [8, 8, 16]})
    for name, fans in {
        "conv/kernel": (9 * 16, 9 * 64), "shared/kernel": (64, 64), "apart/pointwise_kernel": (64, 64),
    }.items():  # fmt: skip
        assert weights[name].std() == pytest.approx(EXPECTED[spec](*fans), rel=0.05), name
        assert abs(weights[name].mean()) < 0.1 * weights[name].std()
    assert (weights["conv/bias"] == 1).all()
    assert (weights["norm/gamma"] == 1).all()
    square = weights["memory/lstm_cell/recurrent_kernel"]
    np.testing.assert_allclose(square @ square.T, np.eye(50), atol=1e-5)  # still orthogonal
    assert f"All 10 kernels are drawn by {spec}" in data["remarks"][0]


def test_every_kernel_has_numbers_of_its_own_and_the_same_every_time(tmp_path: Path) -> None:
    first, again, other = (
        drawn(tmp_path / name, "he_normal", seed=seed)[1] for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    kernels = [name for name in first if name.endswith("kernel") and "recurrent" not in name]
    assert all(not np.array_equal(first[name], other[name]) for name in kernels)
    starts = [first[name].ravel()[:4] / first[name].std() for name in kernels]
    assert len({tuple(np.round(start, 3)) for start in starts}) == len(kernels)


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_the_numbers_do_not_depend_on_keras_s_backend(tmp_path: Path, backend: str) -> None:
    if find_spec(backend) is None or backend == keras.backend.backend():
        pytest.skip(f"Keras runs on {keras.backend.backend()} here, and {backend} may not be installed")
    _, here = drawn(tmp_path, "truncated_normal:stddev=0.02")
    code = (
        "import sys; from pathlib import Path; from tests.graph.test_kernels import drawn; "
        "import numpy as np; np.savez(sys.argv[2], **drawn(Path(sys.argv[1]), sys.argv[3])[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "there", tmp_path / "w.npz", "truncated_normal:stddev=0.02"],
        check=True, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True,
    )  # fmt: skip
    with np.load(tmp_path / "w.npz") as there:
        assert all(np.array_equal(here[name], there[name]) for name in here if "recurrent" not in name)


def test_weights_of_a_file_stay_and_only_a_new_head_is_drawn(tmp_path: Path) -> None:
    _, before = drawn(tmp_path, "he_normal")
    np.savez(tmp_path / "w.npz", **before)
    file = {"weights": str(tmp_path / "w.npz"), "seed": 5}
    data, whole = drawn(tmp_path, "random_normal:stddev=3", **file)
    assert all(np.array_equal(before[name], whole[name]) for name in before)
    assert data["remarks"] == []
    data, transferred = drawn(tmp_path, "random_normal:stddev=3", replace_head=True, **file)
    assert transferred["head/kernel"].std() == pytest.approx(3, rel=0.2)
    assert np.array_equal(before["conv/kernel"], transferred["conv/kernel"])
    assert "The new kernel is drawn by random_normal" in data["remarks"][0]


@pytest.mark.parametrize("name", SETTINGS)
def test_spellings_round_trip(name: str) -> None:
    spec = "uniform_over_fan_in:limit=2.4" if name == "uniform_over_fan_in" else name
    assert spelled(spelling.initializer(spec)) == spec
    assert spelling.initializer("own") == spelling.initializer("") == {}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("he", "there is no initializer 'he'; there are random_normal"),
        ("he_normal:stddev=1", "he_normal has no setting 'stddev'; it has none"),
        ("random_normal:stddev=0", "stddev must be more than 0"),
        ("random_normal:stddev=small", "'small', which is not a number"),
        ("random_uniform:minval=1,maxval=-1", "minval must be less than its maxval"),
        ("random_uniform:minval=1", "minval must be less than its maxval"),
        ("variance_scaling:mode=fan", "mode is one of fan_in, fan_out, fan_avg"),
        ("uniform_over_fan_in", "needs a limit"),
        ("random_normal:stddev", "is not a setting"),
    ],
)
def test_what_is_wrong_is_one_sentence(spec: str, words: str) -> None:
    with pytest.raises(CrosstrainError, match=words):
        spelling.initializer(spec)

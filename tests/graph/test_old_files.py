"""Files of Keras 1, 2 and 3 in HDF5 and as zips: the same outputs, the same sentences."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import build_model
from tests.graph.test_define import define, job

FILES = Path(__file__).parent / "files"
DOORS = Path(os.environ.get("CROSSTRAIN_DATA", "../shared/data")).parent / "doors"


def outputs(path: Path, inputs: Sequence[np.ndarray], folder: Path) -> list[np.ndarray]:
    model = build_model(job(str(path), folder))
    result = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(one) for one in (result if isinstance(result, list | tuple) else [result])]


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ["two", "nested", "outs", "seq2seq", "text"])
def test_files_of_keras_2_compute_what_keras_2_computed(name: str, ending: str, tmp_path: Path) -> None:
    values = np.load(FILES / f"{name}.npz")
    xs, ys = ([values[key] for key in sorted(values) if key[0] == kind] for kind in "xy")
    for actual, expected in zip(outputs(FILES / f"{name}.{ending}", xs, tmp_path), ys, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.skipif(not DOORS.is_dir(), reason="the small inputs are not here")
@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("signs.h5", "signs"),
        ("hdf5_with_keras_ending.keras", "signs"),
        ("keras2_15_sequential.keras", "dense"),
        ("keras2_15_windows.keras", "dense"),
        ("keras2_13_functional.keras", "dense"),
    ],
)
def test_small_inputs(file: str, kind: str, tmp_path: Path) -> None:
    expected = np.load(DOORS / "expected.npz")
    (actual,) = outputs(DOORS / file, [expected[f"{kind}_x"]], tmp_path)
    np.testing.assert_allclose(actual, expected[f"{kind}_y"], atol=1e-6)


def test_what_a_file_is_its_content_says(tmp_path: Path) -> None:
    values = np.load(FILES / "text.npz")
    for ending, other in (("h5", "keras"), ("keras", "h5")):
        path = tmp_path / f"text.{other}"
        shutil.copy(FILES / f"text.{ending}", path)
        np.testing.assert_allclose(outputs(path, [values["x0"]], tmp_path)[0], values["y0"], atol=1e-6)


# -- Keras 1 ----------------------------------------------------------------------------------------
def write_hdf5(
    path: Path, config: Any, weights: Mapping[str, Mapping[str, np.ndarray]], **attributes: str
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        for key, value in attributes.items():
            file.attrs[key] = value
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[layer][name] = array
    return path


def drawn(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def keras_1(path: Path, layers: Sequence[Any], weights: Any, **attributes: str) -> Path:
    config = {"class_name": "Sequential", "config": list(layers)}
    return write_hdf5(path, config, weights, keras_version="1.2.2", **attributes)


def convolution_of_keras_1() -> dict[str, Any]:
    return {
        "class_name": "Convolution2D",
        "config": {
            "name": "c", "nb_filter": 2, "nb_row": 3, "nb_col": 2, "border_mode": "same", "subsample": [2, 1],
            "dim_ordering": "tf", "init": "glorot_uniform", "activation": "relu", "bias": True,
            "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}, "b_regularizer": None,
            "batch_input_shape": [None, 5, 4, 3], "input_dtype": "float32", "trainable": True,
        },
    }  # fmt: skip


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_keras_1_convolution(backend: str, tmp_path: Path) -> None:
    kernel, bias, x = drawn((3, 2, 3, 2), (2,), (1, 5, 4, 3))
    weights = {"c": {"c_W": kernel, "c_b": bias}, "d": {}}
    dropout = {"class_name": "Dropout", "config": {"name": "d", "p": 0.25}}
    path = keras_1(tmp_path / "m.h5", [convolution_of_keras_1(), dropout], weights, backend=backend)
    layer = kl.Conv2D(2, (3, 2), (2, 1), "same", activation="relu")
    layer.build((None, 5, 4, 3))
    layer.set_weights([kernel[::-1, ::-1] if backend == "theano" else kernel, bias])
    np.testing.assert_allclose(outputs(path, [x], tmp_path)[0], np.asarray(layer(x)), rtol=1e-5)
    model = build_model(job(str(path), tmp_path))
    assert model.layers[0].kernel_regularizer.l2 == pytest.approx(0.01)
    assert model.layers[1].rate == 0.25


def test_keras_1_kept_three_weights_for_each_gate(tmp_path: Path) -> None:
    shapes = ((3, 2), (2, 2), (2,))
    gates = {gate: drawn(*shapes, *[(1,)] * number) for number, gate in enumerate("icfo")}
    stored = {f"l_{w}_{gate}": gates[gate][k] for gate in gates for k, w in enumerate("WUb")}
    config = {
        "name": "l", "output_dim": 2, "inner_activation": "hard_sigmoid", "activation": "tanh",
        "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
        "consume_less": "cpu",
        "dropout_W": 0.0, "dropout_U": 0.0, "batch_input_shape": [None, 4, 3],
    }  # fmt: skip
    path = keras_1(tmp_path / "m.h5", [{"class_name": "LSTM", "config": config}], {"l": stored})
    (x,) = drawn((2, 4, 3))

    def hard(v: np.ndarray) -> np.ndarray:
        return np.clip(v / 6 + 0.5, 0, 1)

    h = c = np.zeros((2, 2))
    for step in range(4):
        pre = {g: x[:, step] @ W + h @ U + b for g, (W, U, b, *_) in gates.items()}
        c = hard(pre["f"]) * c + hard(pre["i"]) * np.tanh(pre["c"])
        h = hard(pre["o"]) * np.tanh(c)
    np.testing.assert_allclose(outputs(path, [x], tmp_path)[0], h, rtol=1e-5, atol=1e-6)


def test_a_gru_that_does_not_say_resets_before(tmp_path: Path) -> None:
    config = {"name": "g", "units": 2, "batch_input_shape": [None, 4, 3], "implementation": 1}
    arrays = dict(
        zip(("g/kernel:0", "g/recurrent_kernel:0", "g/bias:0"), drawn((3, 6), (2, 6), (6,)), strict=True)
    )
    model = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": config}]}
    path = write_hdf5(tmp_path / "m.h5", model, {"g": arrays}, keras_version="2.0.8")
    assert not build_model(job(str(path), tmp_path)).layers[0].reset_after


# -- refusals ---------------------------------------------------------------------------------------
def dense(**more: Any) -> dict[str, Any]:
    config = {"name": "d", "units": 2, "batch_input_shape": [None, 3], **more}
    return {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": config}]}


def one_layer(name: str, **config: Any) -> dict[str, Any]:
    layer = {"class_name": name, "config": {"name": "d", "batch_input_shape": [None, 3], **config}}
    return {"class_name": "Sequential", "config": [layer]}


@pytest.mark.parametrize(
    ("config", "shapes", "says"),
    [
        (dense(), {"d": [(3, 4), (2,)]}, r"the weight .*d/kernel is 3×2 in the network, 3×4 in the file"),
        (dense(), {"d": [(3, 2)]}, r"has 1 weights of the layer 'd'; its network has 2"),
        (dense(), {}, r"has no weights of the layer 'd'"),
        (dense(), {"e": [(3, 2), (2,)]}, r"has weights of a layer 'e', which its network does not have"),
        (one_layer("CuDNNLSTM", units=2), {}, r"'d' is a CuDNNLSTM, which Keras 3 does not have"),
        (one_layer("LSTM", units=2, time_major=True), {}, r"'d' \(LSTM\) has time_major=True"),
        (one_layer("TFOpLambda", function="math.abs"), {}, r"TensorFlow's own operation math.abs"),
        (one_layer("mine>Layer"), {}, r"--trust"),
        (
            one_layer("Lambda", function=["4wEA", None, None], function_type="lambda"),
            {},
            r"bytecode.*--trust",
        ),
        (one_layer("Lambda", function="f", function_type="function"), {}, r"a Lambda layer.*--trust"),
    ],
)
def test_what_does_not_fit_is_named(config: Any, shapes: Any, says: str, tmp_path: Path) -> None:
    weights = {
        name: {f"w{i}": a for i, a in enumerate(drawn(*layer_shapes))}
        for name, layer_shapes in shapes.items()
    }
    path = write_hdf5(tmp_path / "m.h5", config, weights, keras_version="2.2.4")
    with pytest.raises(CrosstrainError, match=says) as refusal:
        define(str(path), tmp_path / "out")
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_weights_alone_are_told_apart_from_a_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2)])
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    with pytest.raises(CrosstrainError, match="holds weights alone"):
        define(str(path), tmp_path / "out")


def test_weights_outside_of_the_file_are_not_read(tmp_path: Path) -> None:
    kernel, bias = drawn((3, 2), (2,))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = kernel
    path = write_hdf5(tmp_path / "m.h5", dense(), {"d": {"d/kernel:0": kernel, "d/bias:0": bias}})
    with h5py.File(path, "r+") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d/kernel:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
    with pytest.raises(CrosstrainError, match="is not in the file"):
        define(str(path), tmp_path / "out")


@pytest.mark.skipif(not DOORS.is_dir(), reason="the small inputs are not here")
def test_a_lambda_in_hdf5_is_refused_for_its_code(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="is code; if you trust its source, give --trust"):
        define(str(DOORS / "lambda.h5"), tmp_path / "out")


def reconfigured(path: Path, change: Callable[[Any], None]) -> None:
    """Change the configuration of a file."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_network_that_asks_for_more_than_its_file_holds(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{ending}"
    keras.Sequential([keras.Input((3,)), kl.Dense(2, name="wide")]).save(path)
    reconfigured(path, lambda config: config["config"]["layers"][1]["config"].update(units=2**31))
    with pytest.raises(CrosstrainError, match="the layer 'wide' has more weights than the file holds"):
        define(str(path), tmp_path / "out")


@pytest.mark.parametrize("module", ["os", "keras.utils", "keras.src.saving.saving_lib", "mypackage.layers"])
def test_a_zip_that_names_other_code_is_refused(module: str, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((3,)), kl.Dense(2)]).save(path)
    reconfigured(path, lambda config: config["config"]["layers"][1].update(module=module))
    with pytest.raises(CrosstrainError, match="code from outside Keras"):
        define(str(path), tmp_path / "out")

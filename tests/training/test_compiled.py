"""The recipe in a compiled model's file: what Keras writes is read as what it means."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest
from keras import layers as kl

from crosstrain.runs.compiled import compiled_of
from crosstrain.training.compiled import read_compiled
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule


def one_output() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), kl.Dense(3, activation="softmax")])


def two_outputs() -> keras.Model:
    x = keras.Input((4,))
    return keras.Model(x, [kl.Dense(1, name="p")(x), kl.Dense(3, name="q")(x)])


@pytest.fixture(params=["keras", "h5"])
def path(request: Any, tmp_path: Path) -> Path:
    return tmp_path / f"model.{request.param}"


def saved(model: keras.Model, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return str(path)


def test_everything_is_read(path: Path) -> None:
    schedules = keras.optimizers.schedules
    model = one_output()
    model.compile(
        keras.optimizers.SGD(
            schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.001]),
            momentum=0.9, nesterov=True, clipnorm=1.0, weight_decay=1e-4,
        ),
        keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=0.1),
        metrics=["acc", keras.metrics.TopKCategoricalAccuracy(k=2), "mae"],
    )  # fmt: skip
    compiled = compiled_of(saved(model, path))
    assert compiled is not None
    assert compiled.optimizer == Optimizer(
        "sgd", learning_rate=0.1, momentum=0.9, nesterov=True, clipnorm=1.0, weight_decay=1e-4
    )
    assert compiled.schedule is not None
    for step in (0, 10, 11, 20, 21, 100):
        wanted = float(model.optimizer._learning_rate(step))
        assert compiled.schedule.rate(0.1, step) == pytest.approx(wanted, rel=1e-6)
    (loss,) = compiled.losses.values()
    assert (list(compiled.losses), loss.name) == ([""], "CategoricalCrossentropy")
    assert loss.settings["label_smoothing"] == 0.1
    assert compiled.metrics == ("accuracy", "top_k:2", "mae")
    assert not compiled.lacking
    assert "sgd (learning rate 0.1, step), loss CategoricalCrossentropy" in compiled.summary()


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(2e-3, beta_1=0.8, amsgrad=True),
        keras.optimizers.AdamW(1e-3, weight_decay=0.02),
        keras.optimizers.RMSprop(1e-3, rho=0.8, momentum=0.3, centered=True),
        keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.2),
        keras.optimizers.Adadelta(1.0, rho=0.9),
        keras.optimizers.Adamax(1e-3),
        keras.optimizers.Nadam(1e-3, global_clipnorm=2.0),
    ],
    ids=lambda o: type(o).__name__,
)
def test_optimizers_keep_their_settings(optimizer: Any, tmp_path: Path) -> None:
    model = one_output()
    model.compile(optimizer, "mse")
    compiled = compiled_of(saved(model, tmp_path / "model.keras"))
    assert compiled is not None
    assert compiled.optimizer is not None
    config = optimizer.get_config()
    renamed = {"initial_accumulator": "initial_accumulator_value"}
    for key, value in compiled.optimizer.to_json().items():
        if key not in ("name", "momentum", "nesterov", "amsgrad", "centered") or key in config:
            assert value == (
                type(optimizer).__name__.lower()
                if key == "name"
                else pytest.approx(config[renamed.get(key, key)])
            ), key


@pytest.mark.parametrize(
    "schedule",
    [
        keras.optimizers.schedules.ExponentialDecay(0.1, 30, 0.5, staircase=True),
        keras.optimizers.schedules.InverseTimeDecay(0.1, 10, 0.3),
        keras.optimizers.schedules.CosineDecay(0.1, 50, alpha=0.1, warmup_target=0.4, warmup_steps=7),
    ],
    ids=lambda s: type(s).__name__,
)
def test_schedules_are_kerass(schedule: Any, tmp_path: Path) -> None:
    model = one_output()
    model.compile(keras.optimizers.SGD(schedule), "mse")
    compiled = compiled_of(saved(model, tmp_path / "model.keras"))
    assert compiled is not None
    assert compiled.schedule is not None
    assert compiled.optimizer is not None
    for step in (0, 3, 29, 30, 31, 80):
        rate = compiled.schedule.rate(compiled.optimizer.learning_rate or 0.0, step)
        assert rate == pytest.approx(float(schedule(step)), rel=1e-6)


@pytest.mark.parametrize("as_mapping", [False, True])
def test_losses_of_several_outputs(as_mapping: bool, path: Path) -> None:
    model = two_outputs()
    if as_mapping:
        model.compile("adam", {"p": "mse", "q": "mae"}, loss_weights={"q": 0.3}, metrics={"p": ["mae"]})
    else:
        model.compile("adam", ["mse", "mae"], loss_weights=[1.0, 0.3], metrics=[["mae"], []])
    compiled = compiled_of(saved(model, path))
    assert compiled is not None
    assert compiled.losses == {"p": Loss("mse"), "q": Loss("mae", weight=0.3)}
    assert compiled.metrics == ("mae",)
    assert compiled.optimizer == Optimizer("adam", learning_rate=0.001)


def test_what_crosstrain_lacks_is_named(path: Path) -> None:
    def my_loss(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    model = one_output()
    model.compile(keras.optimizers.Lion(1e-3), my_loss, metrics=[keras.metrics.AUC()])
    compiled = compiled_of(saved(model, path))
    assert compiled is not None
    assert (compiled.optimizer, compiled.metrics) == (None, ())
    lacking = " ".join(compiled.lacking)
    assert "optimizer 'Lion'" in lacking
    assert "metric 'AUC'" in lacking
    if path.suffix == ".keras":  # HDF5 keeps the bare name, which only Keras can tell from its own losses
        assert "loss 'my_loss'" in lacking


def test_old_files_with_a_decay() -> None:
    """Keras 1 and 2: rate / (1 + decay · step); ``lr`` was the rate's name."""
    compiled = read_compiled(
        {
            "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.01, "momentum": 0.9, "decay": 1e-6}},
            "loss": "categorical_crossentropy", "metrics": ["accuracy"],
        },
        [""],
    )  # fmt: skip
    assert compiled.optimizer == Optimizer("sgd", learning_rate=0.01, momentum=0.9)
    assert compiled.schedule == Schedule("inverse_time", {"decay_steps": 1, "decay_rate": 1e-6})


@pytest.mark.parametrize(
    "config",
    [
        {"learning_rate": "fast"},
        {"learning_rate": [0.1]},
        {"learning_rate": 0.1, "momentum": {}},
        {"learning_rate": 0.1, "clipnorm": -1.0},
        {"learning_rate": {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1}}},
        {
            "learning_rate": {
                "class_name": "PiecewiseConstantDecay",
                "config": {"values": [], "boundaries": 3},
            }
        },
    ],
)
def test_settings_that_make_no_sense_are_lacking(config: dict[str, Any]) -> None:
    compiled = read_compiled({"optimizer": {"class_name": "SGD", "config": config}}, [""])
    assert compiled.lacking
    assert isinstance(compiled.summary(), str)


def test_an_average_of_weights_is_not_passed_over(tmp_path: Path) -> None:
    model = one_output()
    averaging = {"use_ema": True, "ema_momentum": 0.9, "gradient_accumulation_steps": 4}
    model.compile(keras.optimizers.SGD(0.1, **averaging), "mse")
    compiled = compiled_of(saved(model, tmp_path / "model.keras"))
    assert compiled is not None
    assert compiled.lacking == ()
    assert compiled.optimizer == Optimizer("sgd", learning_rate=0.1, ema=0.9, accumulate=4)
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=10), "mse")
    compiled = compiled_of(saved(model, tmp_path / "model.keras"))
    assert compiled is not None
    assert "ema_overwrite_frequency" in compiled.lacking[0]


def test_files_without_a_recipe(tmp_path: Path) -> None:
    assert compiled_of(saved(one_output(), tmp_path / "plain.keras")) is None
    assert compiled_of("lenet5") is None
    (tmp_path / "damaged.keras").write_bytes(b"PK\x03\x04 and nothing more")
    assert compiled_of(str(tmp_path / "damaged.keras")) is None
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {}})
        file.attrs["training_config"] = "{"
    assert compiled_of(str(tmp_path / "odd.h5")) is None

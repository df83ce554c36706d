"""A trained network that learns other classes: really trained, on every native engine that is here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import crosstrain
from crosstrain.cli import app
from crosstrain.environments.environments import default

NET = """
import keras
from keras import layers


def net(input_shape, classes):
    x = keras.Input(input_shape)
    h = layers.Flatten(name="flat")(x)
    h = layers.Dense(16, activation="relu", kernel_regularizer="l2", name="hidden")(h)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.Dense(8, activation="relu", name="middle")(h)
    h = layers.BatchNormalization(name="after")(h)
    return keras.Model(x, layers.Dense(classes, name="head")(h), name="net")
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("net") / "mine.py"
    path.write_text(NET)
    return f"{path}:net"


@pytest.fixture(scope="module")
def first(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, trained on three classes of points."""
    folder = tmp_path_factory.mktemp("first")
    trained = crosstrain.train(
        source, f"arrays:{points(folder / 'a.npz', 3)}", engine="torch", epochs=2, threads=1, device="cpu",
        out=folder / "run", progress=False,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    return trained.folder


def points(path: Path, classes: int) -> Path:
    random = np.random.default_rng(classes)
    y = np.arange(240) % classes
    x = random.normal(size=(240, 4)) + 2 * random.normal(size=(classes, 4))[y]
    np.savez(path, x=x.astype(np.float32), y=y)
    return path


def weights(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_two_phases(source: str, first: Path, tmp_path: Path) -> None:
    """What is frozen keeps its weights to the bit, statistics too; then everything is trained."""
    data, out, before = points(tmp_path / "b.npz", 5), tmp_path / "out", weights(first / "best.npz")
    trained = crosstrain.train(
        source, f"arrays:{data}", engine="torch", epochs=1, threads=1, device="cpu", out=out, weights=first,
        replace_head=True, freeze_until="norm", fine_tune="1:0.001", progress=False,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    frozen, tuned = weights(out / "frozen" / "last.npz"), weights(out / "last.npz")
    assert frozen["head/kernel"].shape == tuned["head/kernel"].shape == (8, 5)
    for name, array in before.items():
        layer = name.split("/")[0]
        if layer in ("hidden", "norm"):
            np.testing.assert_array_equal(frozen[name], array, err_msg=name)
            assert not np.array_equal(tuned[name], array), f"{name} was not fine-tuned"
        elif layer != "head":
            assert not np.array_equal(frozen[name], array), f"{name} was not trained"
    # The second training begins with the whole of the first one's best, its head included.
    (began,) = out.glob("networks/*/network.npz")
    for name, array in weights(out / "frozen" / "best.npz").items():
        np.testing.assert_array_equal(weights(began)[name], array)
    identity = json.loads((out / "plan.json").read_text())["identity"]
    assert identity["recipe"]["optimizer"]["learning_rate"] == 0.001
    assert "freeze_until" not in identity


def test_the_certificate_says_what_is_frozen(source: str) -> None:
    """The frozen network trains as Keras's own does with trainable = False, in float64 and float32."""
    proof = crosstrain.prove(
        source, input_shape=(4,), classes=3, engines=default(), steps=3, threads=1, device="cpu",
        freeze_until="norm", progress=False,
    )  # fmt: skip
    assert proof.proved, [each.reason or str(each.first_departure) for each in proof]
    for each in proof:
        assert any("frozen until 'norm'" in note for note in each.notes)
        assert not any(name.startswith(("hidden/", "norm/")) for name in each.tensors["gradients"])


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", *arguments, "--engine", "torch", "--threads", "1"])
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def test_what_does_not_fit_is_one_sentence(source: str, first: Path, tmp_path: Path) -> None:
    data = f"arrays:{points(tmp_path / 'b.npz', 5)}"
    common = (source, "--data", data, "--out", str(tmp_path / "out"))
    message = refused(*common, "--weights", str(first))
    assert "'head/kernel' is 8×5 in the network, 8×3 in" in message
    assert "--replace-head" in message
    assert "no layer 'nrom'; did you mean 'norm'?" in refused(*common, "--freeze-until", "nrom")
    assert "name them with --freeze-until" in refused(*common, "--fine-tune", "2")
    assert "EPOCHS or EPOCHS:RATE" in refused(*common, "--freeze-until", "norm", "--fine-tune", "x")
    assert "there are no ImageNet weights for" in refused(*common, "--weights", "imagenet")
    assert not (tmp_path / "out").exists()

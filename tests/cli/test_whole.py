"""The real thing, in processes of its own: training, proof, kill and resume, two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

NET = ["mlp", "--data", "digits", "--threads", "1"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from crosstrain.cli import main; main()", *arguments]


def crosstrain(folder: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    process = subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert process.returncode == expect, process.stderr
    assert "Traceback" not in process.stderr
    return process


def installed() -> list[str]:
    from crosstrain.environments.environments import default

    return list(default())


def test_compare_for_real(tmp_path: Path) -> None:
    names = installed()
    process = crosstrain(
        tmp_path, "compare", *NET, "--sizes", "8", "--epochs", "2", "--json", "-", "--out", "out"
    )
    data: dict[str, Any] = json.loads(process.stdout)
    assert [c["engine"] for c in data["cells"]] == names
    assert {c["status"] for c in data["cells"]} == {"done"}
    assert {c["certificate"] for c in data["cells"]} == {"proved"}
    accuracies = [c["test_accuracy"] for c in data["cells"]]
    assert min(accuracies) > 0.8
    assert max(accuracies) - min(accuracies) < 0.02
    assert data["recommendation"]["engine"] in names


def test_prove_for_real(tmp_path: Path) -> None:
    process = crosstrain(
        tmp_path, "prove", "mlp", "--input-shape", "6,6,1", "--engines", "torch", "--json", "-"
    )
    proof = json.loads(process.stdout)
    assert proof["network"] == "mlp"
    for each in proof["engines"]:
        assert each["status"] == "proved"
        assert {
            "engine",
            "precision",
            "outputs",
            "loss",
            "gradients",
            "weights_after_steps",
            "first_departure",
        } <= set(each)
        assert each["outputs"] < 1e-4


def test_train_resume_and_load(tmp_path: Path) -> None:
    """More epochs go on from the last one, by several workers too, and the Keras model predicts what the
    engine measured."""
    train = ["train", *NET, "--size", "8", "--engine", "torch", "--out", "out", "--json", "-"]
    first = json.loads(crosstrain(tmp_path, *train, "--epochs", "2").stdout)
    whole = json.loads(crosstrain(tmp_path, *train, "--epochs", "4", "--workers", "2").stdout)
    assert (len(whole["epochs"]), whole["workers"]) == (4, 2)
    assert whole["epochs"][:2] == first["epochs"]
    assert crosstrain(tmp_path, *train, "--epochs", "4").stdout
    code = (
        "import crosstrain, numpy as np\n"
        "from crosstrain.data import prepare\n"
        "inputs, targets = prepare('digits', size=8).arrays('test')\n"
        "for which in ('best', 'last'):\n"
        "    model = crosstrain.load('out', weights=which)\n"
        "    print(float((np.argmax(np.asarray(model(inputs[''])), -1) == targets['']).mean()))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True
    )
    best, last = map(float, process.stdout.split())
    assert last == pytest.approx(whole["test_accuracy"], abs=1e-9)
    assert best > 0.8


def started(folder: Path, cell: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A comparison in the background, once its first cell is finished."""
    process = subprocess.Popen(
        command(*arguments), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while not cell.exists():
        assert process.poll() is None, "it ended before its first cell"
        assert time.monotonic() < until
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_and_resumed(tmp_path: Path, blow: signal.Signals) -> None:
    """No finished cell is repeated, no worker is left; meanwhile a second comparison is refused."""
    arguments = [
        "compare",
        *NET,
        "--sizes",
        "8",
        "--epochs",
        "3",
        "--repeats",
        "3",
        "--engines",
        "torch",
        "--no-proof",
    ]
    arguments += ["--out", "out"]
    first = tmp_path / "out" / "cells" / "mlp-8-torch-s0-r0.json"
    process = started(tmp_path, first, *arguments)
    children = psutil.Process(process.pid).children(recursive=True)
    refused = crosstrain(tmp_path, *arguments, expect=2)
    assert "another crosstrain" in refused.stderr
    written = first.stat().st_mtime_ns
    process.send_signal(blow)
    code = process.wait(timeout=60)
    assert code == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert first.stat().st_mtime_ns == written
    data = json.loads(crosstrain(tmp_path, *arguments, "--json", "-").stdout)
    assert [c["status"] for c in data["cells"]] == ["done"] * 3
    assert first.stat().st_mtime_ns == written
    assert not list((tmp_path / "out" / "cells").glob("*.tmp"))


def test_the_python_api_with_a_live_model(tmp_path: Path) -> None:
    code = (
        "import keras, crosstrain\n"
        "layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]\n"
        "model = keras.Sequential(layers, name='mine')\n"
        "told = dict(data='digits', engines='torch', epochs=2, proof=False, threads=1, progress=False)\n"
        "found = crosstrain.compare(model, **told)\n"
        "frame = found.dataframe\n"
        "print(list(frame['status']), found.cells[0].network, found._repr_html_()[:6])\n"
        "again = crosstrain.compare(model, **told)\n"
        "print(again.cells[0].finished == found.cells[0].finished)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "['done']" in process.stdout
    assert "<table" in process.stdout
    assert process.stdout.strip().endswith("True")


OWN_NETWORK = """
import keras
from keras import layers, ops


class Gate(layers.Layer):
    def build(self, shape):
        self.w = self.add_weight((shape[-1], shape[-1]), name="w")
        self.scales = [self.add_weight((shape[-1],), initializer="ones", name=f"scale{i}") for i in range(2)]

    def call(self, x):
        return self.scales[0] * x * ops.sigmoid(ops.matmul(x, self.w)) + ops.tanh(self.scales[1]) * x


def build():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    joined = Gate()(layers.Dense(8, activation="relu")(layers.Concatenate()([left, right])))
    return keras.Model([left, right], {"sum": layers.Dense(1)(joined), "sign": layers.Dense(2)(joined)})


def smooth_distance(y_true, y_pred):
    return ops.mean(ops.sqrt(1.0 + ops.square(y_true - y_pred)) - 1.0, axis=-1)
"""


def test_a_users_layer_and_loss_with_two_inputs_and_two_outputs(tmp_path: Path) -> None:
    """Written in keras.ops, registered nowhere: proved and trained on every engine that is installed."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 4)).astype("float32"), rng.normal(size=(200, 3)).astype("float32")
    np.savez(
        tmp_path / "data.npz",
        **{
            "x/left": a,
            "x/right": b,
            "y/sum": (a.sum(1) + b.sum(1))[:, None],
            "y/sign": (a[:, 0] > 0).astype("int64"),
        },
    )
    (tmp_path / "net.py").write_text(OWN_NETWORK)
    process = crosstrain(
        tmp_path, "compare", "net.py:build", "--data", "arrays:data.npz", "--engines", ",".join(installed()),
        "--epochs", "3", "--loss", "sum=net.py:smooth_distance",
        "--loss", "sign=sparse_categorical_crossentropy:from_logits=true", "--threads", "1", "--json", "-",
    )  # fmt: skip
    cells = json.loads(process.stdout)["cells"]
    assert [cell["engine"] for cell in cells] == installed()
    for cell in cells:
        assert (cell["status"], cell["certificate"]) == ("done", "proved")
        assert cell["epochs"][-1]["train_loss"] < cell["epochs"][0]["train_loss"]

"""Networks that nobody here wrote: ``keras.applications`` with random weights and small pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 32
LONG = pytest.mark.slow("further large networks of keras.applications; MobileNetV2 is in every run")
NETWORKS = [
    "MobileNetV2",
    *(pytest.param(name, marks=LONG) for name in ("DenseNet121", "EfficientNetB0", "NASNetMobile")),
]

SCRIPT = """
import json, sys
import keras, numpy as np
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.reference import run_numpy
from tests.graph.agreement import relative_error

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
name, size = sys.argv[1], int(sys.argv[2])
keras.utils.set_random_seed(0)
model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=7)
graph, weights = import_model(model)
x = np.random.default_rng(0).random((4, size, size, 3))
(output,) = run_numpy(graph, weights, {k: 0 if k == "seed" else x for k in graph.inputs})[0].values()
error = relative_error(output, np.asarray(model(x, training=False)))
print(json.dumps([error, graph.parameters, model.count_params()]))
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_keras(name: str) -> None:
    pytest.importorskip("tensorflow", reason="the comparison runs Keras on TensorFlow")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-c", SCRIPT, name, str(SIZE)]
    process = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    error, parameters, counted = json.loads(process.stdout.splitlines()[-1])
    assert error < 1e-12
    assert 0 < parameters <= counted

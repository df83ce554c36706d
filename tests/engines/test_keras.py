"""Keras on each of its backends, each in a process of its own: what ``test_foreign`` does not see of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crosstrain.engines.registry import BUILT_IN, EngineRow

ROOT = Path(__file__).parents[2]
ENGINES = [row for row in BUILT_IN if row.imports[0] == "keras"]


def in_its_own_process(row: EngineRow, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the engine's variables: Keras chooses its backend when it is imported."""
    if not row.importable:
        pytest.skip(f"{row.name} is not installed here")
    variables = {
        **os.environ, **row.variables, "CROSSTRAIN_TEST_ENGINE": row.name, "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=1500,
        check=False,
    )  # fmt: skip


OPTIONS = """
from crosstrain.engines.contract import Setting
from crosstrain.engines.keras import ENGINE
from tests.engines.networks import convolutional, distance
case = convolutional()
wanted = case.reference(case.program.inference)[0]["y"]
for compile in {choices}:
    setting = Setting(precision="float64", options={{"jit_compile": compile}})
    network = ENGINE.build(case.program, case.weights, setting)
    assert network._model.jit_compile == ({auto} if compile == "auto" else compile)
    assert distance(network.predict(case.batch)["y"], wanted) < 1e-10
    before = network.gradients(case.batch)[0]
    handle = network.train(case.batch, 0.1)
    network.train(case.batch, 0.1)
    assert abs(float(handle) - before) < 1e-12, "a handle keeps the loss of its own step"
"""


ONE_SOON = [
    row if row.name == "keras-torch"
    else pytest.param(row, marks=pytest.mark.slow(f"{row.name} compiles for long, keras-torch does not"))
    for row in ENGINES
]  # fmt: skip

JAX_LATE = [
    pytest.param(row, marks=pytest.mark.slow("JAX compiles for long, TensorFlow shows the same"))
    if row.name == "keras-jax"
    else row
    for row in ENGINES
]


@pytest.mark.parametrize("row", JAX_LATE, ids=lambda row: row.name)
def test_compiled_or_not_it_is_the_same(row: EngineRow) -> None:
    """On PyTorch without torch.compile, which needs a C++ compiler. Of its own accord Keras compiles on a CPU
    with JAX alone."""
    choices = ["auto", False] if row.name == "keras-torch" else ["auto", True, False]
    auto = row.name == "keras-jax"
    done = in_its_own_process(row, "-c", OPTIONS.format(choices=choices, auto=auto))
    assert done.returncode == 0, done.stderr[-3000:]


def test_states_of_noise_tell_steps_and_layers_apart() -> None:
    """Keras on PyTorch seeds by the sum of a state's two numbers."""
    pytest.importorskip("keras", reason="the states are those of Keras's generators")
    from crosstrain.graph.keras_export.model import drawn_as

    states = [drawn_as(seed, salt) for seed in range(40) for salt in range(1, 10)]
    assert all(state.max() < 2**31 for state in states)
    assert len({int(np.sum(state)) for state in states}) == len(states)


ARITHMETIC = """
import numpy as np
from crosstrain.engines.contract import Setting
from crosstrain.engines.keras import ENGINE
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import convolutional
case = convolutional().with_optimizer(Optimizer("adam"))
def built(precision="float32", **options):
    return ENGINE.build(case.program, case.weights, Setting(precision=precision, options=options))
exact = built()
loss, _ = exact.gradients(case.batch)
for arithmetic, policy in (("bfloat16", "mixed_bfloat16"), ("tf32", "float32"), ("full", "float32")):
    network = built(arithmetic=arithmetic)
    assert network._model.dtype_policy.name == policy
    near, gradients = network.gradients(case.batch)
    assert (abs(near - loss) / loss < 1e-6) == (policy == "float32"), (arithmetic, near, loss)
    assert abs(near - loss) / loss < 0.1
    assert all(g.dtype == np.float32 for g in gradients.values())
    assert network.read().scaling is None
try:
    built("float64", arithmetic="float16")
except ValueError as error:
    assert "only at the precision 'float32'" in str(error)
else:
    raise AssertionError
import keras
assert keras.config.dtype_policy().name == "float32"
"""


@pytest.mark.parametrize("row", ONE_SOON, ids=lambda row: row.name)
def test_arithmetic_is_kerass_own_policy(row: EngineRow) -> None:
    done = in_its_own_process(row, "-c", ARITHMETIC)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("row", ONE_SOON, ids=lambda row: row.name)
def test_float16_scales_the_loss(row: EngineRow) -> None:
    done = in_its_own_process(row, "-m", "pytest", "-q", "-x", "tests/engines/test_float16.py")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("row", ONE_SOON, ids=lambda row: row.name)
def test_data_on_the_device_are_the_same_batches(row: EngineRow) -> None:
    done = in_its_own_process(
        row, "-m", "pytest", "-q", "-x", "tests/runs/test_resident.py", "-k", "plain or numbers_become"
    )
    assert done.returncode == 0, done.stdout[-3000:]

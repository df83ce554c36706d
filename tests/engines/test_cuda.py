"""CUDA builds: which pins the driver runs, what is installed, what it takes the place of, how it rounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from crosstrain.api.engines import install_engines
from crosstrain.engines.contract import Option, Setting
from crosstrain.engines.devices import arithmetic
from crosstrain.engines.registry import BUILT_IN, EngineRow, engine_row
from crosstrain.environments import cuda
from crosstrain.environments.cuda import builds, cuda_row
from crosstrain.environments.environments import MANIFEST, find, folder_of, own_environment, pins_of
from crosstrain.environments.installing import Installed, to_download
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import environment
from crosstrain.system import gpus
from crosstrain.system.files import write_json
from crosstrain.system.gpus import Gpu, Gpus

CARDS = (Gpu("NVIDIA H200", 2**37),)
NEW, OLD, OLDEST = (Gpus(CARDS, f"{major}.1", (major, 2)) for major in (13, 12, 11))
WITH_BUILDS = [row for row in BUILT_IN if builds(row)]


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cuda.sys, "platform", "linux")
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))


def test_native_engines_and_keras_on_them_have_builds() -> None:
    assert {row.name for row in WITH_BUILDS} >= {
        "torch", "jax", "tensorflow", "keras-torch", "keras-jax", "keras-tensorflow",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "available", "pins"),
    [
        ("jax", NEW, "jax-cuda13.txt"), ("jax", OLD, "jax-cuda12.txt"),
        ("torch", NEW, "torch-cuda13.txt"), ("tensorflow", NEW, "tensorflow-cuda12.txt"),
        ("keras-jax", OLD, "keras-jax-cuda12.txt"),
    ],
)  # fmt: skip
def test_the_newest_build_that_the_driver_runs_is_taken(engine: str, available: Gpus, pins: str) -> None:
    assert cuda_row(engine_row(engine), available).requirements == pins


@pytest.mark.parametrize(
    ("engine", "available", "sentence"),
    [
        (
            "torch",
            OLD,
            "torch needs a driver that runs CUDA 13; 12.1 runs CUDA 12.2 at most: install a newer",
        ),
        ("jax", OLDEST, "jax needs a driver that runs CUDA 12"),
        ("jax", Gpus(reason="NVML is not there"), "needs a GPU of NVIDIA's: NVML is not there"),
        ("theano", NEW, "theano has no build for CUDA"),
    ],
)
def test_where_there_is_none_one_sentence_says_why(engine: str, available: Gpus, sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=re.escape(sentence)):
        cuda_row(engine_row(engine), available)


@pytest.mark.parametrize("row", WITH_BUILDS, ids=lambda row: row.name)
def test_builds_pin_the_frameworks_of_the_plain_environment(row: EngineRow) -> None:
    """The same versions, with CUDA's libraries beside them: what was proved on the CPU is the same code."""
    plain = set(pins_of(row))
    for name in builds(row).values():
        pins = pins_of(EngineRow(row.name, row.module, row.imports, row.distribution, name))
        assert plain <= set(pins)
        assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+( ?; .+)?", pin)] == []
        in_order = [pin.partition("==")[0].lower() for pin in pins]
        assert in_order == sorted(in_order)
        added = {pin for pin in pins if pin not in plain}
        assert any(pin.startswith("nvidia-cudnn-cu") for pin in added)


def test_what_will_be_fetched_is_said_first() -> None:
    message = to_download(cuda_row(engine_row("jax"), NEW))
    count = len(pins_of(cuda_row(engine_row("jax"), NEW)))
    assert message.startswith(f"fetching {count} packages, among them jax, ")
    assert "nvidia-cudnn-cu13" in message
    assert "numpy" not in message


def test_install_cuda_makes_that_environment_though_python_has_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested: list[str] = []

    def install(row: EngineRow, tell: Any) -> Installed:
        requested.append(row.requirements)
        return Installed(fake_environment(row), True, 1.0)

    monkeypatch.setattr(EngineRow, "importable", property(lambda row: True))
    monkeypatch.setattr("crosstrain.api.engines.install", install)
    monkeypatch.setattr(cuda.gpus, "gpus", lambda: OLD)
    results = install_engines(["jax", "torch"], cuda=True, progress=False)
    assert [each["status"] for each in results] == ["made", "failed"]
    assert "needs a driver that runs CUDA 13" in results[1]["error"]
    assert requested == ["jax-cuda12.txt"]


def fake_environment(row: EngineRow) -> Any:
    """As much of an environment as says that it is whole; where it is then found."""
    folder = folder_of(row)
    folder.mkdir(parents=True)
    write_json(folder / MANIFEST, {"python": "bin/python", "version": "9", "requirements": pins_of(row)})
    return own_environment(row)


def test_it_takes_the_place_of_the_users_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineRow, "importable", property(lambda row: True))
    row = engine_row("torch")
    before = find(row)
    assert before is not None
    assert before.own
    fake_environment(cuda_row(row, NEW))
    after = find(row)
    assert after is not None
    assert after.folder == folder_of(cuda_row(row, NEW))


# -- the contract ------------------------------------------------------------------------------------
def test_the_contract_is_tried_on_the_gpu_that_is_there() -> None:
    from tests.engines.conftest import HERE, places

    if not (here := gpus.gpus()).cards:
        pytest.skip(f"the contract of the engines is tried on the processor alone: {here.reason}")
    assert {f"{name} on cuda:0" for name in HERE} <= set(places())


def test_a_gpu_is_where_the_contract_builds_unless_a_test_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.engines.conftest import OnGpu, places

    monkeypatch.setattr(gpus, "gpus", lambda: NEW)
    assert sum(" on cuda:0" in place for place in places()) * 2 == len(list(places()))
    devices: list[str] = []

    class Noting:
        name = "noting"

        def build(self, program: Any, weights: Any, setting: Setting) -> None:
            devices.append(setting.device)

    for setting in (Setting(), Setting(device="cuda:1")):
        OnGpu(Noting()).build(None, {}, setting)  # type: ignore[arg-type]
    assert devices == ["cuda:0", "cuda:1"]


# -- arithmetic -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("job", "override"),
    [
        ({"device": "cpu"}, None),
        ({"device": "cuda:0", "division": "closed"}, "0"),
        ({"device": "cuda:0", "division": "closed", "options": {"compile": "default"}}, "0"),
        ({"device": "cuda:0", "division": "open", "options": {"arithmetic": "tf32"}}, None),
        ({"device": "cuda:0"}, "0"),
        ({"device": "cuda:0", "options": {"arithmetic": "tf32"}}, None),
    ],
)
def test_closed_cells_on_a_gpu_keep_nvidias_libraries_from_tf32(
    job: dict[str, Any], override: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NVIDIA_TF32_OVERRIDE", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    variables = environment({"task": "train", "engine": "torch", **job})
    assert variables.get("NVIDIA_TF32_OVERRIDE") == override
    assert (variables.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID") == (job["device"] != "cpu")
    assert "XLA_PYTHON_CLIENT_PREALLOCATE" not in variables


def test_proofs_share_a_gpu() -> None:
    variables = environment({"task": "evidence", "engine": "jax", "device": "cuda:0"})
    assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert variables["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


class Framework:
    """Stands in for an engine's module ``device``."""

    def __init__(self, exact: bool | None) -> None:
        self.exact = exact

    def ieee(self, native: bool) -> bool | None:
        return self.exact


KINDS = {"arithmetic": Option("full", ("full", "tf32", "bfloat16"), "", "open")}


@pytest.mark.parametrize(
    ("device", "precision", "options", "exact", "words"),
    [
        ("cpu", "float32", {}, False, "IEEE float32"),
        ("cuda:0", "float64", {}, False, "IEEE float64"),
        ("cuda:0", "float32", {}, True, "IEEE float32"),
        ("cuda:0", "float32", {"arithmetic": "full"}, True, "IEEE float32"),
        ("cuda:0", "float32", {}, False, "float32 with products in TF32"),
        ("cuda:0", "float32", {}, None, "float32 as the framework chooses on a GPU (it may be TF32)"),
        ("cuda:0", "float32", {"arithmetic": "tf32"}, True, "float32 with products in tf32"),
        ("cpu", "float32", {"arithmetic": "bfloat16"}, True, "float32 with products in bfloat16"),
    ],
)
def test_the_arithmetic_is_what_ran(
    device: str, precision: str, options: dict[str, Any], exact: bool | None, words: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("crosstrain.engines.devices.device_module", lambda row: Framework(exact))
    assert arithmetic(engine_row("torch"), device, precision, options, KINDS) == words


def test_torchs_switches_are_read_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    row = engine_row("keras-torch")  # Keras leaves them as PyTorch has them: cuDNN's is on
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert arithmetic(row, "cuda:0", "float32", {}, {}) == "float32 with products in TF32"
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert arithmetic(row, "cuda:0", "float32", {}, {}) == "IEEE float32"


def test_no_variable_of_nvidias_reaches_xlas_own_products(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    keras, own = engine_row("keras-jax"), engine_row("jax")
    assert arithmetic(own, "cuda:0", "float32", {}, {}) == "IEEE float32"
    assert arithmetic(keras, "cuda:0", "float32", {}, {}) == "float32 with products in TF32"
    with jax.default_matmul_precision("highest"):
        assert arithmetic(keras, "cuda:0", "float32", {}, {}) == "IEEE float32"

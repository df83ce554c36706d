"""OpenVINO: runs networks out of ONNX files, compiled for the processor (oneDNN with blocked layouts)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from crosstrain.engines.checks import as_taken, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting
from crosstrain.errors import CrosstrainError

OPTIONS = {
    "hint": Option("latency", ("latency", "throughput"), "what streams and threads are chosen for"),
    "arithmetic": Option(
        "f32", ("f32", "bf16", "f16"), "precision of the kernels; OpenVINO's own choice may be bf16", "open"
    ),
}  # fmt: skip


def devices() -> dict[str, str]:
    """OpenVINO's devices by crosstrain's names."""
    by_name = {"CPU": "cpu"}
    return {by_name.get(name, name.lower()): name for name in ov.Core().available_devices}


class OpenVino:
    """OpenVINO."""

    name = "openvino"

    def describe(self) -> Description:
        return Description(ov.get_version().partition("-")[0], tuple(devices()), ("float32",), OPTIONS)

    def open(self, path: Path, outputs: tuple[str, ...], setting: Setting) -> OpenVinoNetwork:
        options = checked_options(self.name, self.describe(), setting)
        core = ov.Core()
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": options["hint"].upper(),
            "INFERENCE_PRECISION_HINT": options["arithmetic"],
        }
        if setting.threads and setting.device == "cpu":
            settings["INFERENCE_NUM_THREADS"] = setting.threads
        try:
            compiled = core.compile_model(core.read_model(str(path)), devices()[setting.device], settings)
        except RuntimeError as error:
            raise CrosstrainError(f"OpenVINO cannot run {path.name}: {_last_line(error)}") from error
        return OpenVinoNetwork(compiled, outputs)


class OpenVinoNetwork:
    """A compiled model with one request, used again and again."""

    def __init__(self, compiled: ov.CompiledModel, outputs: tuple[str, ...]) -> None:
        self._request, self._outputs = compiled.create_infer_request(), outputs
        self._inputs = {
            argument.get_any_name(): argument.get_element_type().to_dtype() for argument in compiled.inputs
        }

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        arrays = {name: as_taken(inputs[name], dtype) for name, dtype in self._inputs.items()}
        results = self._request.infer(arrays, share_inputs=True)
        return {name: np.array(results[index]) for index, name in enumerate(self._outputs)}


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


ENGINE = OpenVino()

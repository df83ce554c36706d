"""ONNX Runtime: runs networks out of ONNX files, on the CPU with oneDNN-like blocked layouts of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from crosstrain.engines.checks import as_taken, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting
from crosstrain.errors import CrosstrainError

_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool",
    **{f"tensor({kind}{bits})": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""ONNX Runtime's types of inputs."""

OPTIONS = {
    "optimization": Option(
        "all", tuple(_LEVELS), "how far the graph is rewritten (all: fused and laid out for this processor)"
    ),
    "spinning": Option(True, (True, False), "threads wait busily for the next operator"),
}  # fmt: skip


def devices() -> dict[str, tuple[str, dict[str, str]]]:
    """ONNX Runtime's execution providers by crosstrain's names of devices, each with its options."""
    by_name: dict[str, tuple[str, dict[str, str]]] = {"cpu": ("CPUExecutionProvider", {})}
    if "CUDAExecutionProvider" in ort.get_available_providers():
        by_name["cuda:0"] = ("CUDAExecutionProvider", {"device_id": "0", "use_tf32": "0"})
    return by_name


class OnnxRuntime:
    """ONNX Runtime."""

    name = "onnxruntime"

    def describe(self) -> Description:
        return Description(ort.__version__, tuple(devices()), ("float32",), OPTIONS)

    def open(self, path: Path, outputs: tuple[str, ...], setting: Setting) -> OnnxRuntimeNetwork:
        options = checked_options(self.name, self.describe(), setting)
        session_options = ort.SessionOptions()
        session_options.graph_optimization_level = _LEVELS[options["optimization"]]
        session_options.intra_op_num_threads = setting.threads or 0
        session_options.inter_op_num_threads = 1
        session_options.add_session_config_entry(
            "session.intra_op.allow_spinning", str(int(options["spinning"]))
        )
        session_options.log_severity_level = 3
        try:
            session = ort.InferenceSession(str(path), session_options, providers=[devices()[setting.device]])
        except Exception as error:  # ONNX Runtime's own classes share no base but this
            raise CrosstrainError(f"ONNX Runtime cannot run {path.name}: {_first_line(error)}") from error
        return OnnxRuntimeNetwork(session, outputs)


class OnnxRuntimeNetwork:
    """A session; it keeps the order of the outputs."""

    def __init__(self, session: ort.InferenceSession, outputs: tuple[str, ...]) -> None:
        self._session, self._outputs = session, outputs
        self._inputs = {argument.name: _DTYPES[argument.type] for argument in session.get_inputs()}

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        taken = {name: as_taken(inputs[name], dtype) for name, dtype in self._inputs.items()}
        values = self._session.run(None, taken)
        return dict(zip(self._outputs, values, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


ENGINE = OnnxRuntime()

"""LiteRT (formerly TensorFlow Lite): runs networks out of .tflite files, with XNNPACK on the CPU."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from crosstrain.engines.checks import as_taken, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting
from crosstrain.errors import CrosstrainError

_KERNELS = {
    "xnnpack": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}

OPTIONS = {"kernels": Option("xnnpack", tuple(_KERNELS), "XNNPACK's, or LiteRT's built-in ones")}


class LiteRt:
    """LiteRT's interpreter."""

    name = "litert"

    def describe(self) -> Description:
        return Description(version("ai-edge-litert"), ("cpu",), ("float32",), OPTIONS)

    def open(self, path: Path, outputs: tuple[str, ...], setting: Setting) -> LiteRtNetwork:
        options = checked_options(self.name, self.describe(), setting)
        try:
            interpreter = Interpreter(
                model_path=str(path),
                num_threads=setting.threads,
                experimental_op_resolver_type=_KERNELS[options["kernels"]],
            )
            return LiteRtNetwork(interpreter, outputs)
        except (RuntimeError, ValueError) as error:
            raise CrosstrainError(f"LiteRT cannot run {path.name}: {error}") from error


class LiteRtNetwork:
    """An interpreter of the file's one signature; it allocates anew when the length of the batch changes."""

    def __init__(self, interpreter: Interpreter, outputs: tuple[str, ...]) -> None:
        self._interpreter, self._outputs = interpreter, outputs
        self._inputs = interpreter.get_input_details()
        # Details come in the order of the converter, whose names tell the order of the graph.
        self._ends = sorted(interpreter.get_output_details(), key=lambda end: end["name"])
        self._length: int | None = None

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        batch = len(next(iter(inputs.values())))
        if batch != self._length:
            for detail in self._inputs:
                self._interpreter.resize_tensor_input(detail["index"], [batch, *detail["shape"][1:]])
            self._interpreter.allocate_tensors()
            self._length = batch
        for detail, value in zip(self._inputs, inputs.values(), strict=True):
            self._interpreter.set_tensor(detail["index"], as_taken(value, detail["dtype"]))
        self._interpreter.invoke()
        values = [self._interpreter.get_tensor(end["index"]) for end in self._ends]
        return dict(zip(self._outputs, values, strict=True))


ENGINE = LiteRt()

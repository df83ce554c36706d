"""OpenCV's DNN module: runs networks out of ONNX files, wherever OpenCV is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from crosstrain.engines.checks import as_float32, as_taken, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting
from crosstrain.errors import CrosstrainError

OPTIONS = {
    "fusion": Option(True, (True, False), "join layers where OpenCV can"),
    "winograd": Option(True, (True, False), "Winograd's form of 3×3 convolutions"),
}  # fmt: skip


class OpenCv:
    """OpenCV's DNN module, on the CPU."""

    name = "opencv"

    def describe(self) -> Description:
        return Description(cv2.__version__, ("cpu",), ("float32",), OPTIONS)

    def open(self, path: Path, outputs: tuple[str, ...], setting: Setting) -> OpenCvNetwork:
        options = checked_options(self.name, self.describe(), setting)
        if setting.threads:
            cv2.setNumThreads(setting.threads)
        try:
            net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise CrosstrainError(f"OpenCV cannot run {path.name}: {_sentence(error)}") from error
        net.enableFusion(options["fusion"])
        net.enableWinograd(options["winograd"])
        return OpenCvNetwork(net, outputs)


class OpenCvNetwork:
    """A net of OpenCV's; it allocates anew when the length of the batch changes."""

    def __init__(self, net: cv2.dnn.Net, outputs: tuple[str, ...]) -> None:
        self._net, self._outputs = net, outputs
        # By the order of the file: OpenCV numbers the network's ends in its own.
        self._ends = outputs if len(outputs) > 1 else ()

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        for name, value in inputs.items():
            whole = value.dtype.kind in "iub" and value.dtype != np.uint8
            self._net.setInput(as_taken(value, np.int32) if whole else as_float32(value), name)
        try:
            if not self._ends:
                return {self._outputs[0]: np.array(self._net.forward())}
            return dict(zip(self._outputs, map(np.array, self._net.forward(self._ends)), strict=True))
        except cv2.error as error:
            raise CrosstrainError(f"OpenCV cannot run this network: {_sentence(error)}") from error


def _sentence(error: cv2.error) -> str:
    return " ".join(str(error).split())


ENGINE = OpenCv()

"""Runs ONNX files in ONNX Runtime, in whatever Python has it: ``python ort_runner.py FOLDER``.

``FOLDER/NAME.npz`` holds the inputs of ``FOLDER/NAME.onnx``; outputs go to ``NAME.out.npz``, what went wrong
to ``NAME.error``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort


def main(folder: Path) -> None:
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    for path in sorted(folder.glob("*.onnx")):
        try:
            session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
            with np.load(path.with_suffix(".npz")) as inputs:
                values = session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})
            names = [output.name for output in session.get_outputs()]
            np.savez(path.with_suffix(".out.npz"), **dict(zip(names, values, strict=True)))
        except Exception as error:  # told to the test
            path.with_suffix(".error").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

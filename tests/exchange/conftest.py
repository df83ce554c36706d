"""Networks to export and import, and ONNX Runtime to run what was exported."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from crosstrain.exchange.onnx.writing.export import save
from tests.foreign import needed

Arrays = dict[str, np.ndarray]
Foreign = Callable[[Mapping[str, tuple[onnx.ModelProto, Arrays]]], dict[str, "Arrays | str"]]


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    """Runs models in ONNX Runtime: outputs by name, or the error's text."""
    environment = needed("onnxruntime")

    def run(models: Mapping[str, tuple[onnx.ModelProto, Arrays]]) -> dict[str, Arrays | str]:
        folder = tmp_path_factory.mktemp("foreign")
        for name, (model, inputs) in models.items():
            save(model, folder / f"{name}.onnx")
            np.savez(folder / f"{name}.npz", **inputs)
        script = Path(__file__).with_name("ort_runner.py")
        subprocess.run([environment.python, str(script), str(folder)], check=True, timeout=300)
        results: dict[str, Arrays | str] = {}
        for name in models:
            error = folder / f"{name}.error"
            if error.exists():
                results[name] = error.read_text()
                continue
            with np.load(folder / f"{name}.out.npz") as archive:
                results[name] = {key: archive[key] for key in archive.files}
        return results

    return run

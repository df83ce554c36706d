"""What a folder holds: a comparison of trainings, or one at inference."""

from __future__ import annotations

import json
from pathlib import Path

from crosstrain.errors import CrosstrainError
from crosstrain.results.inference import InferenceResult
from crosstrain.results.schema import ComparisonResult


def load(folder: Path) -> ComparisonResult | InferenceResult:
    """The result in a folder; ``CrosstrainError`` where there is none, or a damaged one."""
    path = folder / "result.json"
    try:
        data = json.loads(path.read_bytes())
        if isinstance(data, dict) and data.get("task") == "inference":
            return InferenceResult.model_validate(data)
        return ComparisonResult.model_validate(data)
    except FileNotFoundError as error:
        raise CrosstrainError(f"{folder} holds no comparison (no result.json)") from error
    except OSError as error:
        raise CrosstrainError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no JSON, or not a result's
        raise CrosstrainError(f"{path} is damaged; run the comparison again to write it anew") from error

"""What a cell's test metrics say besides accuracy, under short names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosstrain.results.schema import CellResult


def test_metric(metrics: Mapping[str, Any], name: str) -> Any:
    """The metric ``name`` of the first output that has it; None where none has."""
    return next((each for key, each in metrics.items() if key == name or key.endswith(f"/{name}")), None)


def quality(cell: CellResult) -> dict[str, float]:
    """Numbers by what they are called in tables, those that are known."""
    metrics = cell.test_metrics
    macro = (test_metric(metrics, "per_class") or {}).get("macro") or {}
    numbers = {
        "top 5": test_metric(metrics, "top_k:5"),
        "precision": macro.get("precision"),
        "recall": macro.get("recall"),
        "F1": macro.get("f1"),
        "AUC": test_metric(metrics, "macro_auc"),
        "perplexity": test_metric(metrics, "perplexity"),
        "calibration error": test_metric(metrics, "calibration_error"),
    }
    return {name: float(number) for name, number in numbers.items() if number is not None}

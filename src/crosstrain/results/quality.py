"""What a cell's test metrics say besides accuracy, under short names."""

from __future__ import annotations

from crosstrain.results.schema import CellResult, test_metric

__all__ = ["BY_CLASS", "quality", "test_metric"]

BY_CLASS = {"class_iou": "IoU", "class_ap_50": "AP@0.5"}
"""Metrics that have a number for each class, and what they are called."""


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
        "character error rate": test_metric(metrics, "character_error_rate"),
        "word error rate": test_metric(metrics, "word_error_rate"),
        "texts right": cell.test_accuracy if test_metric(metrics, "word_error_rate") is not None else None,
        "words right": cell.test_accuracy if test_metric(metrics, "bleu") is not None else None,
        "BLEU": test_metric(metrics, "bleu"),
        "calibration error": test_metric(metrics, "calibration_error"),
        "pixel accuracy": cell.test_accuracy if test_metric(metrics, "mean_iou") is not None else None,
        "class accuracy": test_metric(metrics, "class_accuracy"),
        "mean IoU": test_metric(metrics, "mean_iou"),
        "mAP@0.5": test_metric(metrics, "map_50"),
        "mAP@0.5:0.95": test_metric(metrics, "map"),
        "boundary F1": test_metric(metrics, "boundary_f1"),
    }
    return {name: float(number) for name, number in numbers.items() if number is not None}

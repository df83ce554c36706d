"""What a task adds to training, as data: the metric that it is judged by.

A row for each task that data can have (``Prepared.manifest["task"]``). Whoever adds one adds its row here and
its metrics to ``training/scores``; what trains, chooses and reports reads them from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """``metric`` is the main one, larger being better, from 0 to 1; ``title`` what tables call it; ``limits``
    the metric with its 95 % limits ([low, high]), "" where it is a share of right answers, whose limits
    follow from their number."""

    name: str
    metric: str
    title: str
    limits: str = ""


SEGMENTATION = Task("segmentation", "mean_iou", "mean IoU", "mean_iou_limits")
TRANSCRIPTION = Task("transcription", "character_accuracy", "characters right", "character_accuracy_limits")
CAPTIONING = Task("captioning", "bleu", "BLEU", "bleu_limits")
DETECTION = Task("detection", "map_50", "mAP@0.5", "map_50_limits")
CLASSIFICATION = Task("classification", "accuracy", "accuracy")

TASKS = (DETECTION, SEGMENTATION, TRANSCRIPTION, CAPTIONING, CLASSIFICATION)
"""In the order in which they are looked for: pixels, texts and the words of captions have an accuracy too.
BLEU is of test parts: the epochs of a captioner are validated by the share of right next words."""


def value_of(results: Mapping[str, Any], name: str) -> Any:
    """The metric ``name`` of the first output that has it, None where none has."""
    return next((v for k, v in results.items() if k == name or k.endswith(f"/{name}")), None)


def task_of(results: Mapping[str, Any]) -> Task | None:
    """The task whose main metric is among results; None for numbers that are predicted."""
    return next((task for task in TASKS if value_of(results, task.metric) is not None), None)


def measure_of(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """The main metric of results, as ``results.schema.Measure`` has it; None where there is none."""
    task = task_of(results)
    if task is None:
        return None
    low, high = value_of(results, task.limits) or (None, None)
    return {
        "name": task.metric, "title": task.title, "value": value_of(results, task.metric),
        "low": low, "high": high,
    }  # fmt: skip

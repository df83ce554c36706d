"""The losses of detectors, written in ``keras.ops``, by the names that ``detection/heads.py`` has.

Each is called as ``(y_true, y_pred, height, width, classes, …)``: true boxes (batch, most, 5) as
``detection/truths.py`` has them, the output, the size of the picture in pixels and the number of classes,
which the importer adds; it returns one number for each picture, (batch,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosstrain.graph.keras_import.detection.ssd import ssd
from crosstrain.graph.keras_import.detection.two_stage import rois, rpn
from crosstrain.graph.keras_import.detection.yolo import yolo

BOX_LOSSES: Mapping[str, Callable[..., Any]] = {"yolo": yolo, "rpn": rpn, "rois": rois, "ssd": ssd}

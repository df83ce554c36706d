"""The networks that say what is where, as boxes."""

from __future__ import annotations

from crosstrain.zoo.catalogue.row import NetworkRow

TASK = "object-detection"

# fmt: off
DETECTION = (
    NetworkRow(
        "yolo", "detection.yolo:yolo",
        "24 convolutions and two dense layers, boxes and classes from each cell of a grid",
        "Redmon et al. 2016, figure 3", 2015, (448, 448, 3), 20, 271_703_550, 20_285_153_280,
        tiny={"input_shape": (128, 128, 3), "classes": 3, "width": 1 / 32}, task=TASK,
        note="the paper gives no number",
    ),
    NetworkRow(
        "yolo-tiny", "detection.yolo:yolo_tiny",
        "eight convolutions and a dense layer, boxes and classes from each cell of a grid",
        "Redmon et al. 2016, section 2.1; darknet, cfg/yolov1-tiny.cfg", 2015, (448, 448, 3), 20, 27_095_374,
        1_608_015_360, tiny={"input_shape": (48, 48, 3), "classes": 3, "width": 1 / 16, "poolings": 4},
        task=TASK,
        note="the paper's Fast YOLO has nine convolutions",
    ),
)
# fmt: on

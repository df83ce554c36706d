"""The networks that find objects by correcting boxes."""

from __future__ import annotations

from crosstrain.zoo.catalogue.detection import TASK
from crosstrain.zoo.catalogue.row import NetworkRow

_TINY = {"input_shape": (32, 48, 3), "classes": 3, "stride": 8, "grid": 3, "hidden": 128}
_TINY_REGIONS = {"anchor": 8.0, "scales": 2, "considered": 48, "proposals": 16}

# fmt: off
REGIONS = (
    NetworkRow(
        "faster-rcnn", "detection.rcnn:faster_rcnn",
        "VGG16, region proposals from its last maps, RoI align and two dense layers for each",
        "Ren et al. 2015, sections 3 and 4", 2015, (600, 800, 3), 20, 137_057_234, 189_982_873_600,
        tiny={**_TINY, **_TINY_REGIONS, "width": 1 / 16}, task=TASK,
    ),
    NetworkRow(
        "faster-rcnn-small", "detection.rcnn:faster_rcnn_small",
        "six convolutions, region proposals, RoI align and two dense layers: for small pictures on a CPU",
        "Ren et al. 2015, sections 3 and 4", 2015, (240, 320, 3), 3, 785_005, 309_083_136,
        tiny={**_TINY, **_TINY_REGIONS, "width": 0.25}, task=TASK,
    ),
    NetworkRow(
        "fast-rcnn", "detection.rcnn:fast_rcnn",
        "VGG16, RoI align and two dense layers for each of the regions that it is given",
        "Girshick 2015, sections 2 and 3", 2015, (600, 800, 3), 20, 134_674_341, 403_018_547_200,
        tiny={**_TINY, "proposals": 6, "width": 1 / 16}, task=TASK, inputs=("picture", "proposals"),
        rows="proposals", note="its proposals are selective search's: voc:DIR:proposals=300",
    ),
    NetworkRow(
        "ssd-lite", "detection.ssd:ssd_lite",
        "anchors of several sizes on four maps, separable heads, in one shot",
        "Liu et al. 2016, section 2; Sandler et al. 2018, section 6.2", 2018, (320, 320, 3), 20, 167_096,
        242_825_600,
        tiny={"input_shape": (32, 48, 3), "classes": 3, "width": 0.25, "stages": 2}, task=TASK,
        note="the papers' maps come from MobileNetV2, these from six convolutions",
    ),
)
# fmt: on
"""Their outputs are rows with a box each: ``detection/anchored.py``."""

"""The networks that give a class for every pixel."""

from __future__ import annotations

from crosstrain.zoo.catalogue.row import NetworkRow

TASK = "image-segmentation"

# fmt: off
SEGMENTATION = (
    NetworkRow(
        "segnet-basic", "segmentation.segnet:segnet_basic",
        "four 7×7 convolutions down, four up, unpooling with the places of the maxima",
        "Badrinarayanan et al. 2017, section 3.1", 2015, (360, 480, 3), 11, 1_416_075, 59_188_838_400,
        tiny={"input_shape": (34, 32, 3), "classes": 5, "width": 1 / 16}, task=TASK,
        published_parameters="1.425 M",
    ),
    NetworkRow(
        "segnet", "segmentation.segnet:segnet",
        "VGG16's convolutions and their mirror image, unpooling with the places of the maxima",
        "Badrinarayanan et al. 2017, figure 2", 2015, (360, 480, 3), 11, 29_441_419, 106_287_759_360,
        tiny={"input_shape": (18, 16, 3), "classes": 5, "width": 1 / 16, "stages": 3}, task=TASK,
        published_parameters="29.5 M", note="the paper's convolutions have biases before their normalisation",
    ),
    NetworkRow(
        "unet", "segmentation.unet:unet",
        "five stages down, four up, each beside the maps of its stage on the way down",
        "Ronneberger et al. 2015, figure 1", 2015, (512, 512, 1), 2, 31_030_658, 192_384_335_872,
        tiny={"input_shape": (18, 16, 1), "classes": 5, "width": 1 / 16, "depth": 2}, task=TASK,
        note="the paper gives no number; its convolutions are not padded",
    ),
    NetworkRow(
        "fcn8s", "segmentation.fcn:fcn8s",
        "VGG16 with convolutions for its dense layers, scores of three stages added and enlarged",
        "Long et al. 2015, figure 3", 2015, (512, 512, 3), 21, 134_489_759, 111_306_461_184,
        tiny={"input_shape": (36, 32, 3), "classes": 5, "width": 1 / 32}, task=TASK,
        published_parameters="134 M",
    ),
)
# fmt: on

"""The networks of ``keras.applications``."""

from __future__ import annotations

from crosstrain.zoo.catalogue.row import NetworkRow

_SMALL = {"input_shape": (32, 32, 3), "classes": 5}
_DENSENET = {"kind": "densenet.DenseNet", "blocks": (2, 2, 2, 2), "width": 1 / 8}
_NASNET = {
    "kind": "nasnet.NASNet",
    "penultimate_filters": 96,
    "num_blocks": 1,
    "stem_block_filters": 8,
}
_EFFICIENTNET = {
    "kind": "efficientnet.EfficientNet",
    "width_coefficient": 0.1,
    "depth_coefficient": 0.1,
    "default_size": 32,
}

# fmt: off
APPLICATIONS = (
    NetworkRow(
        "xception", "applications:application", "depthwise separable convolutions with residual shortcuts",
        "Chollet 2017", 2016, (299, 299, 3), 1000, 22_855_952, 8_357_403_496,
        arguments={"kind": "Xception"}, tiny={"input_shape": (71, 71, 3), "classes": 5, "width": 1 / 8},
        published_parameters="22,855,952", published_macs="8.4 G",
    ),
    NetworkRow(
        "inception-v3", "applications:application", "factorised inception modules", "Szegedy et al. 2016",
        2015, (299, 299, 3), 1000, 23_817_352, 5_713_216_096, arguments={"kind": "InceptionV3"},
        tiny={"input_shape": (75, 75, 3), "classes": 5, "width": 1 / 8}, published_parameters="23,817,352",
        published_macs="5.7 G",
    ),
    NetworkRow(
        "inception-resnet-v2", "applications:application", "inception modules with residual shortcuts",
        "Szegedy et al. 2017", 2016, (299, 299, 3), 1000, 55_813_192, 13_155_794_016,
        arguments={"kind": "InceptionResNetV2"},
        tiny={"input_shape": (75, 75, 3), "classes": 5, "width": 1 / 8}, published_parameters="55,813,192",
        published_macs="13.2 G",
    ),
    NetworkRow(
        "mobilenet", "applications:application", "depthwise separable convolutions", "Howard et al. 2017",
        2017, (224, 224, 3), 1000, 4_231_976, 568_740_352, arguments={"kind": "MobileNet"},
        tiny={**_SMALL, "width": 1 / 8}, published_parameters="4,231,976", published_macs="569 M",
    ),
    NetworkRow(
        "mobilenet-v2", "applications:application", "inverted residual blocks", "Sandler et al. 2018", 2018,
        (224, 224, 3), 1000, 3_504_872, 300_774_272, arguments={"kind": "MobileNetV2"},
        tiny={**_SMALL, "width": 1 / 8}, published_parameters="3,504,872", published_macs="300 M",
        note="the paper rounds to 300 million",
    ),
    NetworkRow(
        "mobilenet-v3-small", "applications:application",
        "inverted residual blocks with squeeze and excitation, found by search", "Howard et al. 2019", 2019,
        (224, 224, 3), 1000, 2_542_856, 56_510_400, arguments={"kind": "MobileNetV3Small"},
        tiny={**_SMALL, "width": 1 / 8}, published_parameters="2,542,856", published_macs="56 M",
        note="the paper rounds down",
    ),
    NetworkRow(
        "mobilenet-v3-large", "applications:application",
        "inverted residual blocks with squeeze and excitation, found by search", "Howard et al. 2019", 2019,
        (224, 224, 3), 1000, 5_483_032, 216_589_760, arguments={"kind": "MobileNetV3Large"},
        tiny={**_SMALL, "width": 1 / 8}, published_parameters="5,483,032", published_macs="219 M",
        note="Keras's network takes 1 % fewer MACs than the paper says",
    ),
    NetworkRow(
        "densenet121", "applications:application", "densely connected blocks, 121 layers",
        "Huang et al. 2017, table 1", 2016, (224, 224, 3), 1000, 7_978_856, 2_834_161_664,
        arguments={"kind": "DenseNet121"}, tiny={**_SMALL, **_DENSENET}, published_parameters="7,978,856",
        published_macs="2.83 G",
    ),
    NetworkRow(
        "densenet169", "applications:application", "densely connected blocks, 169 layers",
        "Huang et al. 2017, table 1", 2016, (224, 224, 3), 1000, 14_149_480, 3_359_843_328,
        arguments={"kind": "DenseNet169"}, tiny={**_SMALL, **_DENSENET}, published_parameters="14,149,480",
        published_macs="3.36 G",
    ),
    NetworkRow(
        "densenet201", "applications:application", "densely connected blocks, 201 layers",
        "Huang et al. 2017, table 1", 2016, (224, 224, 3), 1000, 20_013_928, 4_291_365_888,
        arguments={"kind": "DenseNet201"}, tiny={**_SMALL, **_DENSENET}, published_parameters="20,013,928",
        published_macs="4.29 G",
    ),
    NetworkRow(
        "nasnet-mobile", "applications:application", "cells found by search", "Zoph et al. 2018", 2017,
        (224, 224, 3), 1000, 5_289_978, 563_638_816, arguments={"kind": "NASNetMobile"},
        tiny={**_SMALL, **_NASNET, "skip_reduction": False}, published_parameters="5,289,978",
        published_macs="564 M",
    ),
    NetworkRow(
        "nasnet-large", "applications:application", "cells found by search", "Zoph et al. 2018", 2017,
        (331, 331, 3), 1000, 88_753_150, 23_783_414_658, arguments={"kind": "NASNetLarge"},
        tiny={**_SMALL, **_NASNET, "skip_reduction": True}, published_parameters="88,753,150",
        published_macs="23.8 G",
    ),
    NetworkRow(
        "efficientnet-b0", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (224, 224, 3), 1000, 5_288_548, 385_814_752, arguments={"kind": "EfficientNetB0"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="5,288,548", published_macs="0.39 G",
    ),
    NetworkRow(
        "efficientnet-b1", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (240, 240, 3), 1000, 7_794_184, 686_802_832, arguments={"kind": "EfficientNetB1"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="7,794,184", published_macs="0.70 G",
        note="Keras's network takes 2 % fewer MACs than the paper says",
    ),
    NetworkRow(
        "efficientnet-b2", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (260, 260, 3), 1000, 9_109_994, 993_561_872, arguments={"kind": "EfficientNetB2"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="9,109,994", published_macs="1.0 G",
    ),
    NetworkRow(
        "efficientnet-b3", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (300, 300, 3), 1000, 12_233_232, 1_827_141_392, arguments={"kind": "EfficientNetB3"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="12,233,232", published_macs="1.8 G",
    ),
    NetworkRow(
        "efficientnet-b4", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (380, 380, 3), 1000, 19_341_616, 4_393_771_024, arguments={"kind": "EfficientNetB4"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="19,341,616", published_macs="4.2 G",
        note="Keras's network takes 5 % more MACs than the paper says",
    ),
    NetworkRow(
        "efficientnet-b5", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (456, 456, 3), 1000, 30_389_784, 10_266_384_752, arguments={"kind": "EfficientNetB5"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="30,389,784", published_macs="9.9 G",
        note="Keras's network takes 4 % more MACs than the paper says",
    ),
    NetworkRow(
        "efficientnet-b6", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (528, 528, 3), 1000, 43_040_704, 19_067_593_536, arguments={"kind": "EfficientNetB6"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="43,040,704", published_macs="19 G",
    ),
    NetworkRow(
        "efficientnet-b7", "applications:application",
        "inverted residual blocks with squeeze and excitation, scaled together", "Tan and Le 2019, table 2",
        2019, (600, 600, 3), 1000, 66_347_960, 37_745_884_192, arguments={"kind": "EfficientNetB7"},
        tiny={**_SMALL, **_EFFICIENTNET}, published_parameters="66,347,960", published_macs="37 G",
        note="Keras's network takes 2 % more MACs than the paper says",
    ),
)
# fmt: on

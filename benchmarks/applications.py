"""Certificates of the networks of ``keras.applications`` at their smallest input, with the seconds of each.

Weights are random, the numbers float64, the engines torch, tensorflow and jax. A row is appended to ``--out``
as soon as it is known; the same command goes on after an interruption.

    python benchmarks/applications.py [NAME …] [--engines torch,jax] [--steps 2] [--out FILE] [--list]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import proofs

SIZES = {
    "VGG16": 32, "VGG19": 32, "ResNet50": 32, "ResNet101": 32, "ResNet152": 32, "ResNet50V2": 32,
    "ResNet101V2": 32, "ResNet152V2": 32, "InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71,
    "MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32, "MobileNetV3Large": 32, "DenseNet121": 32,
    "DenseNet169": 32, "DenseNet201": 32, "NASNetMobile": 32, "EfficientNetB0": 32, "EfficientNetV2B0": 32,
    "ConvNeXtTiny": 32, "NASNetLarge": 32, "ConvNeXtLarge": 32,
}  # fmt: skip
"""The side of the smallest picture that Keras lets in."""

CLASSES = 10


def _maker(name: str) -> Callable[..., Any]:
    def make(input_shape: tuple[int, ...] = (SIZES[name], SIZES[name], 3)) -> Any:
        import keras

        create = getattr(keras.applications, name)
        return create(input_shape=input_shape, weights=None, classes=CLASSES, classifier_activation=None)

    return make


# Workers take a network as ``file.py:function``: this file, and the name of the network.
globals().update({name: _maker(name) for name in SIZES})


def main() -> int:
    arguments = proofs.parser(__doc__, "applications.jsonl").parse_args()
    works = [proofs.Work(name, f"{Path(__file__).resolve()}:{name}") for name in SIZES]
    return proofs.run("float64, random weights, smallest input", works, arguments)


if __name__ == "__main__":
    raise SystemExit(main())

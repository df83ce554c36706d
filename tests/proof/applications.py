"""Networks that nobody here wrote: keras.applications with random weights, at small inputs."""

from __future__ import annotations

from typing import Any

import keras

SMALL: dict[str, Any] = {"weights": None, "classes": 10, "classifier_activation": None}


def mobilenet_v2(input_shape: tuple[int, ...] = (32, 32, 3)) -> keras.Model:
    return keras.applications.MobileNetV2(input_shape=input_shape, **SMALL)


def densenet121(input_shape: tuple[int, ...] = (32, 32, 3)) -> keras.Model:
    return keras.applications.DenseNet121(input_shape=input_shape, **SMALL)


def efficientnet_b0(input_shape: tuple[int, ...] = (32, 32, 3)) -> keras.Model:
    return keras.applications.EfficientNetB0(input_shape=input_shape, **SMALL)


def nasnet_mobile(input_shape: tuple[int, ...] = (32, 32, 3)) -> keras.Model:
    return keras.applications.NASNetMobile(input_shape=input_shape, **SMALL)


def resnet50_v2(input_shape: tuple[int, ...] = (32, 32, 3)) -> keras.Model:
    return keras.applications.ResNet50V2(input_shape=input_shape, **SMALL)


def inception_v3(input_shape: tuple[int, ...] = (75, 75, 3)) -> keras.Model:
    return keras.applications.InceptionV3(input_shape=input_shape, **SMALL)

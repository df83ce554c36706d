"""What TensorFlow reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

import tensorflow as tf

from crosstrain.engines.devices import overridden


def cuda() -> str | None:
    build = tf.sysconfig.get_build_info()
    return str(build.get("cuda_version", "")) if build.get("is_cuda_build") else ""


def peak_bytes(device: str) -> int | None:
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    return int(tf.config.experimental.get_memory_info(f"GPU:{number or 0}")["peak"])


def ieee(native: bool) -> bool | None:
    return overridden() or not tf.config.experimental.tensor_float_32_execution_enabled()

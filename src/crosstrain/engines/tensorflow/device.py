"""What TensorFlow reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

import ctypes

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


def free_bytes(device: str) -> int | None:
    """By CUDA's driver: TensorFlow tells what it has taken, not what is left."""
    kind, _, number = device.partition(":")
    return _free_by_driver(int(number or 0)) if kind == "cuda" else None


def _free_by_driver(ordinal: int) -> int | None:
    """Free memory of CUDA's device ``ordinal`` in its primary context, which TensorFlow computes in too;
    None where there is no driver, or it does not say."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), ordinal)
        or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    ):
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    try:
        if cuda.cuCtxPushCurrent_v2(context):
            return None
        failed = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        cuda.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(device)
    return None if failed else free.value


def ieee(native: bool) -> bool | None:
    return overridden() or not tf.config.experimental.tensor_float_32_execution_enabled()

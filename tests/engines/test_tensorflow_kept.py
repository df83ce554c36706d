"""Examples on a device as TensorFlow gathers them on a GPU, and what of its memory is free."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from crosstrain.engines.tensorflow import device  # noqa: E402
from crosstrain.engines.tensorflow.kept import Kept  # noqa: E402

ON_A_GPU = {tf.float16, tf.float32, tf.float64, tf.int64}
"""What TensorFlow keeps and gathers on a GPU (its kernels GatherV2; int32 it keeps on the host)."""


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8,), (3, 3), (5, 4, 3)], ids=str)
@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("uint8", "float32"), ("uint8", "float64"), ("uint8", "int32"), ("float64", "float32"),
        ("float32", "float64"), ("int32", "int32"), ("int64", "int32"), ("int64", "float32"),
        ("bool", "bool"),
    ],
)  # fmt: skip
def test_rows_come_back_as_they_were(shape: tuple[int, ...], given: str, read: str) -> None:
    random = np.random.default_rng(0)
    array = np.asarray(random.uniform(0, 255, (9, *shape))).astype(given)
    kept, index = Kept.of(array, tf.as_dtype(read)), np.array([8, 0, 0, 5])
    assert len(kept) == 9
    assert kept.tensor.dtype in ON_A_GPU
    assert kept.form.spec.is_compatible_with(kept.tensor)

    @tf.function
    def gathered(tensor: Any, index: Any) -> Any:
        return kept.form.gathered(tensor, index)

    np.testing.assert_array_equal(gathered(kept.tensor, index), array[index].astype(read), strict=True)


def test_bytes_lie_there_as_bytes() -> None:
    """A picture of 32 × 32 × 3 takes 3072 bytes, not those of floats."""
    kept = Kept.of(np.zeros((10, 32, 32, 3), np.uint8), tf.float32)
    assert kept.tensor.dtype.size * int(tf.size(kept.tensor)) == 10 * 3072


def test_parts_of_the_data_share_what_is_traced() -> None:
    train, test = (Kept.of(np.zeros((n, 4), np.float32), tf.float32).form for n in (50, 7))
    assert train == test
    assert hash(train) == hash(test)


class Driver:
    """CUDA's driver with one card; ``fault`` is the call that fails."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.calls = fault, []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if name == "cuMemGetInfo_v2":
                for place, size in zip(arguments, (5 << 30, 80 << 30), strict=True):
                    ctypes.cast(place, ctypes.POINTER(ctypes.c_size_t))[0] = size
            return 999 if name == self.fault else 0

        return call


@pytest.mark.parametrize(
    ("fault", "free", "undone"),
    [
        ("", 5 << 30, {"cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"}),
        ("cuInit", None, set()),
        ("cuDeviceGet", None, set()),
        ("cuDevicePrimaryCtxRetain", None, set()),
        ("cuCtxPushCurrent_v2", None, {"cuDevicePrimaryCtxRelease_v2"}),
        ("cuMemGetInfo_v2", None, {"cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"}),
    ],
)
def test_free_memory_is_asked_of_the_driver(
    monkeypatch: pytest.MonkeyPatch, fault: str, free: int | None, undone: set[str]
) -> None:
    driver = Driver(fault)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: driver)
    assert device.free_bytes("cuda:0") == free
    assert {name for name in driver.calls if "Pop" in name or "Release" in name} == undone


def test_there_is_none_without_a_driver_and_none_of_a_cpu() -> None:
    assert device.free_bytes("cpu") is None
    if not tf.config.list_physical_devices("GPU"):
        assert device.free_bytes("cuda:77") is None

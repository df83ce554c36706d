"""Examples on a device in a form that TensorFlow gathers there.

On a GPU, TensorFlow has no kernel that gathers bytes, and keeps whole numbers of 32 bits in host memory: to
gather either would carry the whole array over for every batch. So bytes lie there eight to an int64, and
whole numbers as int64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any

WORD = 8
"""Bytes in an int64."""


@dataclass(frozen=True)
class Form:
    """How an array lies on the device: as tensors of ``spec``, for examples of the shape ``example`` that
    are read as ``dtype``; ``packed``: bytes, eight to a word."""

    example: tuple[int, ...]
    dtype: tf.DType
    spec: tf.TensorSpec
    packed: bool

    def gathered(self, array: Tensor, index: Tensor) -> Tensor:
        """The examples ``index`` (n,) of ``array``, which lies in this form: (n, *example)."""
        rows = tf.gather(array, index)
        if self.packed:
            size = math.prod(self.example)
            rows = tf.reshape(tf.bitcast(rows, tf.uint8), [-1, self.spec.shape[1] * WORD])
            rows = tf.reshape(tf.cast(rows, self.dtype)[:, :size], [-1, *self.example])
        return tf.cast(rows, self.dtype)


@dataclass(frozen=True)
class Kept:
    """An array of examples on a device."""

    tensor: Tensor
    form: Form

    @classmethod
    def of(cls, array: np.ndarray, dtype: tf.DType) -> Kept:
        """``array`` (examples, …) on the current device, to be read as ``dtype``."""
        packed = array.dtype == np.uint8
        tensor = tf.constant(_in_words(array) if packed else np.asarray(array, _kind(array.dtype, dtype)))
        # Of any number of examples: what is traced for one part of the data serves the others.
        spec = tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)
        return cls(tensor, Form(array.shape[1:], dtype, spec, packed))

    def __len__(self) -> int:
        return int(self.tensor.shape[0])


def _in_words(array: np.ndarray) -> np.ndarray:
    """Examples of bytes as int64 (examples, words); the last word is filled up with zeros."""
    count, size = len(array), math.prod(array.shape[1:])
    padded = np.zeros((count, -(-size // WORD) * WORD), np.uint8)
    padded[:, :size] = array.reshape(count, size)
    return padded.view(np.int64)


def _kind(given: np.dtype, wanted: tf.DType) -> np.dtype:
    """What numbers are kept as: floats in the narrower of the two, all others as int64."""
    if given.kind != "f":
        return np.dtype(np.int64)
    asked = np.dtype(wanted.as_numpy_dtype)
    return asked if asked.kind == "f" and asked.itemsize < given.itemsize else given

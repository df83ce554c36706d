"""The task ``stream``: a trained network that is asked again and again, as the frames of a film come."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client
from typing import Any

import numpy as np

from crosstrain.runs.tasks.answering import opened
from crosstrain.system.clocks import Clocks

Emit = Callable[[dict[str, Any]], None]
LENGTH = 8
"""Bytes of the length of a message's head."""


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Answer what comes over the socket ``address`` until an empty message, or until whoever asks is gone.

    The job has ``address`` (a path), ``outputs`` (which are wanted; None: all) and what the task ``answer``
    has of network and engine. A message is ``packed``: the inputs by the network's names, and back the
    outputs with the ``seconds`` that the network took.
    """
    clocks = Clocks(emit)
    graph, row, predictor = opened(job, clocks)
    wanted, asked = job.get("outputs") or list(graph.outputs), 0
    with Client(job["address"], family="AF_UNIX") as connection, contextlib.suppress(EOFError):
        while message := connection.recv_bytes():
            inputs, _ = unpacked(message)
            started = time.perf_counter()
            outputs = predictor.predict(inputs)
            arrays = {name: np.asarray(outputs[name]) for name in wanted}
            connection.send_bytes(packed(arrays, seconds=time.perf_counter() - started))
            asked += 1
    return {"engine_version": row.version, "asked": asked}


def packed(arrays: Mapping[str, np.ndarray], **more: Any) -> bytes:
    """Arrays of numbers and what JSON can say as bytes."""
    rows = {name: [str(a.dtype), list(a.shape)] for name, a in arrays.items()}
    head = json.dumps({"arrays": rows, "more": more}).encode()
    whole = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    return b"".join([len(head).to_bytes(LENGTH, "little"), head, *whole])


def unpacked(message: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What ``packed`` made the bytes of."""
    start = LENGTH + int.from_bytes(message[:LENGTH], "little")
    head = json.loads(message[LENGTH:start])
    arrays = {}
    for name, (dtype, shape) in head["arrays"].items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        arrays[name] = np.frombuffer(bytearray(message[start : start + size]), dtype).reshape(shape)
        start += size
    return arrays, head["more"]

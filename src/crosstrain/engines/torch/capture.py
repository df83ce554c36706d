"""A whole training step in one CUDA graph: what an expert captures by hand.

A small network's step is hundreds of kernels of a few microseconds each, and on a GPU the host cannot start
them as fast as they run. A CUDA graph records them once and starts them all in one call. It always reads and
writes the same memory: inputs are copied into buffers of their own (``Captured.inputs``), and weights, slots
and statistics are overwritten where they lie.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from crosstrain.engines.torch.staging import Staging, moved

Signature = tuple[tuple[str, tuple[int, ...], torch.dtype, torch.device], ...]
Step = Callable[[dict[str, Tensor]], Tensor]

WARM_UP = 3
"""Steps of a shape that run as they are before it is captured: they make constants, let cuDNN time its
algorithms and cuBLAS take its workspace, none of which a capture allows."""
MOST = 4
"""Shapes that are captured; each graph holds the memory of a whole step."""

_log = logging.getLogger(__name__)


class Stage(Protocol):
    """Sends batches of one shape to the device."""

    def send(self, batch: Mapping[str, Tensor]) -> AbstractContextManager[Mapping[str, Tensor]]:
        """The batch on the device, for the time of the context."""


class Recorder(Protocol):
    """What captures: CUDA, or a stand-in in tests."""

    def side(self) -> AbstractContextManager[Any]:
        """Runs what is inside on a stream of its own, in order with what is outside."""

    def staging(self, batch: Mapping[str, Tensor]) -> Stage:
        """What sends batches shaped like this one from host memory to the device."""

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Records ``work`` without running it. Returns what replays it, and the tensor that ``work``
        returned, which each replay writes."""


class CudaRecorder:
    """Captures on a CUDA device. All graphs share one pool: they never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._copies = torch.cuda.Stream(device)

    def side(self) -> AbstractContextManager[Any]:
        return _OnStream(self._stream, self._device)

    def staging(self, batch: Mapping[str, Tensor]) -> Stage:
        return Staging(batch, self._device, self._copies)

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            output = work()
        return graph.replay, output


class _OnStream:
    def __init__(self, stream: Any, device: torch.device) -> None:
        self._stream, self._device = stream, device
        self._inside = torch.cuda.stream(stream)

    def __enter__(self) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        self._inside.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._inside.__exit__(*error)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)


@dataclass(frozen=True)
class Captured:
    """A recorded step: the buffers it reads, what replays it, the loss that each replay writes, and what
    sends batches from host memory (None: they lie on the device)."""

    inputs: Mapping[str, Tensor]
    replay: Callable[[], None]
    loss: Tensor
    stage: Stage | None

    def run(self, inputs: Mapping[str, Tensor]) -> Tensor:
        with self.stage.send(inputs) if self.stage else nullcontext(inputs) as sent:
            for name, buffer in self.inputs.items():
                buffer.copy_(sent[name])
        self.replay()
        return self.loss.clone()


class CapturedStep:
    """Runs ``step`` op by op until a shape of batch has been seen ``WARM_UP`` times, then out of its graph.

    ``step`` takes tensors on ``device`` and returns the loss; whatever it changes it changes in place. A
    shape that comes too seldom (a ragged last batch) stays op by op, and so does everything once a capture
    has failed: ``reason`` says why.
    """

    def __init__(self, step: Step, recorder: Recorder, device: torch.device) -> None:
        self._step, self._recorder, self._device = step, recorder, device
        self._seen: dict[Signature, int] = {}
        self._captured: dict[Signature, Captured] = {}
        self.reason: str | None = None

    @property
    def shapes(self) -> int:
        """How many shapes of batch run out of a graph."""
        return len(self._captured)

    def run(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """One step on a batch in host memory or on the device."""
        key = tuple((name, tuple(value.shape), value.dtype, value.device) for name, value in inputs.items())
        captured = self._captured.get(key)
        if captured is None and self._ready(key):
            captured = self._capture(key, inputs)
        if captured is not None:
            return captured.run(inputs)
        if self._captured and key not in self._seen:
            _log.warning(
                "a batch of another shape, %s, runs op by op until it has come %d times",
                ", ".join(f"{name} {shape}" for name, shape, *_ in key), WARM_UP,
            )  # fmt: skip
        self._seen[key] = self._seen.get(key, 0) + 1
        with self._recorder.side():
            return self._step(self._on_device(inputs))

    def _on_device(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: moved(value, self._device) for name, value in inputs.items()}

    def _ready(self, key: Signature) -> bool:
        return self.reason is None and len(self._captured) < MOST and self._seen.get(key, 0) >= WARM_UP

    def _capture(self, key: Signature, inputs: Mapping[str, Tensor]) -> Captured | None:
        buffers = {name: value.clone() for name, value in self._on_device(inputs).items()}
        try:
            replay, loss = self._recorder.record(lambda: self._step(buffers))
        except RuntimeError as error:  # what CUDA and PyTorch raise for what cannot be captured
            self.reason = str(error).splitlines()[0]
            _log.warning(
                "the training step cannot be captured in a CUDA graph and runs op by op: %s", self.reason
            )
            return None
        on_host = any(value.device != self._device for value in inputs.values())
        stage = self._recorder.staging(inputs) if on_host else None
        self._captured[key] = Captured(buffers, replay, loss, stage)
        return self._captured[key]

"""Batches on their way to a GPU while it computes: pinned buffers in turn, and a stream of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

DEPTH = 3
"""Batches that may be under way. With two, the host would wait for the copy just begun."""


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device, without waiting for it: a GPU fetches from pinned memory alone without the host."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class _Slot:
    """Buffers for one batch, in pinned memory and on the device, and what was last done with them."""

    def __init__(self, batch: Mapping[str, Tensor], device: torch.device) -> None:
        self.host = {name: torch.empty_like(value, pin_memory=True) for name, value in batch.items()}
        self.device = {name: torch.empty_like(value, device=device) for name, value in batch.items()}
        self.sent, self.read = torch.cuda.Event(), torch.cuda.Event()


class Staging:
    """The buffers for batches of one shape."""

    def __init__(self, batch: Mapping[str, Tensor], device: torch.device, stream: torch.cuda.Stream) -> None:
        self._device, self._stream = device, stream
        self._slots = [_Slot(batch, device) for _ in range(DEPTH)]
        self._turn = 0

    @contextmanager
    def send(self, batch: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """A batch in host memory on the device, for what the current stream is given within."""
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % DEPTH
        slot.sent.synchronize()  # long past, unless the host is DEPTH batches ahead
        for name, value in batch.items():
            slot.host[name].copy_(value)
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(slot.read)
            for name, value in slot.host.items():
                slot.device[name].copy_(value, non_blocking=True)
            slot.sent.record(self._stream)
        current = torch.cuda.current_stream(self._device)
        current.wait_event(slot.sent)
        yield slot.device
        slot.read.record(current)

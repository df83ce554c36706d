"""Batches on their way to a GPU: nothing is overwritten before it is read, by streams that a test plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from crosstrain.engines.torch import staging  # noqa: E402
from crosstrain.engines.torch.staging import DEPTH, Staging  # noqa: E402


class Event:
    """When it was last recorded: how much its stream had been given by then."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.work = 0

    def record(self, stream: Stream) -> None:
        self.stream, self.work = stream, len(stream.given)

    def synchronize(self) -> None:
        if self.stream:
            self.stream.run(self.work)


class Stream:
    """Does nothing before it must: what it is given waits until somebody waits for it."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.done = 0

    def give(self, work: Any) -> None:
        self.given.append(work)

    def wait_event(self, event: Event) -> None:
        stream, work = event.stream, event.work
        self.give(lambda: stream and stream.run(work))

    def run(self, until: int | None = None) -> None:
        while self.done < (len(self.given) if until is None else until):
            self.done += 1
            self.given[self.done - 1]()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> tuple[Stream, Stream]:
    """The stream of copies and the one that computes; copies that do not block are given to the first."""
    copies, computing = Stream(), Stream()
    inside: list[Stream] = [computing]

    @contextmanager
    def stream(chosen: Stream) -> Iterator[None]:
        inside.append(chosen)
        yield
        inside.pop()

    real_copy, real_empty = torch.Tensor.copy_, torch.empty_like

    def copy(self: Any, source: Any, non_blocking: bool = False) -> Any:
        if non_blocking:
            inside[-1].give(lambda: real_copy(self, source))
            return self
        return real_copy(self, source)

    monkeypatch.setattr(staging.torch.Tensor, "copy_", copy)
    monkeypatch.setattr(staging.torch, "empty_like", lambda value, **how: real_empty(value))
    monkeypatch.setattr(staging.torch.cuda, "Event", Event)
    monkeypatch.setattr(staging.torch.cuda, "stream", stream)
    monkeypatch.setattr(staging.torch.cuda, "current_stream", lambda device: computing)
    return copies, computing


@pytest.mark.parametrize("steps", [1, DEPTH, 4 * DEPTH])
def test_each_step_reads_its_own_batch_however_late(streams: tuple[Stream, Stream], steps: int) -> None:
    copies, computing = streams
    batch = torch.zeros(4)
    sent, seen = Staging({"x": batch}, torch.device("cpu"), copies), []
    for number in range(steps):
        batch.fill_(number)  # the caller's memory is its own again after each call
        with sent.send({"x": batch}) as there:
            computing.give(lambda x=there["x"]: seen.append(x.tolist()))
        assert len(copies.given) - copies.done <= 2 * DEPTH, "the host runs ahead without end"
    batch.fill_(-1)
    computing.run()
    assert seen == [[float(number)] * 4 for number in range(steps)]

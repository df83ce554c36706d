"""Several training steps in one call of a compiled function: on a GPU, to start a small step costs more than
the step itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.engines.resident import Rows

Array = Any
Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A step that is to be taken: its batch, learning rate and number."""

    batch: Batch
    rate: Any
    number: Any


class Loss:
    """The loss of a step that may not have been taken yet; ``float`` has it taken."""

    def __init__(self, take: Callable[[], None]) -> None:
        self._take = take
        self._losses: Array = None
        self._place = 0

    def settle(self, losses: Array, place: int) -> None:
        """``losses`` (steps,) of a call, of which this is the one at ``place``."""
        self._losses, self._place = losses, place

    def __float__(self) -> float:
        if self._losses is None:
            self._take()
        return float(np.asarray(self._losses).reshape(-1)[self._place])


@dataclass
class Together:
    """Collects steps until there are ``size`` whose batches have one shape, then takes them in one call.

    ``one`` takes a step and gives its loss, ``all_`` takes ``size`` of them and gives their losses.
    """

    size: int
    one: Callable[[Step], Array]
    all_: Callable[[Sequence[Step]], Array]
    _waiting: list[tuple[Step, Loss]] = field(default_factory=list)

    def add(self, step: Step) -> Loss:
        if self._waiting and _shapes(self._waiting[0][0].batch) != _shapes(step.batch):
            self.take()
        loss = Loss(self.take)
        self._waiting.append((step, loss))
        if len(self._waiting) == self.size:
            steps, losses = zip(*self._waiting, strict=True)
            self._waiting = []
            values = self.all_(steps)
            for place, each in enumerate(losses):
                each.settle(values, place)
        return loss

    def take(self) -> None:
        """Take those that wait, one after the other: what changes or shows the state does so first."""
        waiting, self._waiting = self._waiting, []
        for step, loss in waiting:
            loss.settle(self.one(step), 0)


def _shapes(batch: Batch) -> dict[str, tuple[int, ...]]:
    return {
        name: np.shape(value.index if isinstance(value, Rows) else value) for name, value in batch.items()
    }


def stacked(steps: Sequence[Step]) -> tuple[dict[str, Array], dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The arrays on the device that batches are rows of; what differs from step to step, (steps, …); rates
    and numbers (steps,)."""
    first = steps[0].batch
    arrays = {name: value.array for name, value in first.items() if isinstance(value, Rows)}
    own = {
        name: np.stack([step.batch[name].index if name in arrays else step.batch[name] for step in steps])
        for name in first
    }
    return arrays, own, np.stack([s.rate for s in steps]), np.stack([s.number for s in steps])


def batch_of(arrays: Mapping[str, Array], own: Mapping[str, Array]) -> dict[str, Any]:
    """One step's batch again, out of its part of what ``stacked`` gave."""
    return {name: Rows(arrays[name], value) if name in arrays else value for name, value in own.items()}

"""Examples that lie on the device, and batches of them by number: a step sends the device nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from crosstrain.engines.contract import Arrays, Option

SHARE = 4
"""Data are kept on a GPU by themselves where they take less than this part, a quarter, of its free memory."""

OPTION = Option(
    "auto", ("auto", "device", "host"),
    "prepared data: kept on the device and gathered there (auto: on a GPU, below a quarter of its free "
    "memory), or sent batch by batch",
)  # fmt: skip
"""The engine option ``data``."""


@dataclass(frozen=True)
class Rows:
    """Examples of an array of a framework that lies on its device: those with the numbers ``index`` (n,), in
    this order. Indexed by whole numbers or a slice it gives some of them; nothing is moved until the engine
    reads them, as an input of ``Network.train`` or ``Network.predict``."""

    array: Any
    index: np.ndarray

    @classmethod
    def all(cls, array: Any) -> Rows:
        """Every example, in the array's order."""
        return cls(array, np.arange(len(array)))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, which: np.ndarray | slice) -> Rows:
        return Rows(self.array, self.index[which])


@runtime_checkable
class Keeping(Protocol):
    """A network that can keep data on its device."""

    def keep(self, parts: Mapping[str, Arrays]) -> dict[str, dict[str, Rows]] | None:
        """The arrays of each part, by the names of the graph's inputs, as rows on the device; None where the
        option ``data`` or the memory there speaks against it."""


def worth_keeping(choice: str, parts: Mapping[str, Arrays], free: int | None) -> bool:
    """Whether to keep ``parts`` on a device, by the option ``data``. ``free`` is the device's free memory in
    bytes; None for a device that shares the host's memory, where nothing is gained."""
    if choice != "auto":
        return choice == "device"
    needed = sum(array.nbytes for arrays in parts.values() for array in arrays.values())
    return free is not None and needed * SHARE < free

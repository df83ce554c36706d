"""What the methods ask of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]


class Machine(Protocol):
    """A network in inference of which every value can be read. References name values as the graph does;
    arrays are in Keras's layout, batch first."""

    def values(self, inputs: Arrays, references: Sequence[str]) -> dict[str, np.ndarray]:
        """The values of ``references`` (``%node``, ``@weight``) for a batch."""

    def gradients(
        self, inputs: Arrays, seeds: Arrays, to: Sequence[str], rule: str = "gradient"
    ) -> dict[str, np.ndarray]:
        """The gradient of Σ seed · value over ``seeds`` with regard to the values of ``to``. By the rule
        ``guided`` or ``deconvnet``, rectifiers hand it down otherwise than as their derivative says."""

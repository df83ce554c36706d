"""From a network as users name it to its source, checked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.runs.definition import define
from crosstrain.source.generate import source_of, target_of
from crosstrain.source.notebook import notebook
from crosstrain.source.proving import Check, Subject
from crosstrain.source.proving import check as proved
from crosstrain.training.recipe import Loss, Recipe


@dataclass(frozen=True)
class Source:
    """The source of a network for one target; ``lines`` counts lines of code, ``check`` is None where none
    was asked for, ``requirements`` are the packages that it needs, pinned."""

    network: str
    engine: str
    text: str
    lines: int
    check: Check | None = None
    requirements: tuple[str, ...] = ()

    def notebook(self) -> str:
        """The same as a Jupyter notebook (JSON), with variables in place of the command line."""
        return notebook(self.text)

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network, "engine": self.engine, "lines": self.lines, "source": self.text,
            "requirements": list(self.requirements), "check": self.check and self.check.to_json(),
        }  # fmt: skip


def code(
    source: str,
    name: str,
    target: str,
    recipe: Recipe,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    check: bool = True,
    trust: bool = False,
    timeout: float | None = None,
    output: str = "",
    weights: str = "",
    device: str = "",
) -> Source:
    """Define the network, write it for ``target``, and prove it where ``check`` asks for that.

    ``source`` is what a worker is told to build, ``name`` what the user calls it, ``device`` where the source
    trains (``source_of``; the check is on the CPU). Raises ``CrosstrainError`` where the network cannot be
    defined, has no written form, or cannot be checked on this machine.
    """
    row = target_of(target)
    row.placement.expression(device)  # a device that there is not is told before anything is defined
    with tempfile.TemporaryDirectory(prefix="crosstrain-code-") as folder:
        shapes = {"": input_shape} if input_shape else None
        definition = define(
            source, folder=Path(folder), input_shapes=shapes, classes=classes,
            losses=recipe.to_json()["losses"], trust=trust, timeout=timeout or 600.0,
            output=output, weights=weights,
        )  # fmt: skip
        masked = [name for name in definition.loss.outputs if name.startswith("mask/")]
        if masked:
            raise CrosstrainError(
                f"the output {masked[0].removeprefix('mask/')!r} carries a mask, and crosstrain code "
                "writes no loss that leaves masked steps out; train it with crosstrain train"
            )
        losses = {output: Loss(**loss) for output, loss in definition.data["losses"].items()}
        written = source_of(definition.graph, losses, recipe, target, name, device)
        proof = None
        if check:
            subject = Subject(name, definition.graph, definition.loss, definition.weights(), losses, recipe)
            (proof,) = proved([subject], target, timeout=timeout)
        return Source(name, target, written.text, written.lines, proof, tuple(row.requirements()))

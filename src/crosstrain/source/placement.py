"""On which device a source trains, where it was written for one."""

from __future__ import annotations

from dataclasses import dataclass

from crosstrain.errors import CrosstrainError
from crosstrain.system.gpus import index_of

NAME = "DEVICE"
"""What a source calls it."""

AUTO = "auto"


@dataclass(frozen=True)
class Placement:
    """How a framework is told its device: ``cpu`` and ``cuda`` (with ``{index}``) are expressions for it,
    ``auto`` one for a GPU where there is one; "" where the framework takes it unasked. ``line`` is the
    statement that the rest of ``main`` follows, or stands in."""

    cpu: str
    cuda: str
    line: str
    auto: str = ""

    def expression(self, device: str) -> str:
        """The device in the framework's words; "" where nothing is to be said. ``CrosstrainError`` for one
        that sources are not written for."""
        if device in ("", AUTO):
            return self.auto if device else ""
        if device == "cpu":
            return self.cpu
        index = index_of(device)
        if index is None:
            raise CrosstrainError(
                f"crosstrain code writes for the devices cpu, cuda:N and auto, not for {device!r}"
            )
        return self.cuda.format(index=index)


def placed(lines: list[str], statement: str) -> list[str]:
    """Lines behind a statement; in its block where it opens one."""
    if not statement:
        return lines
    inside = [f"    {line}" for line in lines] if statement.endswith(":") else lines
    return [statement, *inside]

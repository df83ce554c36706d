"""What ``ops`` takes: declared as in ``comparison/parameters.py``."""

from __future__ import annotations

from typing import Annotated, TypedDict

from crosstrain.comparison.declaring import Also, Parameter
from crosstrain.comparison.parameters import Engines, Names


class Ops(Engines, TypedDict, total=False):
    """Of ``ops``."""

    ops: Annotated[
        Names | None,
        Parameter("Operations by name; default: the whole vocabulary.", metavar="NAME,…", flags=("--op",)),
    ]
    op: Annotated[Names | None, Also("ops")]
    precision: Annotated[
        str | None, Parameter("float64 or float32; default: the finer that an engine has.", metavar="P")
    ]
    device: Annotated[str, Parameter("cpu, cuda:0, … (crosstrain engines).", "cpu", "DEVICE")]
    timeout: Annotated[
        str | float | None,
        Parameter("Stop an operation after this long: 90s, 10m (default: 5m).", metavar="TIME"),
    ]

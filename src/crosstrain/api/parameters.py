"""What only the public functions take: arrays in memory in place of a data set's name, and Keras's words for
them."""

from __future__ import annotations

from typing import Annotated, Any

from crosstrain.comparison.declaring import Parameter
from crosstrain.comparison.parameters import SETS, Compare

DataOrArrays = Annotated[
    Any, Parameter(f"{SETS} (crosstrain datasets).", metavar="DATA", flags=("--data", "-d"))
]
ValidationData = Annotated[
    Any, Parameter("Keras's: (x, y) to validate on, for arrays in memory.", python_only=True)
]
ValidationSplit = Annotated[
    float | None,
    Parameter("Keras's: the share at the end of training, for arrays in memory.", python_only=True),
]


class Backtest(Compare, total=False):
    """Of ``backtest``."""

    origins: Annotated[int, Parameter("How many times, from 60 % of the series to all of it.", 3, "N")]

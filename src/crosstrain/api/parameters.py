"""What only the public functions take: the arguments in their signatures, arrays in memory in place of a data
set's name, and Keras's words for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from crosstrain.comparison.declaring import Also, Parameter
from crosstrain.comparison.parameters import SETS, Compare, Engines, MemoryLimit, Names, Threads, Timeout

Network = Annotated[
    Any,
    Parameter("Zoo name, file.py:function (Keras or PyTorch), or a file: model.keras, model.onnx, model.pt2, "
              "net.prototxt, predict_net.pb.",
              metavar="NETWORK", argument=True),
]  # fmt: skip
OneEngine = Annotated[
    str,
    Parameter("torch, lightning, tensorflow, jax, flax, keras, paddle, mxnet or tinygrad.", metavar="NAME",
              flags=("--engine",)),
]  # fmt: skip
Looked = Annotated[
    Any,
    Parameter(
        "A data set (crosstrain datasets), a folder of train or compare (FOLDER:CELL), or a network.",
        metavar="DATA|RUN|NETWORK", argument=True,
    ),
]  # fmt: skip
BundleFile = Annotated[str | Path, Parameter("What crosstrain bundle wrote.", metavar="FILE", argument=True)]
LookOut = Annotated[
    str | Path | None,
    Parameter(
        "Of a data set the PNG (default: contact-sheet.png), of a network the folder (default: RUN/inside, "
        "or NAME-inside).", metavar="PATH", flags=("--out", "-o"),
    ),
]  # fmt: skip
Plan = Annotated[
    str | Path,
    Parameter("One of crosstrain's (--list), or your own.", metavar="NAME|PLAN.toml", argument=True),
]
Run = Annotated[
    str | Path,
    Parameter(
        "A folder of train or compare, or a network (with its initial weights).", metavar="RUN", argument=True
    ),
]
Out = Annotated[
    str | Path | None,
    Parameter(
        "The folder for results (default: one in crosstrain-runs).", metavar="DIR", flags=("--out", "-o")
    ),
]
ExportOut = Annotated[
    str | Path | None,
    Parameter("Default: RUN/exports/NAME, or NAME for a network.", metavar="PATH", flags=("--out", "-o")),
]
Form = Annotated[
    str, Parameter("onnx, keras, … (docs/export.md).", metavar="FORMAT", flags=("--format", "-f"))
]
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


class Verify(Engines, Threads, Timeout, MemoryLimit, total=False):
    """Of ``verify``: what takes the place of the bundle's."""

    networks: Annotated[
        Names | None,
        Parameter("Of the bundle's, or all (default: the recommended one at its size).", metavar="A,B"),
    ]
    network: Annotated[Names | None, Also("networks")]
    data: Annotated[
        str | None,
        Parameter("Where the data lies here (default: as in the bundle).", metavar="DATA",
                  flags=("--data", "-d")),
    ]  # fmt: skip
    device: Annotated[str | None, Parameter("Default: the bundle's.", metavar="DEVICE")]
    repeats: Annotated[int, Parameter("Processes for each row.", 1, "R")]
    sha256: Annotated[str | None, Parameter("What the file was cited with.", metavar="HEX")]
    retrain: Annotated[bool, Parameter("Prove and train a sample again.", True)]

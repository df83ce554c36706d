"""What predict, evaluate and features take: declared as in ``comparison/parameters.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from crosstrain.comparison.declaring import REQUIRED, Parameter
from crosstrain.comparison.parameters import SETS, Device, EngineOptions, Engines, Threads, Timeout


class Trained(Engines, Device, Threads, EngineOptions, Timeout, total=False):
    """Of all that asks a trained network."""

    cell: Annotated[str | None, Parameter("Which cell of a comparison.", metavar="ID")]
    weights: Annotated[str, Parameter("Of a training: which epoch's.", "best", "best|last")]


_BEAM = Parameter(
    "Of texts that CTC spells, and of captions: how many beginnings a beam search keeps (0: the best alone).",
    0,
    "N",
)


class Predict(Trained, total=False):
    """Of ``predict``."""

    beam: Annotated[int, _BEAM]

    top: Annotated[int, Parameter("How many classes of each input, the likeliest first.", 3, "K")]
    pictures: Annotated[
        str | Path | None,
        Parameter(
            "Draw every picture with its answer below, into this folder; of a film, where it is written "
            "(default: here).",
            metavar="DIR",
        ),
    ]
    camera: Annotated[
        int | None,
        Parameter("Ask about what this camera sees, 0 being the first, until Ctrl-C.", metavar="N"),
    ]
    frames: Annotated[int | None, Parameter("Of a film or a camera: no more frames than these.", metavar="N")]


class Evaluate(Trained, total=False):
    """Of ``evaluate``."""

    beam: Annotated[int, _BEAM]

    part: Annotated[
        str | None,
        Parameter("train, validation, test or all (default: test of its own data, all of other data).",
                  metavar="PART"),
    ]  # fmt: skip


class Features(Trained, total=False):
    """Of ``features``."""

    layer: Annotated[str, Parameter("The layer whose output is wanted.", REQUIRED, "NAME")]
    data: Annotated[
        str | None,
        Parameter("The data set (default: what the run trained on).", metavar="DATA", flags=("--data", "-d")),
    ]


class Forecast(Trained, total=False):
    """Of ``forecast``."""

    steps: Annotated[
        int | None,
        Parameter("How far (default: as far as the network forecasts at a time).", metavar="K"),
    ]


class Sample(Trained, total=False):
    """Of ``sample``."""

    prompt: Annotated[str, Parameter("What the text begins with.", "The ", "TEXT")]
    tokens: Annotated[int, Parameter("How many tokens to draw.", 200, "N")]
    temperature: Annotated[
        float,
        Parameter("Scores are divided by this: 0 takes the likeliest, 1 draws by the odds.", 0.8, "T"),
    ]
    seed: Annotated[int, Parameter("Of the drawing.", 0, "S")]


TrainedRun = Annotated[
    str | Path,
    Parameter("A folder of train, or FOLDER:CELL of compare.", metavar="RUN", argument=True),
]
_INPUTS = Parameter(
    "Pictures, folders or zips of pictures, .npz or .npy; texts, tables or series, as it was trained on.",
    metavar="INPUT…",
    argument=True,
    repeated=True,
)
NewInputs = Annotated[Any, _INPUTS]
OptionalInputs = Annotated[Any, _INPUTS]
NewData = Annotated[
    str | None,
    Parameter(f"{SETS}; default: what it was trained on.", metavar="DATA", flags=("--data", "-d")),
]
FeaturesOut = Annotated[
    str | Path, Parameter("The file to write.", metavar="FILE.npz", flags=("--out", "-o"))
]

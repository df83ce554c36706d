"""The public function that shows what a training will see, before it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from crosstrain.api.progress import Progress, watching
from crosstrain.comparison import parameters
from crosstrain.comparison.declaring import declared
from crosstrain.comparison.parameters import Looked, SheetOut
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.reporting.sheet import Sheet

MOST = 1000
"""Examples and draws of a sheet."""


@declared(
    "a contact sheet",
    single={"size": "input size"},
    helps={"size": "Size of the pictures in pixels (default: the data's own)."},
)
def look(
    data: Looked,
    *,
    out: SheetOut = "contact-sheet.png",
    progress: Progress = True,
    **arguments: Unpack[parameters.Look],
) -> Sheet:
    """Write a contact sheet of a data set: examples as they are, and as epoch after epoch will see them.

    Without ``augment``, the examples alone. The pictures of a column are those that a training with this
    ``seed`` is fed in that epoch. Raises ``CrosstrainError`` for wrong use and for data without pictures.
    """
    from crosstrain import data as preparing
    from crosstrain.reporting.sheet import write_sheet

    path = Path(out)
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise CrosstrainError(f"a contact sheet cannot be {out}: name a .png in a folder that exists")
    counts = {"examples": arguments["examples"], "draws": arguments["draws"]}
    for name, count in counts.items():
        if not 1 <= count <= MOST:
            raise CrosstrainError(f"{name} must be from 1 to {MOST}, not {count}")
    if arguments["seed"] < 0:
        raise CrosstrainError(f"a seed must be at least 0, not {arguments['seed']}")
    augmentation = spelling.augmentation(arguments["augment"])
    sizes = spelling.sizes(arguments["size"])  # type: ignore[typeddict-item]
    with watching(progress) as watch:
        watch.stage(f"Preparing {data}")
        prepared = preparing.prepare(
            data,
            size=sizes[0] if sizes else None,
            steps=arguments["prepare"],
            split=arguments["split"],
            augmentation=augmentation,
        )
        return write_sheet(prepared, augmentation, path, seed=arguments["seed"], **counts)

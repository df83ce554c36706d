"""The public function that shows what a training will see, and what a trained network sees."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from crosstrain.api.networks import names_of
from crosstrain.api.parameters import Looked, LookOut
from crosstrain.api.progress import Progress, watching
from crosstrain.comparison import parameters
from crosstrain.comparison.declaring import declaration_of, declared
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.reporting.inside.examples import ExamplesSheet, Kind
    from crosstrain.reporting.inside.writing import Inside
    from crosstrain.reporting.sheet import Sheet

MOST = 1000
"""Examples and draws of a sheet."""
EXAMPLES = 8
SHEET = "contact-sheet.png"
OF_DATA = ("size", "prepare", "split", "limit", "augment", "draws", "seed")
OF_NETWORKS = (
    "image", "layer", "views", "target", "units", "square", "embedding", "cell", "weights", "data", "trust",
)  # fmt: skip


@declared(
    "look",
    single={"size": "input size"},
    helps={"size": "Size of the pictures of a data set in pixels (default: the data's own)."},
)
def look(
    subject: Looked,
    *,
    out: LookOut = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.Look],
) -> Sheet | Inside | ExamplesSheet:
    """Look at a data set before training, or into a network after it.

    Of a data set, writes a contact sheet: examples as they are, and under ``augment`` as epoch after epoch of
    a training with this ``seed`` will see them. Of a run or a network, writes pictures, a page and the arrays
    behind them: its filters, what it makes of ``image``, what excites it; of a run that gives every pixel a
    class, or boxes, test pictures with its answers beside the truth. Raises ``CrosstrainError`` for
    wrong use, and for data and networks without pictures.
    """
    from crosstrain.inside.subject import is_data, is_run
    from crosstrain.prediction.examples import answers_with
    from crosstrain.reporting.inside.examples import kind_of

    if not isinstance(subject, str | Path):
        names, own = names_of(subject)
        return _network(names, out, progress, {**arguments, "trust": arguments["trust"] or own})
    if is_data(str(subject)):
        _refuse(arguments, OF_NETWORKS, f"{subject} is a data set", "a run or a network")
        return _sheet(str(subject), out, progress, arguments)
    if is_run(str(subject)):
        kind = kind_of(answers_with(str(subject), arguments["cell"], str(arguments["weights"])))
        if kind is not None:
            return _examples(kind, str(subject), out, progress, arguments)
    return _network([str(subject)], out, progress, arguments)


def _examples(
    kind: Kind, run: str, out: str | Path | None, progress: Progress, arguments: Mapping[str, Any]
) -> ExamplesSheet:
    """Test pictures of a run that gives label maps or boxes, beside the truth."""
    from crosstrain.prediction.examples import asked_examples
    from crosstrain.reporting.inside.examples import write_examples
    from crosstrain.runs.trained import place_of_looks

    what = f"{run} {kind.gives}"
    _refuse(arguments, (*OF_DATA, "image", "layer", "views", "target", "units", "square", "embedding"), what,
            "a network with one class for each picture")  # fmt: skip
    examples = EXAMPLES if arguments["examples"] is None else arguments["examples"]
    if not 1 <= examples <= MOST:
        raise CrosstrainError(f"examples must be from 1 to {MOST}, not {examples}")
    cell, weights = arguments["cell"], str(arguments["weights"])
    with watching(progress) as watch:
        asked = asked_examples(
            run, kind.fits, kind.what, data=arguments["data"], cell=cell, weights=weights, examples=examples,
            tell=watch.stage,
        )  # fmt: skip
        watch.stage("Drawing")
        of_cell = cell or not Path(run).is_dir()  # a comparison keeps its cells' last weights
        place = Path(out) if out else place_of_looks(run, cell)
        return write_examples(kind, asked, "last" if of_cell else weights, place)


def _sheet(data: str, out: str | Path | None, progress: Progress, arguments: Mapping[str, Any]) -> Sheet:
    """The contact sheet of a data set."""
    from crosstrain import data as preparing
    from crosstrain.reporting.sheet import write_sheet

    path = Path(out or SHEET)
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise CrosstrainError(f"a contact sheet cannot be {out}: name a .png in a folder that exists")
    examples = EXAMPLES if arguments["examples"] is None else arguments["examples"]
    counts = {"examples": examples, "draws": arguments["draws"]}
    for name, count in counts.items():
        if not 1 <= count <= MOST:
            raise CrosstrainError(f"{name} must be from 1 to {MOST}, not {count}")
    if arguments["seed"] < 0:
        raise CrosstrainError(f"a seed must be at least 0, not {arguments['seed']}")
    augmentation = spelling.augmentation(arguments["augment"])
    sizes = spelling.sizes(arguments["size"])
    with watching(progress) as watch:
        watch.stage(f"Preparing {data}")
        prepared = preparing.prepare(
            data,
            size=sizes[0] if sizes else None,
            steps=arguments["prepare"],
            split=arguments["split"],
            limit=arguments["limit"],
            augmentation=augmentation,
        )
        return write_sheet(prepared, augmentation, path, seed=arguments["seed"], **counts)


def _network(
    names: list[str], out: str | Path | None, progress: Progress, arguments: Mapping[str, Any]
) -> Inside:
    """The pictures of one run or network."""
    from crosstrain.inside.look import EXAMPLES, Wanted, look_inside
    from crosstrain.inside.methods.task import VIEWS
    from crosstrain.inside.subject import subject_of
    from crosstrain.reporting.inside.writing import write_inside

    if len(names) != 1:
        raise CrosstrainError(f"one network can be looked into at a time, not {len(names)}")
    _refuse(arguments, OF_DATA, f"{names[0]} is not a data set", "a data set")
    place = Path(out) if out else None
    if place and (place.is_file() or place.suffix.lower() == ".png"):
        raise CrosstrainError(f"the pictures of a network cannot go to {place}: name a folder")
    image, target, views = (arguments[name] for name in ("image", "target", "views"))
    examples = EXAMPLES if arguments["examples"] is None else arguments["examples"]
    wanted = Wanted(
        image=Path(image) if image else None,
        layer=arguments["layer"],
        views=tuple(spelling.several(views)) if views else VIEWS,
        target=None if target is None else str(target),
        units=arguments["units"],
        square=arguments["square"],
        examples=examples,
        embedding=arguments["embedding"],
    )
    with watching(progress) as watch, tempfile.TemporaryDirectory(prefix="crosstrain-look-") as work:
        subject = subject_of(
            names[0], cell=arguments["cell"], weights=str(arguments["weights"]), data=arguments["data"],
            trust=arguments["trust"], work=Path(work), tell=watch.stage,
        )  # fmt: skip
        insight = look_inside(subject, wanted, watch.stage)
        watch.stage("Drawing")
        return write_inside(insight, place or subject.place)


def _refuse(arguments: Mapping[str, Any], names: tuple[str, ...], what: str, owner: str) -> None:
    """``CrosstrainError`` for the first setting that belongs to another kind of subject."""
    declared_ = declaration_of(look).parameters
    for name in names:
        # As text: the command line gives the default weights as a path.
        if str(arguments[name]) != str(declared_[name].parameter.default):
            raise CrosstrainError(f"{what}; --{name} belongs to {owner}")

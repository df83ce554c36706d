"""The public functions about one network: train it, tune engines for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from crosstrain.api.networks import names_of
from crosstrain.api.objects import examples_of
from crosstrain.api.parameters import DataOrArrays, Network, Out, ValidationData, ValidationSplit
from crosstrain.api.progress import Progress, watching
from crosstrain.comparison import parameters, training
from crosstrain.comparison.declaring import declared
from crosstrain.comparison.parameters import Data
from crosstrain.comparison.settings import settings
from crosstrain.comparison.training import Trained
from crosstrain.data.in_memory import data_spec
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.tuning.run import TuningResult


@declared(
    "training",
    single={"engine": "engine", "size": "input size"},
    required=["engine"],
    helps={
        "engine": "The engine to train on.",
        "size": parameters.ONE_SIZE,
        "seeds": "1 (several: compare).",
    },
)
def train(
    network: Network,
    data: DataOrArrays,
    *,
    validation_data: ValidationData = None,
    validation_split: ValidationSplit = None,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.TrainOne],
) -> Trained:
    """Train one network on one engine; the best and the last weights are kept in a folder.

    Calling it again with more epochs goes on from the last one. ``crosstrain.load(result.folder)`` gives the
    Keras model with the trained weights. With ``fine_tune`` a second training follows, of all layers, from
    the best weights of the first, which is kept in ``frozen`` in the folder. ``data`` may be arrays in
    memory, as of ``compare``. Raises ``CrosstrainError`` for wrong use.
    """
    fine_tune = spelling.fine_tuning(arguments.pop("fine_tune"))
    data = data_spec(data, validation_data, validation_split)
    names, trusted = names_of(network, examples_of(data, arguments))
    arguments["trust"] = arguments["trust"] or trusted
    with watching(progress) as watch:
        request = settings(names, data, **cast(Any, arguments))
        if request.seeds > 1:
            raise CrosstrainError(
                f"training takes one seed, not {request.seeds} of them; seed says which, and compare takes "
                "several"
            )
        folder = Path(out) if out else None
        if fine_tune is None:
            return training.train(request, folder, watch)
        return training.fine_tune(request, *fine_tune, folder, watch)


@declared(
    "tuning",
    single={"size": "input size"},
    required=["engines"],
    helps={
        "size": parameters.ONE_SIZE,
        "engines": "Engines to tune; all: those that can run here.",
        "threads": "The most to try (default: all usable cores).",
        "timeout": "Stop a trial after this long: 90s, 10m.",
    },
)
def tune(
    network: Network,
    data: Data,
    *,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.Tune],
) -> TuningResult:
    """Find the settings with which engines train a network fastest here, for ``compare(tuned=True)``.

    ``division`` ``"open"`` also tries what changes the arithmetic; such profiles are not used by ``compare``.
    An engine that has a profile for this is left as it is, unless ``again``. Raises ``CrosstrainError`` for
    wrong use; a trial that fails costs itself alone.
    """
    from crosstrain.tuning.run import tune as tuned

    names, trusted = names_of(network)
    arguments["trust"] = arguments["trust"] or trusted
    division, again = arguments.pop("division"), arguments.pop("again")
    with watching(progress) as watch:
        request = settings(names, data, epochs=1, **cast(Any, arguments))
        return tuned(
            request, division=cast(Any, division), again=again, out=Path(out) if out else None, watch=watch
        )

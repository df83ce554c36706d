"""The public functions that use what was trained: predict, evaluate, forecast, sample, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from crosstrain.api.progress import Progress, watching
from crosstrain.comparison.declaring import declared
from crosstrain.errors import CrosstrainError
from crosstrain.prediction import parameters
from crosstrain.prediction.parameters import FeaturesOut, NewData, OptionalInputs, TrainedRun

if TYPE_CHECKING:
    from crosstrain.data.inputs import InputSource
    from crosstrain.prediction.ahead import Forecasts, Sample
    from crosstrain.prediction.evaluate import Evaluated
    from crosstrain.prediction.features import Features
    from crosstrain.prediction.film import Filmed
    from crosstrain.prediction.predict import Prediction

SINGLE = {"engine": "engine"}


@declared("a prediction", single=SINGLE)
def predict(
    run: TrainedRun, inputs: OptionalInputs = None, *, progress: Progress = True,
    **arguments: Unpack[parameters.Predict],
) -> Prediction | Filmed:  # fmt: skip
    """What a trained network says of pictures, arrays and films from elsewhere, prepared as its training data
    was.

    ``inputs`` are pictures, folders and zips of pictures, ``.npz`` and ``.npy`` files, or arrays themselves,
    one or several; of a network that was trained on texts, tables or series files of these. The result has
    ``answers`` (``choices`` with ``label`` and ``probability``; ``texts``, ``areas`` or ``values``; of a
    detector ``boxes``), ``damaged`` and ``notes``, ``to_csv()`` and the raw ``outputs``. Of one film, or of a
    ``camera``, it is a ``Filmed``: the frames drawn as a film, a line of JSON for each, and frames a second
    by stage. Raises ``CrosstrainError`` for wrong use, and where nothing can be read.
    """
    from crosstrain.prediction.film import film_among, predict_film
    from crosstrain.prediction.predict import predict as predicted
    from crosstrain.reporting.answers import draw_answers
    from crosstrain.reporting.frames import draw_seen

    sources, pictures, camera = _several(inputs), arguments["pictures"], arguments["camera"]
    film = film_among(sources)
    common: dict[str, Any] = {
        name: arguments[name]
        for name in ("top", "beam", "cell", "weights")  # type: ignore[literal-required]
    }
    if camera is not None and sources:
        raise CrosstrainError("inputs and a camera cannot be asked about at once; leave one of them out")
    if arguments["frames"] is not None and film is None and camera is None:
        raise CrosstrainError("frames are of a film or of a camera; the inputs are neither")
    with watching(progress) as watch:
        common |= {"arguments": cast(Any, arguments), "tell": watch.stage, "note": watch.note}
        if film is not None or camera is not None:
            source = cast(Any, film if camera is None else camera)
            return predict_film(
                run, source, folder=Path(pictures or "."), most=arguments["frames"], draw=draw_seen, **common
            )
        place = Path(pictures) if pictures else None
        return predicted(run, sources, pictures=place, draw=draw_answers, **common)


@declared("an evaluation", single=SINGLE)
def evaluate(
    run: TrainedRun, data: NewData = None, *, progress: Progress = True,
    **arguments: Unpack[parameters.Evaluate],
) -> Evaluated:  # fmt: skip
    """All metrics of a trained network on a data set, with intervals; classes are matched by name.

    Without ``data``: the test part of what it was trained on. Other data is prepared as the training's was,
    and taken whole unless ``part`` says otherwise; ``notes`` tell where it does not look like the training's.
    Raises ``CrosstrainError`` for data that does not fit.
    """
    from crosstrain.prediction.evaluate import evaluate as evaluated

    with watching(progress) as watch:
        return evaluated(
            run, data, part=arguments["part"], cell=arguments["cell"], weights=arguments["weights"],
            beam=arguments["beam"], arguments=cast(Any, arguments), tell=watch.stage, note=watch.note,
        )  # fmt: skip


@declared("a forecast", single=SINGLE)
def forecast(
    run: TrainedRun, *, progress: Progress = True, **arguments: Unpack[parameters.Forecast]
) -> Forecasts:
    """Forecast beyond the end of the series that a network was trained on, by its own forecasts.

    With more ``steps`` than it forecasts at a time, its forecasts become part of what it sees (the recursive
    strategy). The result has ``values`` in the series' own units, ``test`` (the same from origins in the test
    part, beside baselines) and ``to_csv()``. Raises ``CrosstrainError`` for a network that forecasts none.
    """
    from crosstrain.prediction.ahead import forecast as forecast_ahead

    with watching(progress) as watch:
        return forecast_ahead(
            run, arguments["steps"], cell=arguments["cell"], weights=arguments["weights"],
            arguments=cast(Any, arguments), tell=watch.stage, note=watch.note,
        )  # fmt: skip


@declared("a sample", single=SINGLE)
def sample(run: TrainedRun, *, progress: Progress = True, **arguments: Unpack[parameters.Sample]) -> Sample:
    """Let a trained language model continue a text, token by token; the result's ``text`` is what it wrote.

    Raises ``CrosstrainError`` for a network that is no language model.
    """
    from crosstrain.prediction.ahead import sample as drawn

    with watching(progress) as watch:
        return drawn(
            run, arguments["prompt"], arguments["tokens"], arguments["temperature"], arguments["seed"],
            cell=arguments["cell"], weights=arguments["weights"], arguments=cast(Any, arguments),
            tell=watch.stage, note=watch.note,
        )  # fmt: skip


@declared("feature extraction", single=SINGLE)
def features(
    run: TrainedRun, inputs: OptionalInputs = None, *, out: FeaturesOut, progress: Progress = True,
    **arguments: Unpack[parameters.Features],
) -> Features:  # fmt: skip
    """Write what comes out of a layer of a trained network, for a data set or for inputs of one's own.

    Of a data set (``data``; default: the training's) ``out`` has ``x_train``, ``y_train``, …, which
    ``"arrays:OUT.npz"`` trains on; of ``inputs`` (as of ``predict``) ``x`` and ``names``. Raises
    ``CrosstrainError`` for wrong use, and for a layer that there is not.
    """
    from crosstrain.prediction.features import features as extracted

    with watching(progress) as watch:
        return extracted(
            run, _several(inputs), arguments["data"], layer=arguments["layer"], out=Path(out),
            cell=arguments["cell"], weights=arguments["weights"], arguments=cast(Any, arguments),
            tell=watch.stage, note=watch.note,
        )  # fmt: skip


def _several(inputs: InputSource | Sequence[InputSource] | None) -> list[InputSource]:
    if inputs is None:
        return []
    if isinstance(inputs, str | Path | np.ndarray | Mapping):
        return [inputs]
    return list(inputs)

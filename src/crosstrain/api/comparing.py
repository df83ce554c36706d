"""The public functions that compare engines: at training, at inference, and as a study plans it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from crosstrain.api.networks import names_of
from crosstrain.api.objects import Examples, examples_of
from crosstrain.api.parameters import Backtest as BacktestArguments
from crosstrain.api.parameters import DataOrArrays, Out, Plan, ValidationData, ValidationSplit
from crosstrain.api.progress import Progress, watching
from crosstrain.classic import PREFIX
from crosstrain.comparison import parameters
from crosstrain.comparison.declaring import declared
from crosstrain.comparison.parameters import Data, OptionalData, SeveralNetworks
from crosstrain.comparison.settings import settings
from crosstrain.data.in_memory import data_spec
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.making import leave_page
from crosstrain.studies import comparison as comparing
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.inference import InferenceResult
    from crosstrain.results.schema import ComparisonResult
    from crosstrain.studies.backtest import Backtest
    from crosstrain.studies.run import Study


@declared("a comparison")
def compare(
    network: SeveralNetworks,
    data: DataOrArrays,
    *,
    validation_data: ValidationData = None,
    validation_split: ValidationSplit = None,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.Compare],
) -> Comparison:
    """Train networks natively on engines, prove that all do the same work, and compare.

    Calling it again with the same arguments does only what is missing. Raises ``CrosstrainError`` for wrong
    use, before anything is trained; a cell that fails does not raise but stands in the result. Times are
    seconds or ``"10m"``, memory bytes or ``"4G"``; ``criteria`` are those of ``docs/criteria.md``.
    ``classic:NAME:PARAMETER=VALUE,…`` among the networks is an estimator of ``crosstrain.classic``, in a
    table of its own. With ``search`` the first engine is trained ``trials`` times, and all are compared with
    what was best.

    ``data`` may also be arrays in memory: ``(x, y)``, ``(x_train, y_train, x_test, y_test)``, a pandas frame
    with the name of its target, a ``tf.data.Dataset``, a PyTorch ``Dataset`` or ``DataLoader``, a Hugging
    Face ``Dataset``; they are written to the cache, once.
    """
    from crosstrain.studies import searching

    data = data_spec(data, validation_data, validation_split)
    classical, names, trusted = _parted(network, examples_of(data, arguments))
    arguments["trust"] = arguments["trust"] or trusted
    folder = Path(out) if out else None
    with watching(progress) as watch:
        request = replace(settings(names, data, **arguments), classical=classical)
        if space := searching.space(arguments["search"]):
            trials = arguments["trials"]
            searched = searching.search(
                names, data, cast(Any, arguments), space, trials, request, folder, watch
            )
            request = settings(names, data, **{**arguments, **cast(Any, searched.best_trial.values)})
            remarks = (*request.remarks, searching.remark(searched))
            request = replace(request, classical=classical, search=searched, remarks=remarks)
        try:
            result = comparing.run(request, folder, watch)
        except comparing.Interrupted as stop:
            leave_page(stop.result.folder, watch.note)
            raise
        leave_page(result.folder, watch.note)
    return Comparison(result)


@declared("a backtest")
def backtest(
    network: SeveralNetworks,
    data: Data,
    *,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[BacktestArguments],
) -> Backtest:
    """Compare forecasts several times, as if the series had ended earlier each time but the last.

    Each time networks are trained, scaled and tested anew on what there was. The result has the ``parts``,
    one comparison each, and ``entries``: every network and baseline with its means over them. Raises
    ``CrosstrainError`` for wrong use, and for data that is no series.
    """
    from crosstrain.studies import backtest as backtesting

    origins = arguments.pop("origins")

    def once(spec: str, folder: Path) -> ComparisonResult:
        return compare(network, spec, out=folder, progress=progress, **cast(Any, arguments)).result

    result = backtesting.run(data, origins, Path(out) if out else None, once, names_of(network)[0][:3])
    with watching(progress) as watch:
        leave_page(result.folder, watch.note)
    return result


def _parted(network: Any, examples: Examples) -> tuple[tuple[str, ...], list[str], bool]:
    """The classical estimators among what is named, the networks, and whether these are the caller's own."""
    names, own = names_of(network, examples)
    if not any(name.startswith(PREFIX) for name in names):
        return (), names, own
    from crosstrain.classic.entrants import parted

    classical, networks = parted(names)
    if not networks:
        raise CrosstrainError(
            f"classical estimators stand beside networks; name one too, as mlp,{classical[0]}"
        )
    return classical, networks, own


@declared("a comparison at inference", single={"size": "input size"}, helps={"size": parameters.ONE_SIZE})
def compare_inference(
    network: SeveralNetworks,
    data: OptionalData = None,
    *,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.CompareInference],
) -> InferenceResult:
    """Serve a trained network with several engines: latency, throughput, memory, and whether they agree.

    ``network`` is the folder of ``train``, ``"FOLDER:CELL"`` of ``compare``, or a network as ``compare``
    takes it (whose initial weights are served, and which needs ``data``). Raises ``CrosstrainError`` for
    wrong use; a cell that fails does not raise but stands in the result.
    """
    from crosstrain import inference

    request = inference.inference_settings(network, data, **arguments)
    with watching(progress) as watch:
        result = inference.run(request, Path(out) if out else None, watch)
        leave_page(result.folder, watch.note)
    return result


@declared(
    "a study",
    helps={
        "data": "What to run it on (default: the plan's, if any).",
        "engines": "Or all; default: those of the plan that are here.",
    },
)
def study(
    plan: Plan,
    data: OptionalData = None,
    *,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.StudyPlan],
) -> Study:
    """Run a study: a plan of comparisons, whose results are set beside what others have published.

    ``plan`` is one that comes with crosstrain (``"traffic-signs"``) or a file of your own
    (``"my-plan.toml"``, docs/study.md); the other arguments take the place of the plan's. The result has the
    parts' ``comparisons``; each has its page, ``report.html``, in its folder. Calling it again with the same
    arguments does only what is missing.

    Raises ``CrosstrainError`` for wrong use and for a plan that is wrong, with its file and key.
    """
    from crosstrain.reporting.page import write_page
    from crosstrain.studies import plan as plans
    from crosstrain.studies import run as studying

    file = plans.find(str(plan))
    budget = arguments["budget"]
    request = studying.Request(
        plans.read(file),
        file,
        data=data or "",
        scale=arguments["scale"],
        engines=tuple(spelling.several(arguments["engines"] or ())),
        budget=None if budget is None else str(budget),
        prefer=arguments["prefer"],
        threads=arguments["threads"],
        limit=arguments["limit"],
        published=Path(arguments["published"]) if arguments["published"] else None,
    )
    with watching(progress) as watch:
        return studying.run(request, Path(out) if out else None, watch, finish=write_page)

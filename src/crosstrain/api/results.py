"""The public functions about what is there: engines and data sets; export, report and archive of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from crosstrain.api.parameters import BundleFile, ExportOut, Form, Out, Run, Verify
from crosstrain.api.progress import Progress, watching
from crosstrain.comparison import parameters
from crosstrain.comparison.declaring import declared
from crosstrain.data.registry import DataSet, datasets
from crosstrain.engines.registry import EngineRow, engines
from crosstrain.errors import CrosstrainError
from crosstrain.exchange.formats import FORMATS
from crosstrain.reporting.history import History
from crosstrain.reporting.making import Report, make, make_history
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.archive.packing import Bundled
    from crosstrain.archive.verifying import Verification
    from crosstrain.exchange.export import Exported


@declared("an export", helps={"form": f"One of {', '.join(FORMATS)}."})
def export(
    run: Run,
    form: Form,
    *,
    out: ExportOut = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.Export],
) -> Exported:
    """Write a trained network in another tool's format (``"onnx"``, ``"keras"``, …) and verify it there.

    ``run`` is a folder of ``train`` or ``compare`` (then ``cell`` says which; its weights are those of the
    last epoch), or a network, which is written with its initial weights. ``data`` is what it is verified on
    where that is not what the run trained on; without any, inputs are random. Raises ``CrosstrainError``
    for wrong use, and where what was written departs from the network: then nothing is kept.
    """
    from crosstrain.exchange.export import export as exported

    with watching(progress) as watch:
        return exported(
            str(run), form, out=Path(out) if out else None, cell=arguments["cell"],
            weights=str(arguments["weights"]), data_spec=arguments["data"], trust=arguments["trust"],
            overwrite=arguments["overwrite"], output=arguments["output"] or "",
            timeout=spelling.seconds(arguments["timeout"]),
            tell=watch.stage,
        )  # fmt: skip


def report(
    folder: str | Path | Sequence[str | Path], *, form: str = "html", out: str | Path | None = None
) -> Report:
    """The report of a comparison, or of several folders' comparisons as machines beside each other.

    ``form`` is ``"html"`` (a page, written to ``report.html`` in the folder; for several folders here),
    ``"markdown"``, ``"latex"``, ``"csv"`` or ``"json"``, which are written only to ``out``. The result has
    ``text`` and ``path``. Raises ``CrosstrainError`` for a folder that holds no comparison.
    """
    folders = [folder] if isinstance(folder, str | Path) else folder
    return make([Path(each) for each in folders], form, Path(out) if out else None)


def history(folders: Sequence[str | Path], *, out: str | Path = "history.html") -> tuple[History, Path]:
    """Comparisons of one question as a series, in the order in which they were finished, each set beside the
    one before; and the page that draws it, written to ``out``.

    Raises ``CrosstrainError`` for fewer than two folders, and for folders of different questions.
    """
    return make_history([Path(each) for each in folders], Path(out))


def bundle(run: str | Path, *, out: str | Path | None = None, weights: bool = True) -> Bundled:
    """Pack the folder of a finished comparison into one file that others can check and cite.

    ``out`` is the file (default: the folder's name with ``.zip``, here); without ``weights`` the trained ones
    are left out. The result has ``path``, ``sha256``, ``files`` and ``bytes``. Raises ``CrosstrainError`` for
    a folder without a finished comparison of trainings.
    """
    from crosstrain.archive.packing import bundle as packed

    return packed(Path(run), Path(out) if out else None, weights=weights)


@declared("a verification")
def verify(
    file: BundleFile, *, out: Out = None, progress: Progress = True, **arguments: Unpack[Verify]
) -> Verification:
    """Check that a bundle is what was packed and that its tables follow from its cells, then prove and train
    a sample of it again, from its own definitions and initial weights.

    The result has ``ok``, and ``claims``, each with its verdict (``held``, ``did not hold``, ``not told``)
    and a sentence. Raises ``CrosstrainError`` for a file that was altered (which file in it), for a sample
    that it does not have, and where the data here is other data.
    """
    from crosstrain.archive.sample import Asked
    from crosstrain.archive.verifying import verify as verified

    if arguments["repeats"] < 1:
        raise CrosstrainError(f"repeats must be at least 1, not {arguments['repeats']}")
    asked = Asked(
        data=arguments["data"],
        networks=tuple(spelling.several(arguments["networks"] or ())),
        engines=tuple(spelling.several(arguments["engines"] or ())),
        repeats=arguments["repeats"],
        device=arguments["device"],
        threads=arguments["threads"],
        timeout=spelling.seconds(arguments["timeout"]),
        memory_limit=spelling.size_in_bytes(arguments["memory_limit"]),
    )
    with watching(progress) as watch:
        return verified(
            Path(file), asked, sha256=arguments["sha256"], retrain=arguments["retrain"],
            out=Path(out) if out else None, watch=watch,
        )  # fmt: skip


def list_engines() -> dict[str, EngineRow]:
    """The engines by name, installed or not."""
    return engines()


def list_datasets() -> dict[str, DataSet]:
    """The kinds of data sets by name."""
    return datasets()

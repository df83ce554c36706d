"""The public functions: what the command line does, in code."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crosstrain.api.managing import (
    describe_engines,
    engine_pairs,
    examine_engines,
    install_engines,
    remove_engines,
)
from crosstrain.comparison import entrants, training
from crosstrain.comparison import run as comparing
from crosstrain.comparison.certify import words
from crosstrain.comparison.devices import settled
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import RUNS, settings, slug, source
from crosstrain.comparison.training import Trained
from crosstrain.data.registry import DataSet
from crosstrain.data.registry import datasets as _datasets
from crosstrain.engines.registry import EngineRow
from crosstrain.engines.registry import engines as _engines
from crosstrain.errors import CrosstrainError
from crosstrain.inference.settings import BATCH_SIZES
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.making import Report, leave_page, make
from crosstrain.training import spelling
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule
from crosstrain.zoo import NetworkRow
from crosstrain.zoo import networks as _networks

if TYPE_CHECKING:
    from crosstrain.exchange.export import Exported
    from crosstrain.inference import InferenceResult
    from crosstrain.proof.certificate import Proof
    from crosstrain.source.network import Source
    from crosstrain.studies.run import Study
    from crosstrain.tuning.run import TuningResult

__all__ = [
    "code",
    "compare",
    "compare_inference",
    "describe_engines",
    "engine_pairs",
    "examine_engines",
    "export",
    "install_engines",
    "lines_of_source",
    "list_datasets",
    "list_engines",
    "list_networks",
    "prove",
    "remove_engines",
    "report",
    "study",
    "train",
    "tune",
]  # fmt: skip

Network = Any
"""A name of the zoo, ``"file.py:function"``, ``"model.keras"``, or a ``keras.Model``, which this module must
not import."""

MODELS = RUNS / "models"
"""Where Keras models that were given as objects are kept."""


def compare(
    network: Network | Sequence[Network],
    data: str,
    *,
    engines: str | Sequence[str] | None = None,
    sizes: int | Sequence[int] | None = None,
    epochs: int | None = None,
    seeds: int = 1,
    repeats: int | None = None,
    batch_size: int = 64,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | Schedule = "constant",
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    prepare: str | None = None,
    split: str | None = None,
    tuned: bool = False,
    criteria: bool = False,
    prefer: str | None = None,
    repeats_until: str | float | None = None,
    proof: bool = True,
    trust: bool = False,
    budget: str | float | None = None,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> Comparison:
    """Train networks natively on engines, prove that all do the same work, and compare.

    ``network`` is a name of the zoo, ``"file.py:function"``, ``"model.keras"``, a Keras model, or several
    of them; ``data`` is ``"digits"``, ``"mnist:DIR"``, … (``crosstrain datasets``). ``sizes`` are of the
    pictures in pixels, ``device`` is the first GPU that all engines share, else the processor (``"auto"``),
    or one by name, ``budget`` and ``timeout`` (of a cell) seconds or ``"10m"``, ``memory_limit`` bytes or
    ``"4G"``; ``prepare`` are further steps of preparation (``"clahe,standardize"``), ``split`` another
    way to hold examples out (``"random"``); ``criteria`` measures what else decides
    (``docs/criteria.md``); ``options`` are ``{engine: {option: value}}``. All that is not given is as on
    the command line. Calling it again with the same arguments does only what is missing.

    Raises ``CrosstrainError`` for wrong use, before anything is trained; a cell that fails does not raise
    but stands in the result.
    """
    names, trusted = _named(network)
    with _watching(progress) as watch:
        wish = settings(
            names, data, engines=engines, sizes=sizes, epochs=epochs, seeds=seeds, repeats=repeats,
            batch_size=batch_size, loss=loss, optimizer=optimizer, learning_rate=learning_rate,
            momentum=momentum, weight_decay=weight_decay, schedule=schedule, device=device,
            precision=precision, threads=threads, options=options, proof=proof, trust=trust or trusted,
            budget=budget, timeout=timeout, memory_limit=memory_limit, prepare=prepare, split=split,
            tuned=tuned, criteria=criteria, prefer=prefer, repeats_until=repeats_until,
        )  # fmt: skip
        try:
            result = comparing.run(wish, Path(out) if out else None, watch)
        except comparing.Interrupted as stop:
            leave_page(stop.result.folder, watch.note)
            raise
        leave_page(result.folder, watch.note)
    return Comparison(result)


def compare_inference(
    network: str | Sequence[str],
    data: str | None = None,
    *,
    engines: str | Sequence[str] | None = None,
    size: int | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    repeats: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = False,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> InferenceResult:
    """Serve a trained network with several engines: latency, throughput, memory, and whether they agree.

    ``network`` is the folder of ``train``, ``"FOLDER:CELL"`` of ``compare``, or a network as ``compare``
    takes it (whose initial weights are served, and which needs ``data``). ``batch_sizes`` are those of the
    throughput; ``repeats`` (3) are processes for each engine. Raises ``CrosstrainError`` for wrong use; a
    cell that fails does not raise but stands in the result.
    """
    from crosstrain import inference

    wish = inference.inference_settings(
        network, data, engines=engines, size=size, batch_sizes=batch_sizes, repeats=repeats, device=device,
        threads=threads, options=options, trust=trust, timeout=timeout, memory_limit=memory_limit,
    )  # fmt: skip
    with _watching(progress) as watch:
        result = inference.run(wish, Path(out) if out else None, watch)
        leave_page(result.folder, watch.note)
    return result


def study(
    plan: str | Path,
    data: str | None = None,
    *,
    scale: str | None = None,
    engines: str | Sequence[str] | None = None,
    budget: str | float | None = None,
    prefer: str | None = None,
    threads: int | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> Study:
    """Run a study: a plan of comparisons, whose results are set beside what others have published.

    ``plan`` is one that comes with crosstrain (``"traffic-signs"``) or a file of your own
    (``"my-plan.toml"``, docs/study.md); ``scale`` is one of the plan's, by default its first. ``data``,
    ``engines``, ``budget`` (of each part) and ``prefer`` take the place of the plan's. The result has the
    parts' ``comparisons``; each has its page, ``report.html``, in its folder. Calling it again with the same
    arguments does only what is missing.

    Raises ``CrosstrainError`` for wrong use and for a plan that is wrong, with its file and key.
    """
    from crosstrain.reporting.page import write_page
    from crosstrain.studies import plan as plans
    from crosstrain.studies import run as studying

    file = plans.find(str(plan))
    wish = studying.Wish(
        plans.read(file), file, data=data or "", scale=scale, engines=tuple(spelling.several(engines or ())),
        budget=None if budget is None else str(budget), prefer=prefer, threads=threads,
    )  # fmt: skip
    with _watching(progress) as watch:
        return studying.run(wish, Path(out) if out else None, watch, finish=write_page)


def train(
    network: Network,
    data: str,
    *,
    engine: str,
    size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | Schedule = "constant",
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    prepare: str | None = None,
    split: str | None = None,
    trust: bool = False,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> Trained:
    """Train one network on one engine; the best and the last weights are kept in a folder.

    Arguments are those of ``compare``. Calling it again with more epochs goes on from the last one.
    ``crosstrain.load(result.folder)`` gives the Keras model with the trained weights.
    """
    names, trusted = _named(network)
    with _watching(progress) as watch:
        wish = settings(
            names, data, engines=[engine], sizes=size, epochs=epochs, seed=seed, batch_size=batch_size,
            loss=loss, optimizer=optimizer, learning_rate=learning_rate, momentum=momentum,
            weight_decay=weight_decay, schedule=schedule, device=device, precision=precision,
            threads=threads, options=options, trust=trust or trusted, timeout=timeout,
            memory_limit=memory_limit, prepare=prepare, split=split,
        )  # fmt: skip
        return training.train(wish, Path(out) if out else None, watch)


def tune(
    network: Network,
    data: str,
    *,
    engine: str | Sequence[str],
    size: int | None = None,
    budget: str | float = "5m",
    batch_size: int = 64,
    division: str = "closed",
    again: bool = False,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    prepare: str | None = None,
    split: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    trust: bool = False,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> TuningResult:
    """Find the settings with which engines train a network fastest here, for ``compare(tuned=True)``.

    ``engine`` is a name, several, or ``"all"``; ``budget`` is for each (seconds, or ``"5m"``), ``timeout``
    for each trial. ``division`` ``"open"`` also tries what changes the arithmetic; such profiles are not
    used by ``compare``. ``threads`` are the most to try. An engine that has a profile for this is left as
    it is, unless ``again``. Other arguments are those of ``compare``. Raises ``CrosstrainError`` for wrong
    use; a trial that fails costs itself alone.
    """
    from crosstrain.tuning.run import tune as tuned

    names, trusted = _named(network)
    with _watching(progress) as watch:
        wish = settings(
            names, data, engines=engine, sizes=size, batch_size=batch_size, loss=loss, optimizer=optimizer,
            prepare=prepare, split=split, device=device, precision=precision, threads=threads,
            trust=trust or trusted, timeout=timeout, memory_limit=memory_limit, budget=budget, epochs=1,
        )  # fmt: skip
        return tuned(
            wish, division=cast(Any, division), again=again, out=Path(out) if out else None, watch=watch
        )


def prove(
    network: Network,
    *,
    engines: str | Sequence[str] | None = None,
    precisions: str | Sequence[str] = ("float64", "float32"),
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    steps: int = 10,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | Schedule = "constant",
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = False,
    timeout: str | float | None = None,
    out: str | Path | None = None,
    progress: bool | Watch = True,
) -> Proof:
    """Certificates that engines do the same work as a network's definition, or where they depart.

    ``input_shape`` (without the batch) and ``classes`` are the network's own where not given; ``out``
    keeps what the proof rests on. Other arguments are those of ``compare``. Raises ``CrosstrainError`` for
    wrong use; an engine that is missing or cannot do it gets a certificate that says so.
    """
    from crosstrain.proof.prove import prove as proved

    names, trusted = _named(network)
    if len(names) != 1:
        raise CrosstrainError("a proof is of one network; give them one after the other")
    wish = settings(
        names, "digits", engines=engines, loss=loss, optimizer=optimizer, learning_rate=learning_rate,
        momentum=momentum, weight_decay=weight_decay, schedule=schedule, device=device, threads=threads,
        options=options, trust=trust or trusted, timeout=timeout,
    )  # fmt: skip
    entrants.plain(wish.engines, "a proof")
    with _watching(progress) as watch:
        wish = settled(wish, watch.note)

        def tell(event: dict[str, Any]) -> None:
            if told := words(event):
                watch.stage(told)

        watch.stage(f"Proving {names[0]} on {', '.join(wish.engines)}")
        found = proved(
            source(names[0]), wish.engines, spelling.several(precisions),
            recipe=wish.recipe, input_shape=input_shape, classes=classes, work=Path(out) if out else None,
            on_event=tell, timeout=wish.timeout, steps=steps, device=wish.device, threads=wish.threads,
            options=wish.options, trust=wish.trust,
        )  # fmt: skip
    return replace(found, network=names[0])


def export(
    run: str | Path,
    form: str,
    *,
    out: str | Path | None = None,
    cell: str | None = None,
    weights: str = "best",
    data: str | None = None,
    overwrite: bool = False,
    trust: bool = False,
    timeout: str | float | None = None,
    progress: bool | Watch = True,
) -> Exported:
    """Write a trained network in another tool's format (``"onnx"``, ``"keras"``, …) and verify it there.

    ``run`` is a folder of ``train`` or ``compare`` (then ``cell`` says which; its weights are those of the
    last epoch), or a network, which is written with its initial weights. ``data`` is what it is verified on
    where that is not what the run trained on; without any, inputs are random. Raises ``CrosstrainError``
    for wrong use, and where what was written departs from the network: then nothing is kept.
    """
    from crosstrain.exchange.export import export as exported

    with _watching(progress) as watch:
        return exported(
            str(run), form, out=Path(out) if out else None, cell=cell, weights=weights, data_spec=data,
            trust=trust, overwrite=overwrite, timeout=spelling.seconds(timeout), tell=watch.stage,
        )  # fmt: skip


def code(
    network: Network,
    engine: str,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    loss: str | Loss | Mapping[str, str | Loss] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | Schedule = "constant",
    batch_size: int = 64,
    check: bool = True,
    trust: bool = False,
    timeout: str | float | None = None,
    progress: bool | Watch = True,
) -> Source:
    """A network and its training as source of a framework: ``text``, its number of ``lines`` of code, and
    the ``check`` that proves it equal to the graph.

    ``engine`` is torch, tensorflow, jax, keras, paddle or mxnet; other arguments are those of ``prove``.
    Without ``check`` nothing is proved and the framework need not be installed. Raises ``CrosstrainError``
    where a layer, a loss or an optimizer has no written form.
    """
    from crosstrain.source.network import code as written

    names, trusted = _named(network)
    if len(names) != 1:
        raise CrosstrainError("source is written of one network; give them one after the other")
    wish = settings(
        names, "digits", loss=loss, optimizer=optimizer, learning_rate=learning_rate, momentum=momentum,
        weight_decay=weight_decay, schedule=schedule, batch_size=batch_size, trust=trust or trusted,
        timeout=timeout,
    )  # fmt: skip
    with _watching(progress) as watch:
        watch.stage(f"Writing {names[0]} for {engine}")
        return written(
            source(names[0]), names[0], engine, wish.recipe, input_shape=input_shape, classes=classes,
            check=check, trust=wish.trust, timeout=wish.timeout,
        )  # fmt: skip


def lines_of_source(network: Network, engine: str, **settings: Any) -> int:
    """How many lines of code a network and its training take in a framework: the effort to write it there.
    ``settings`` are those of ``code``; nothing is checked."""
    return code(network, engine, **{"check": False, "progress": False, **settings}).lines


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


def list_networks() -> dict[str, NetworkRow]:
    """The networks of the zoo by name."""
    return _networks()


def list_engines() -> dict[str, EngineRow]:
    """The engines by name, installed or not."""
    return _engines()


def list_datasets() -> dict[str, DataSet]:
    """The kinds of data sets by name."""
    return _datasets()


@contextlib.contextmanager
def _watching(progress: bool | Watch) -> Iterator[Watch]:
    """What shows progress: True stands for the terminal (or plain lines where there is none)."""
    if progress is True:
        from crosstrain.reporting.terminal.progress import Show
        from crosstrain.reporting.terminal.tables import console

        with Show(console(stderr=True)) as show:
            yield show
    else:
        yield progress or Silent()


def _named(network: Any) -> tuple[list[str], bool]:
    """Networks by name, and whether there are models among them that were given as objects: those are the
    caller's own and trusted. They are saved to files, for the workers."""
    several = list(network) if isinstance(network, list | tuple) else [network]
    names = [
        name for each in several for name in (each.split(",") if isinstance(each, str) else [_saved(each)])
    ]
    return names, not all(isinstance(each, str) for each in several)


def _saved(model: Any) -> str:
    """The file of a Keras model, called after its content: the same model finds its results again."""
    if not (hasattr(model, "save") and hasattr(model, "get_weights")):
        raise CrosstrainError(
            f"a network is a name, file.py:function, model.keras or a Keras model, not {type(model).__name__}"
        )
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    path = MODELS / f"{slug(model.name)}-{digest.hexdigest()[:8]}.keras"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.keras")
        model.save(part)
        part.rename(path)
    return str(path)

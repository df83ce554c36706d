"""The public functions: what the command line does, in code."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.compare import run as comparing
from crosstrain.compare import spelling, training
from crosstrain.compare.certify import words
from crosstrain.compare.comparison import Comparison
from crosstrain.compare.settings import RUNS, settings, slug, source
from crosstrain.compare.training import Trained
from crosstrain.compare.watch import Silent, Watch
from crosstrain.data.registry import DataSet
from crosstrain.data.registry import datasets as _datasets
from crosstrain.engines.registry import EngineRow
from crosstrain.engines.registry import engines as _engines
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import run_job
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule
from crosstrain.zoo import NetworkRow
from crosstrain.zoo import networks as _networks

if TYPE_CHECKING:
    from crosstrain.proof.certificate import Proof

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
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
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
    pictures in pixels, ``budget`` and ``timeout`` (of a cell) seconds or ``"10m"``, ``memory_limit``
    bytes or ``"4G"``; ``options`` are ``{engine: {option: value}}``. All that is not given is as on the
    command line. Calling it again with the same arguments does only what is missing.

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
            budget=budget, timeout=timeout, memory_limit=memory_limit,
        )  # fmt: skip
        return Comparison(comparing.run(wish, Path(out) if out else None, watch))


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
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
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
            memory_limit=memory_limit,
        )  # fmt: skip
        return training.train(wish, Path(out) if out else None, watch)


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
    device: str = "cpu",
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
    with _watching(progress) as watch:

        def tell(event: dict[str, Any]) -> None:
            if told := words(event):
                watch.stage(told)

        watch.stage(f"Proving {names[0]} on {', '.join(wish.engines)}")
        found = proved(
            source(names[0]), wish.engines, spelling.several(precisions),
            recipe=wish.recipe, input_shape=input_shape, classes=classes, work=Path(out) if out else None,
            on_event=tell, timeout=wish.timeout, steps=steps, device=device, threads=wish.threads,
            options=wish.options, trust=wish.trust,
        )  # fmt: skip
    return replace(found, network=names[0])


def describe_engines(*, look: bool = True) -> list[dict[str, Any]]:
    """Every engine with ``name``, ``version``, ``status`` (``ready``, ``missing`` or ``broken``),
    ``devices``, ``precisions``, ``options``, ``install`` (a command) and ``error``.

    ``look`` asks each in a process of its own, which imports its framework; without it, ``status`` says
    only whether it is installed.
    """
    found = []
    for name, row in engines().items():
        told: dict[str, Any] = {
            "name": name, "version": row.version, "status": "ready" if row.installed else "missing",
            "devices": [], "precisions": [], "options": {}, "install": row.how_to_install, "error": None,
        }  # fmt: skip
        if look and row.installed:
            with tempfile.TemporaryDirectory(prefix="crosstrain-") as logs:
                # No device: a GPU is to be seen where there is one.
                outcome = run_job({"task": "describe", "engine": name}, folder=Path(logs))
            told |= outcome.result or {"status": "broken", "error": outcome.error}
        found.append(told)
    return found


def networks() -> dict[str, NetworkRow]:
    """The networks of the zoo by name."""
    return _networks()


def engines() -> dict[str, EngineRow]:
    """The engines by name, installed or not."""
    return _engines()


def datasets() -> dict[str, DataSet]:
    """The kinds of data sets by name."""
    return _datasets()


@contextlib.contextmanager
def _watching(progress: bool | Watch) -> Iterator[Watch]:
    """What shows progress: True stands for the terminal (or plain lines where there is none)."""
    if progress is True:
        from crosstrain.report.progress import Show
        from crosstrain.report.tables import console

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

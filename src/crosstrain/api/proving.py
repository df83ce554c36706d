"""The public functions that hold a network to its definition: the proof, and source that is proved equal."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Unpack, cast

from crosstrain.api.networks import names_of
from crosstrain.api.objects import examples_of, shaped
from crosstrain.api.parameters import Network, OneEngine, Out
from crosstrain.api.progress import Progress, watching
from crosstrain.comparison import entrants, parameters
from crosstrain.comparison.certify import words
from crosstrain.comparison.declaring import declared
from crosstrain.comparison.devices import settled
from crosstrain.comparison.settings import settings
from crosstrain.errors import CrosstrainError
from crosstrain.runs.definition import source
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.proof.certificate import Proof
    from crosstrain.source.network import Source

NO_DATA = "digits"
"""Settings name data, which source does not look at, and a proof only where it is given some."""


@declared("a proof")
def prove(
    network: Network,
    *,
    out: Out = None,
    progress: Progress = True,
    **arguments: Unpack[parameters.Prove],
) -> Proof:
    """Certificates that engines do the same work as a network's definition, or where they depart.

    ``data`` is the data set whose examples the proof uses, in place of random ones. ``input_shape``
    (without the batch) and ``classes`` are the network's own where not given; ``out`` keeps what the proof
    rests on. Raises ``CrosstrainError`` for wrong use; an engine that is missing or cannot do it gets a
    certificate that says so.
    """
    from crosstrain.comparison.subjects import subject_of
    from crosstrain.proof.prove import prove as proved

    precisions, steps = spelling.several(arguments.pop("precisions")), arguments.pop("steps")
    input_shape, classes = spelling.dimensions(arguments.pop("input_shape")), arguments.pop("classes")
    data = arguments.pop("data")
    if data is not None and (input_shape is not None or classes is not None):
        raise CrosstrainError("the data set decides the input's shape and the classes; leave them out")
    names, trusted = names_of(network, examples_of(data, arguments) if data else shaped(input_shape))
    if len(names) != 1:
        raise CrosstrainError("a proof takes one network; prove several one after the other")
    arguments["trust"] = arguments["trust"] or trusted
    request = settings(names, data or NO_DATA, **cast(Any, arguments))
    entrants.plain(request.engines, "a proof")
    with watching(progress) as watch, ExitStack() as stack:
        request = settled(request, watch.note)
        for remark in request.remarks:
            watch.note(remark)

        def tell(event: dict[str, Any]) -> None:
            if message := words(event):
                watch.stage(message)

        watch.stage(f"Proving {names[0]} on {', '.join(request.engines)}")
        folder = Path(out or stack.enter_context(TemporaryDirectory(prefix="crosstrain-proof-")))
        subject = None if data is None else subject_of(request, folder, watch.stage)
        definition = subject.definitions[request.recipe.seed] if subject else source(names[0])
        proof = proved(
            definition, request.engines, precisions, recipe=request.recipe, input_shape=input_shape,
            classes=classes, work=folder, on_event=tell, timeout=request.timeout,
            steps=steps, device=request.device, threads=request.threads, options=request.options,
            trust=request.trust, data=subject.data if subject else None, output=request.output,
            weights=request.weights, replace_head=request.replace_head, freeze_until=request.freeze_until,
            remarks=request.remarks,
        )  # fmt: skip
    return replace(proof, network=names[0])


@declared("source", single={"engine": "engine"})
def code(
    network: Network,
    engine: OneEngine,
    *,
    progress: Progress = True,
    **arguments: Unpack[parameters.Code],
) -> Source:
    """A network and its training as source of a framework: ``text``, its number of ``lines`` of code, and
    the ``check`` that proves it equal to the graph.

    Without ``check`` nothing is proved and the framework need not be installed. Raises ``CrosstrainError``
    where a layer, a loss or an optimizer has no written form.
    """
    from crosstrain.source.network import code as written

    names, trusted = names_of(network)
    if len(names) != 1:
        raise CrosstrainError("source is written for one network; write several one after the other")
    input_shape, classes = spelling.dimensions(arguments.pop("input_shape")), arguments.pop("classes")
    check, device = arguments.pop("check"), arguments.pop("device")
    arguments["trust"] = arguments["trust"] or trusted
    request = settings(names, NO_DATA, **cast(Any, arguments))
    with watching(progress) as watch:
        for remark in request.remarks:
            watch.note(remark)
        watch.stage(f"Writing {names[0]} for {engine}")
        return written(
            source(names[0]), names[0], engine, request.recipe, input_shape=input_shape, classes=classes,
            check=check, trust=request.trust, timeout=request.timeout, output=request.output,
            weights=request.weights, device=device or "",
        )  # fmt: skip


def lines_of_source(network: Network, engine: str, **arguments: Any) -> int:
    """How many lines of code a network and its training take in a framework: the effort to write it there.
    Further arguments are those of ``code``; nothing is checked."""
    return code(network, engine, **{"check": False, "progress": False, **arguments}).lines

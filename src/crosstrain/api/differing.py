"""The public function that compares two definitions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from crosstrain.api.networks import names_of
from crosstrain.api.objects import Examples, shaped
from crosstrain.api.progress import Progress, watching
from crosstrain.comparison.declaring import declared
from crosstrain.difference import parameters
from crosstrain.difference.parameters import One, Other
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import write_json
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.difference.findings import Difference

WEIGHTS = ("auto", "own", "carry")
LAYOUTS = ("channels_first", "channels_last", "as_it_is")


@declared("a diff")
def diff(
    a: One,
    b: Other,
    *,
    progress: Progress = True,
    **arguments: Unpack[parameters.Diff],
) -> Difference:
    """Whether two definitions are the same network, and every difference with its place, cause and effect.

    The result has ``same``, ``findings`` (``cause``, ``what``, ``change``, ``a`` and ``b`` with node and line
    of source, ``error``, ``effect``), ``errors`` by what was compared, ``notes`` and ``to_json()``. Raises
    ``CrosstrainError`` for wrong use, and for two networks that share nothing.
    """
    from crosstrain.difference.comparing import Settings
    from crosstrain.difference.diff import diff as compared
    from crosstrain.difference.recipes import training
    from crosstrain.difference.weights import read_map

    given: dict[str, Any] = dict(arguments)
    for name, known in (("weights", WEIGHTS), ("layout", LAYOUTS)):
        if given[name] is not None and given[name] not in known:
            raise CrosstrainError(f"{name} is {', '.join(known)}, not {given[name]!r}")
    if given["steps"] < 1:
        raise CrosstrainError("a diff takes at least one training step")
    if given["data"] and given["input_shape"]:
        raise CrosstrainError("the data set decides the input's shape; leave it out")
    shape = spelling.dimensions(given["input_shape"])
    names, own = _named(a, b, shaped(shape))
    settings = Settings(
        given["steps"], given["weights"], given["layout"],
        read_map(Path(given["map"])) if given["map"] else None,
        tuple(spelling.several(given["allow"]) if given["allow"] else ()), given["initial"],
    )  # fmt: skip
    trainings = (
        training(given["loss"], given["optimizer"]),
        training(given["loss_b"] or given["loss"], given["optimizer_b"] or given["optimizer"]),
    )
    with watching(progress) as watch:
        found = compared(
            *names, trainings, settings, input_shape=shape,
            classes=given["classes"], data=given["data"], trust=given["trust"] or own,
            timeout=spelling.seconds(given["timeout"]),
            tell=watch.stage,
        )  # fmt: skip
    if given["propose_map"]:
        write_json(Path(given["propose_map"]), found.weights)
    return found


def _named(a: Any, b: Any, examples: Examples | None) -> tuple[tuple[str, str], bool]:
    """Both sides by name, and whether one was given as an object, which is the caller's own."""
    (one, trusted), (other, also) = (names_of(str(x) if isinstance(x, Path) else x, examples) for x in (a, b))
    if len(one) != 1 or len(other) != 1:
        raise CrosstrainError("a diff takes one network on each side")
    return (one[0], other[0]), trusted or also

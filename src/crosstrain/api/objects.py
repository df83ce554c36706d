"""Networks that are given as objects, a Keras model or a PyTorch module: saved to files, for the workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crosstrain import data as datasets
from crosstrain.comparison.settings import RUNS, settings
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import slug

MODELS = RUNS / "models"
"""Where networks that were given as objects are kept."""

Examples = Callable[[], tuple[Mapping[str, Sequence[int]], bool]]
"""The shapes of one example by input name (``""`` for the only one), and whether it is tokens."""


def saved(network: Any, examples: Examples | None) -> str:
    """The file of a Keras model or a PyTorch module, called after its content: the same network finds its
    results again. A module needs ``examples``."""
    if hasattr(network, "save") and hasattr(network, "get_weights"):
        return _of_keras(network)
    if hasattr(network, "state_dict") and hasattr(network, "forward"):
        return _of_torch(network, examples)
    raise CrosstrainError(
        "a network is a name, file.py:function, model.keras, a Keras model or a PyTorch module, not "
        f"{type(network).__name__}"
    )


def examples_of(spec: str, arguments: Mapping[str, Any]) -> Examples:
    """The examples of a data set as the public functions prepare it; prepared when they are asked for."""

    def look() -> tuple[Mapping[str, Sequence[int]], bool]:
        request = settings(["mlp"], spec, **arguments)  # any network: the data alone is looked at
        prepared = datasets.prepare(
            request.data, size=next(iter(request.sizes), None), steps=request.prepare, split=request.split,
            limit=request.limit, augmentation=request.recipe.augmentation,
        )  # fmt: skip
        inputs = prepared.manifest["inputs"]
        shapes = {name: tuple(each["shape"]) for name, each in inputs.items()}
        return shapes, any(each.get("vocabulary") for each in inputs.values())

    return look


def shaped(shape: Sequence[int] | None) -> Examples | None:
    """The examples of a network with one input of this shape, where there is one."""
    return None if shape is None else lambda: ({"": tuple(shape)}, False)


def _of_keras(model: Any) -> str:
    digest = hashlib.sha256(model.to_json().encode())
    compiled = model.get_compile_config() if hasattr(model, "get_compile_config") else None
    digest.update(json.dumps(compiled, default=str, sort_keys=True).encode())
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    path = MODELS / f"{slug(model.name)}-{digest.hexdigest()[:8]}.keras"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.keras")
        model.save(part)
        part.rename(path)
    return str(path)


def _of_torch(module: Any, examples: Examples | None) -> str:
    if examples is None:
        raise CrosstrainError(
            f"the module {type(module).__name__} has no shapes; give input_shape (without the batch, "
            "channels last) or data"
        )
    from crosstrain.exchange.torch_import.saving import saved as exported

    shapes, tokens = examples()
    return str(exported(module, shapes, tokens, MODELS))

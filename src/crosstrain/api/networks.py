"""Networks as the public functions take them: by name, or as Keras models."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from crosstrain.comparison.settings import RUNS
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import slug
from crosstrain.training import spelling

MODELS = RUNS / "models"
"""Where Keras models that were given as objects are kept."""


def names_of(network: Any) -> tuple[list[str], bool]:
    """Networks by name, and whether there are models among them that were given as objects: those are the
    caller's own and trusted. They are saved to files, for the workers."""
    networks = list(network) if isinstance(network, list | tuple) else [network]
    names = [
        name
        for each in networks
        for name in (spelling.items(each) if isinstance(each, str) else [_saved(each)])
    ]
    return names, not all(isinstance(each, str) for each in networks)


def _saved(model: Any) -> str:
    """The file of a Keras model, called after its content: the same model finds its results again."""
    if not (hasattr(model, "save") and hasattr(model, "get_weights")):
        raise CrosstrainError(
            f"a network is a name, file.py:function, model.keras or a Keras model, not {type(model).__name__}"
        )
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

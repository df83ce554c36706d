"""Weights that others trained on ImageNet, for the networks of ``keras.applications``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.utils import file_utils

from crosstrain import zoo
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.system.download import download

IMAGENET = "imagenet"
"""As a file of weights: those that Keras offers for download."""
CLASSES = 1000


def load_imagenet(model: keras.Model, name: str, skipped: Sequence[keras.layers.Layer] = ()) -> None:
    """Give ``model``, the network of the zoo called ``name``, the weights that Keras offers; the layers
    ``skipped`` keep theirs.

    They are downloaded once, into Keras's folder (``KERAS_HOME``, else ``~/.keras``), and held against the
    checksum that Keras has of them (of MobileNet and MobileNetV2 it has none); an interrupted download goes
    on. ``CrosstrainError`` for a network without such weights, where they cannot be downloaded, and where
    they do not fit.
    """
    kind, whole = _application(name), not skipped
    if whole and model.output_shape[-1] != CLASSES:
        raise CrosstrainError(
            f"ImageNet has {CLASSES} classes and {name} here {model.output_shape[-1]}; --replace-head gives "
            "the last layer new weights"
        )
    try:
        with _resumed_downloads():
            other = getattr(keras.applications, kind)(
                input_shape=model.input_shape[1:], include_top=whole, weights=IMAGENET
            )
    except StorageError:
        raise
    except Exception as error:  # whatever Keras and urllib raise of what is not to be had
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CrosstrainError(
            f"the ImageNet weights of {name} cannot be had ({reason}); download them elsewhere and give the "
            "file with --weights FILE"
        ) from error
    kept = {id(variable) for layer in skipped for variable in layer.weights}
    own = [variable for variable in model.weights if id(variable) not in kept]
    # Without its top a network of Keras has the same layers in the same order, up to there.
    for variable, source in zip(own, other.weights, strict=False):
        if tuple(variable.shape) != tuple(source.shape):
            raise CrosstrainError(
                f"the weight {variable.path!r} of {name} is {tuple(variable.shape)}, ImageNet's "
                f"{tuple(source.shape)}: there are such weights for the usual width and for 3 channels alone"
            )
        variable.assign(np.asarray(keras.ops.convert_to_numpy(source)))


@contextmanager
def _resumed_downloads() -> Iterator[None]:
    """Within it Keras's networks download by :func:`download`, which goes on after an interruption."""
    original = file_utils.get_file
    file_utils.get_file = _get_file
    try:
        yield
    finally:
        file_utils.get_file = original


def _get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str | None = None, **_: Any) -> str:
    """``keras.utils.get_file`` as Keras's networks call it."""
    path = Path(file_utils.config.keras_home()).expanduser() / cache_subdir / fname
    download(origin, path, file_hash)
    return str(path)


def _application(name: str) -> str:
    """What ``keras.applications`` calls a network of the zoo."""
    wanted = zoo.variant(name)
    kind = "" if wanted is None or wanted.tiny else _kind(wanted.row)
    if not kind:
        known = [row.name for row in zoo.networks().values() if _kind(row)]
        raise CrosstrainError(f"there are no ImageNet weights for {name}; there are for {', '.join(known)}")
    return kind


def _kind(row: zoo.NetworkRow) -> str:
    kind = str(row.arguments.get("kind", ""))
    return kind if row.function == "applications:application" and "." not in kind else ""

"""Asks the define task for a network, in the spelling of the command line and the API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crosstrain import zoo
from crosstrain.environments.environments import keras_python
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.graph.foreign import EXPORTED, FOREIGN, OF_TORCH, is_foreign
from crosstrain.runs.compiled import compiled_of
from crosstrain.runs.defined import Definition
from crosstrain.runs.process import OnEvent, run_job
from crosstrain.runs.trained import find_run

__all__ = ["Definition", "check_choice", "define", "keras_home", "source", "unneeded"]

_BACKENDS = ("jax", "tensorflow", "torch")
"""Keras backends in the order of preference. Each infers shapes without running a layer (Keras's NumPy
backend runs it on arrays that nothing has filled, of which an embedding dies); JAX starts fastest."""


_IMPORTS_TORCH = re.compile(r"^\s*(import|from)\s+(torch|torchvision|timm)\b", re.MULTILINE)


def keras_home() -> tuple[str, str]:
    """The Keras backend to define networks with, and the Python that has it: the user's own, else that of
    an environment of an engine ``keras-…``. ``CrosstrainError`` where there is none."""
    for backend in _BACKENDS:
        if python := keras_python(backend):
            return backend, python
    raise CrosstrainError(
        "no framework is installed, and Keras needs one to define a network; install one with: "
        "crosstrain engines install keras-jax, or into your own Python: pip install 'crosstrain[jax]'"
    )


def torch_home() -> tuple[str, str]:
    """Keras on PyTorch, and the Python that has both, for files that define PyTorch modules."""
    if python := keras_python("torch"):
        return "torch", python
    raise CrosstrainError(
        "the network's file needs PyTorch, which is not installed beside Keras; install it with: "
        "crosstrain engines install keras-torch, or into your own Python: pip install 'crosstrain[torch]'"
    )


def mentions_torch(source: str) -> bool:
    """Whether a network is a function of a file that imports PyTorch, or a library of its modules."""
    if ".py:" not in source:
        return False
    try:
        text = Path(source.rpartition(":")[0]).read_text(errors="replace")
    except OSError:
        return False
    return bool(_IMPORTS_TORCH.search(text))


def define(
    source: str,
    *,
    folder: Path,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    classes: int | None = None,
    vocabulary: int | None = None,
    targets: Mapping[str, Any] | None = None,
    losses: Mapping[str, Any] | None = None,
    label_smoothing: float = 0.0,
    class_weight: Mapping[str, float] | None = None,
    kernel_initializer: Mapping[str, Any] | None = None,
    seed: int = 0,
    trust: bool = False,
    floatx: str = "float32",
    output: str = "",
    weights: str = "",
    replace_head: bool = False,
    freeze_until: str = "",
    whole: bool = False,
    drawn: bool = True,
    timeout: float | None = 600.0,
    on_event: OnEvent | None = None,
) -> Definition:
    """Define a network in a process of its own and write it to ``folder``.

    ``source`` is a zoo name, ``file.py:function`` (of a Keras model or, in a file that imports PyTorch, a
    module), ``model.keras``, ``model.onnx``, ``model.pt2`` of torch.export, Caffe's ``net.prototxt`` or
    Caffe2's ``predict_net.pb``. ``input_shapes`` are
    without the batch, by input name (``""`` for the only one), ``classes`` how many numbers it answers with,
    ``vocabulary`` how many tokens its input can have; ``targets`` maps output names to ``{"shape",
    "dtype", "classes"}``; ``losses`` is a recipe's, as JSON, or None: then a compiled model's own are taken
    where they fit, else those that crosstrain chooses. ``label_smoothing``, ``class_weight`` (by class)
    and ``kernel_initializer`` are a recipe's; a model's file keeps its weights. ``output`` names another
    output than the source's (a layer, node or tensor), ``weights`` a file of initial weights, or
    ``imagenet``. With ``replace_head`` the last layer with weights gets new
    ones (unless the file is ``whole``: of this very network), and as many outputs as there are classes;
    layers up to ``freeze_until`` are not trained. Unless they are ``drawn``, no weights are made or written,
    which is enough to look at a graph. Raises ``CrosstrainError`` where the source or the shapes are at
    fault. ``on_event`` gets a ``phase`` when Keras is imported and defining begins.
    """
    torch = source.endswith(EXPORTED) or mentions_torch(source)
    backend, python = torch_home() if torch else keras_home()
    compiled = None if losses or output else compiled_of(source)
    job = {
        "task": "define-torch" if torch else "define-file" if is_foreign(source) else "define",
        "source": source,
        "input_shapes": input_shapes and {k: list(v) for k, v in input_shapes.items()},
        "classes": classes,
        "vocabulary": vocabulary,
        "targets": targets,
        "losses": losses,
        "label_smoothing": label_smoothing,
        "class_weight": class_weight,
        "kernel_initializer": None if source.endswith(MODELS) else dict(kernel_initializer or {}),
        "own_losses": compiled and {name: asdict(loss) for name, loss in compiled.losses.items()},
        "output": output,
        "weights": weights,
        "replace_head": replace_head,
        "freeze_until": freeze_until,
        "whole": whole,
        "seed": seed,
        "trust": trust,
        "floatx": floatx,
        "drawn": drawn,
        "folder": str(folder),
        "device": "cpu",
        "keras_backend": backend,
        "unneeded": unneeded(source, backend),
        # JAX would take what is declared as 64 bits for 32.
        "environment": {"JAX_ENABLE_X64": "1"},
    }
    # A download takes as long as it takes; a server that falls silent ends it.
    limit = None if weights == IMAGENET else timeout
    logs = folder / "logs"
    outcome = run_job(job, folder=logs, timeout=limit, on_event=on_event, python=python)
    if outcome.result == OF_TORCH:  # the file does not import PyTorch itself, its function's module does
        backend, python = torch_home()
        again = {"task": "define-torch", "keras_backend": backend}
        outcome = run_job(job | again, folder=logs, timeout=limit, on_event=on_event, python=python)
    if outcome.status == "done" and outcome.result is not None:
        return Definition(folder, outcome.result)
    if outcome.kind == "storage":
        raise StorageError(outcome.error)
    if outcome.status == "cannot":
        raise CrosstrainError(outcome.error)
    raise CrosstrainError(f"the network {source} could not be defined: {outcome.error} (log: {outcome.log})")


def source(network: str) -> str:
    """What a worker is told to build: a name of the zoo, or a path made absolute."""
    if zoo.variant(network):
        return network
    if network.endswith(PICKLES):
        raise CrosstrainError(
            f"{network} is a pickle, which may run any code when it is opened; name the function that builds "
            "the module (net.py:build), and give its weights with --weights FILE.safetensors; or export it: "
            'torch.export.save(torch.export.export(module, inputs), "net.pt2")'
        )
    path, colon, function = network.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, colon, function = network, "", ""
    if not path.endswith((".py", *MODELS)):
        raise zoo.unknown(network)
    if path.endswith(".py") and not function:
        raise CrosstrainError(f"{network} names a file but no function in it; write {network}:FUNCTION")
    if not Path(path).is_file():
        raise CrosstrainError(f"there is no file {path} (given as network {network!r})")
    return f"{Path(path).resolve()}{colon}{function}"


def unneeded(source: str, backend: str) -> list[str]:
    """Packages that Keras and TensorFlow import where they are installed, which takes as long as they do
    themselves, and that no network needs. None for code of the user's, which may use what of Keras does:
    ``keras.wrappers`` and scikit-learn."""
    if ".py:" in source:
        return []
    return ["pandas", "sklearn", *(["jax"] if backend == "tensorflow" else [])]


IMAGENET = "imagenet"
"""In place of a file of weights: those that Keras offers for download (``zoo/pretrained.py``)."""
MODELS = (".keras", ".h5", ".hdf5", *FOREIGN)
"""Endings of files that hold a model with its weights."""
PICKLES = (".pt", ".pth", ".pkl", ".pickle")
"""Endings of files that are not opened."""
WEIGHTS = (".h5", ".hdf5", ".keras", ".npz", ".safetensors")
"""Endings of files that hold weights."""


def check_choice(networks: Sequence[str], output: str, weights: str | Path | None) -> str:
    """The file of initial weights, made absolute ("" for none); the best ones of a training where its folder
    is named; ``imagenet`` stays. ``CrosstrainError`` where it is missing or of no known format, and where an
    output or weights are named for several networks."""
    if (output or weights) and len(networks) != 1:
        option = "output" if output else "weights"
        raise CrosstrainError(f"--{option} belongs to one network; there are {', '.join(networks)}")
    if not weights:
        return ""
    path = Path(weights).expanduser()
    if str(weights) == IMAGENET:
        return IMAGENET
    if path.is_dir():
        path = find_run(path).weights
    if not str(path).endswith(WEIGHTS):
        raise CrosstrainError(
            f"{path} is not a file of weights; there are {', '.join(WEIGHTS)}, the folder of a training, and "
            f"{IMAGENET}"
        )
    if not path.is_file():
        raise CrosstrainError(f"there is no file of weights {path}")
    return str(path.resolve())

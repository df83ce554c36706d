"""What an engine is: about six calls. Everything else (loop, clock, batches, evaluation) is the worker's.

An engine's file has one class that satisfies ``Engine`` and one that satisfies ``Network``, and a module
attribute ``ENGINE``. It imports its framework at the top: only the worker process imports the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from crosstrain.graph.program import Program

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Option:
    """A switch of an engine. ``closed`` options never change the arithmetic (layout, compilation, memory);
    ``open`` ones may (another precision, another statistic), and the result says so."""

    default: Any
    choices: tuple[Any, ...]
    help: str
    division: Literal["closed", "open"] = "closed"


@dataclass(frozen=True)
class Device:
    """A device as a person knows it: its maker's name for it, and all of its memory (None: unknown)."""

    name: str
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Description:
    """What an engine can do on this machine. ``unsupported`` names every op of the vocabulary that it cannot
    run, composites too, and why. ``hardware`` says what is known about ``devices``; ``cuda`` is the
    version of CUDA that the framework was built with, "" for a build without, None where it is not known.

    The last two need not be given: where an engine's folder has a module ``device``
    (``engines/devices.py``), they come from there.
    """

    version: str
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    options: Mapping[str, Option] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Device] = field(default_factory=dict)
    cuda: str | None = None


@dataclass(frozen=True)
class Setting:
    """Where and how a network runs. ``threads`` None leaves the framework's own choice."""

    device: str = "cpu"
    precision: str = "float32"
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """Everything that training changes, in Keras's layouts: weights (moving statistics too), the
    optimizer's slots by weight and slot name, and the number of steps done. Without slots, a network
    starts afresh from the weights. ``scaling`` is that of the loss, where products are in float16
    (``training/scaling.py``)."""

    weights: Arrays
    slots: Mapping[str, Arrays] | None = None
    step: int = 0
    scaling: Mapping[str, float] | None = None


class Network(Protocol):
    """A graph on a framework, with its weights. It may have more: data on its device
    (``engines/resident.py``), and ``warm_up_steps``, after so many of which a batch size runs as it will.

    Inputs are dictionaries of NumPy arrays by the graph's input names (batch first; float inputs of any
    float dtype or uint8 are converted to the run's precision). ``train`` and ``gradients`` are in
    training mode and need the targets too, and ``seed`` where ``program.training.inputs`` has it.
    """

    def train(self, inputs: Arrays, learning_rate: float) -> Any:
        """One optimizer step. Returns the loss as a handle, without waiting where the framework need
        not; ``float(handle)`` waits."""

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        """The network's outputs by name. With ``training``, in training mode (batch statistics, noise),
        nothing being updated; inputs then need ``seed`` where there is noise, but no targets."""

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        """Loss, and its gradient for every trainable weight; nothing is updated."""

    def read(self) -> State:
        """A copy of the state."""

    def load(self, state: State) -> None:
        """Take over a state."""

    def wait(self) -> None:
        """Return when all work handed to the device is done."""


class Engine(Protocol):
    """One framework."""

    name: str

    def describe(self) -> Description:
        """What it can do on this machine."""

    def build(self, program: Program, weights: Arrays, setting: Setting) -> Network:
        """The program as native code. Raises ``UnsupportedOp`` for an op that it lacks, ``ValueError``
        for a device, precision or option that it does not have."""


class Predictor(Protocol):
    """A trained network, ready to answer. ``Network`` is one too."""

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """The outputs by name, in host memory, for a batch of any length."""


class InferenceEngine(Protocol):
    """A framework that runs trained networks out of a file and cannot train them.

    Its row in the registry says in ``reads`` which file it wants (``onnx``, ``tflite``). The files keep the
    order of the graph's inputs and outputs, and the names of its inputs where their format has names.
    """

    name: str

    def describe(self) -> Description:
        """What it can do on this machine."""

    def open(self, path: Path, outputs: tuple[str, ...], setting: Setting) -> Predictor:
        """The network in the file, whose outputs are called ``outputs``. ``CrosstrainError`` for a device,
        precision or option that it does not have, and for a file that it cannot run."""

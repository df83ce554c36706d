"""Networks of layers, and the trainers that bring them to a goal."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import storage

Connect = list[list[int]]
"""For each layer, and then for the network's output, which signals it gets: -1 for the network's input, else
a layer's number."""


class NeuroLabError(Exception):
    """Something that a network or its training refuses."""


class TrainStop(NeuroLabError):  # noqa: N818 (NeuroLab's name)
    """Training has come to its end; the message says which."""


class Layer:
    """A layer of ``cn`` neurons with ``ci`` inputs and ``co`` outputs.

    ``np`` holds the properties that training changes, by name: ``property`` gives their shapes.
    """

    def __init__(self, ci: int, cn: int, co: int, property: dict[str, Any]) -> None:
        self.ci, self.cn, self.co = ci, cn, co
        self.np: dict[str, np.ndarray] = {name: np.empty(shape) for name, shape in property.items()}
        self.inp: np.ndarray = np.zeros(ci)
        self.out: np.ndarray = np.zeros(co)
        self.out_minmax: np.ndarray = np.empty([co, 2])
        self.inp_minmax: np.ndarray = np.empty([ci, 2])
        self.initf: Any = None

    def step(self, inp: np.ndarray) -> None:
        """Answers one input vector, in ``out``."""
        if len(inp) != self.ci:
            raise ValueError(f"The layer takes vectors of {self.ci} numbers, not of {len(inp)}")
        self.out = self._step(inp)
        self.inp = inp

    def batch(self, inputs: np.ndarray) -> np.ndarray:
        """The outputs for each row of ``inputs``; ``inp`` and ``out`` are the last row's afterwards."""
        outputs = np.empty((len(inputs), self.co))
        for number, inp in enumerate(inputs):
            self.step(inp)
            outputs[number] = self.out
        return outputs

    def init(self) -> None:
        """Sets the first properties by ``initf``: a function of the layer, a list of such, or None."""
        functions = self.initf if isinstance(self.initf, list) else [self.initf]
        for function in functions:
            if function is not None:
                function(self)

    def _step(self, inp: np.ndarray) -> np.ndarray:
        raise NotImplementedError("A layer has to say what it answers: define _step")


class Net:
    """A network.

    :param inp_minmax: the range of each input, (inputs, 2)
    :param co: the number of outputs
    :param layers: the layers
    :param connect: what each layer is connected to
    :param trainf: the trainer, called by :meth:`train`
    :param errorf: the error function, with ``deriv``
    :raises ValueError: the layers' sizes do not fit their connections.
    """

    def __init__(
        self, inp_minmax: Any, co: int, layers: Sequence[Any], connect: Connect, trainf: Any, errorf: Any
    ) -> None:
        self.inp_minmax = np.array(inp_minmax, float)
        if self.inp_minmax.ndim != 2 or self.inp_minmax.shape[1] != 2:
            raise ValueError(f"minmax must be a minimum and a maximum for each input, not {inp_minmax!r}")
        self.out_minmax = np.zeros([co, 2])
        self.ci, self.co = len(self.inp_minmax), co
        self.layers = layers
        self.trainf, self.errorf = trainf, errorf
        self.inp, self.out = np.zeros(self.ci), np.zeros(co)
        self.connect = connect
        self._join()
        self.init()

    def _join(self) -> None:
        """Checks the connections, and tells each layer the ranges of its inputs."""
        if len(self.connect) != len(self.layers) + 1:
            raise ValueError(
                f"Connect error: {len(self.layers)} layers need {len(self.layers) + 1} connections"
            )
        heard = set().union(*self.connect)
        for number in range(len(self.layers)):
            if number not in heard:
                raise ValueError(f"Connect error: nothing takes the signal of layer {number}")
        hearers = [layer.inp_minmax for layer in self.layers]
        hearers.append(self.out_minmax)
        speakers = [layer.out_minmax for layer in self.layers]
        speakers.append(self.inp_minmax)  # the last, so that -1 is its number
        for number, sources in enumerate(self.connect):
            if len(sources) == 1:
                joined = speakers[sources[0]]
            else:
                joined = np.concatenate([speakers[source] for source in sources])
            ranges = hearers[number]
            if len(joined) != len(ranges):
                place = "the output" if number == len(self.layers) else f"layer {number}"
                raise ValueError(f"Connect error: {place} takes {len(ranges)} signals and gets {len(joined)}")
            ranges[:] = joined

    @property
    def is_chain(self) -> bool:
        """Whether each layer hears just the one before it."""
        return self.connect == [[number - 1] for number in range(len(self.connect))]

    def step(self, inp: Any) -> np.ndarray:
        """Answers one input vector, with a vector."""
        self.inp = inp
        signal = inp
        for number, sources in enumerate(self.connect):
            parts = [inp if source == -1 else self.layers[source].out for source in sources]
            signal = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if number < len(self.layers):
                self.layers[number].step(signal)
        self.out = signal
        return self.out

    def sim(self, input: Any) -> np.ndarray:
        """The outputs (samples, outputs) for ``input`` (samples, inputs).

        :raises ValueError: the input has another shape.
        """
        input = matrix(input, self.ci, "input")
        if not len(input):
            return np.zeros((0, self.co))
        if not self.is_chain:
            return np.array([self.step(inp) for inp in input])
        self.inp = input[-1]
        signal: np.ndarray = input
        for layer in self.layers:
            signal = layer.batch(signal)
        self.out = signal[-1]
        return signal

    def init(self) -> None:
        """Sets the layers' first weights."""
        for layer in self.layers:
            layer.init()

    def train(self, *args: Any, **kwargs: Any) -> list[float]:
        """Trains by ``trainf`` (see there); the error of each epoch."""
        errors: list[float] = self.trainf(self, *args, **kwargs)
        return errors

    def reset(self) -> None:
        """Forgets all signals, those that come back delayed among them."""
        self.inp, self.out = np.zeros(self.ci), np.zeros(self.co)
        for layer in self.layers:
            layer.inp, layer.out = np.zeros(layer.ci), np.zeros(layer.co)

    def save(self, fname: str) -> None:
        """Writes the network to a file that :func:`crosstrain.classic.neurolab.load` reads."""
        storage.save(self, fname)

    def copy(self) -> Net:
        """Another network with the same layers and weights."""
        return copy.deepcopy(self)


class Train:
    """A training algorithm: made anew for each training with the network and the data.

    Subclasses define ``__init__(net, input, [target,] **parameters)``, and ``learn`` or ``__call__``.
    """

    epochf: Callable[..., None]
    epochs: int

    def __init__(self, epochf: Callable[..., None], epochs: int) -> None:
        self.epochf, self.epochs = epochf, epochs

    def __call__(self, net: Any, *args: Any) -> None:
        for _ in range(self.epochs):
            self.epochf(self.error(net, *args), net, *args)
            self.learn(net, *args)

    def learn(self, net: Any, *args: Any) -> None:
        raise NotImplementedError("A training algorithm defines learn or __call__")

    def error(self, net: Any, input: Any, target: Any, output: Any = None) -> float:
        """The network's error on this data."""
        error: float = net.errorf(target, net.sim(input) if output is None else output)
        return error


class Trainer:
    """Runs a training algorithm until its goal or its last epoch.

    :param Train: the class of the algorithm
    :param epochs: the most epochs
    :param goal: training stops when the error is below it
    :param show: how often to print the error, in epochs; 0 for never
    :param kwargs: parameters of the algorithm
    """

    def __init__(
        self, Train: Any, epochs: int = 500, goal: float = 0.01, show: int = 100, **kwargs: Any
    ) -> None:
        self._train_class = Train
        defaults: dict[str, Any] = {
            name: parameter.default
            for name, parameter in inspect.signature(Train.__init__).parameters.items()
            if parameter.default is not parameter.empty
        }
        self.defaults: dict[str, Any] = {
            "goal": goal,
            "show": show,
            "epochs": epochs,
            "train": {**defaults, **kwargs},
        }
        self.params = self.defaults.copy()
        self.error: list[float] = []

    def __str__(self) -> str:
        return f"Trainer({self._train_class.__name__})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Trainer:
        return self

    def __call__(self, net: Any, input: Any, target: Any = None, **kwargs: Any) -> list[float]:
        """Trains the network; the error of each epoch.

        :param input: (samples, inputs)
        :param target: (samples, outputs); None for algorithms without a teacher
        :param kwargs: ``epochs``, ``goal``, ``show``, and parameters of the algorithm
        :raises ValueError: input or target has another shape.
        """
        defaults = self.defaults
        goal, show = kwargs.pop("goal", defaults["goal"]), kwargs.pop("show", defaults["show"])
        epochs = kwargs.pop("epochs", defaults["epochs"])
        own = {**defaults["train"], **kwargs}
        self.params = {"goal": goal, "show": show, "epochs": epochs, "train": own}
        data = [matrix(input, net.ci, "input")]
        if target is not None:
            data.append(matrix(target, net.co, "target"))
            if len(data[0]) != len(data[1]):
                raise ValueError(
                    f"input has {len(data[0])} samples and target {len(data[1])}; they must be as many"
                )
        if not len(data[0]):
            raise ValueError("input has no samples; training needs at least one")
        train = self._train_class(net, *data, **own)
        errors: list[float] = []

        def epochf(err: float | None, net: Any, *args: Any) -> None:
            if err is None:
                err = train.error(net, *args)
            errors.append(err)
            if show and len(errors) % show == 0:
                print(f"Epoch: {len(errors)}; Error: {err};")
            if err < goal:
                raise TrainStop("The goal of learning is reached")
            if len(errors) >= epochs:
                raise TrainStop("The maximum number of train epochs is reached")

        Train.__init__(train, epochf, epochs)
        self.error = errors
        try:
            train(net, *data)
        except TrainStop as end:
            if show:
                print(end)
        else:
            if show and len(errors) >= epochs:
                print("The maximum number of train epochs is reached")
        finally:
            del train.epochf  # it refers to train: memory would wait for the collector of cycles
        return errors


def matrix(data: Any, columns: int, name: str) -> np.ndarray:
    """``data`` as a float matrix with so many columns.

    :raises ValueError: it is none.
    """
    array = np.asarray(data, float)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(
            f"{name} must be samples in rows of {columns} numbers, not an array of shape {array.shape}"
        )
    return array

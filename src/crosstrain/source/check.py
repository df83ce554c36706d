"""The worker's tasks behind ``crosstrain code --check``: a source testifies, and an engine says what is true.

The source brings the framework; here it is reached through the source's own imports.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.proof.arrays import Arrays, write_arrays
from crosstrain.proof.case import Case, fed
from crosstrain.proof.evidence import values
from crosstrain.proof.states import at_precision
from crosstrain.runs.worker import explained

Emit = Callable[[dict[str, Any]], None]


def truth(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """What ``job["engine"]`` says of the cases of ``job["items"]``, trained at the item's ``rates``, in
    float64: to each item's ``out``."""
    engine = engine_row(job["engine"]).load()
    for item in job["items"]:
        case = Case.load(Path(item["case"]))
        setting = Setting("cpu", "float64", job.get("threads"), {})
        network = engine.build(case.program, at_precision(case.weights, "float64"), setting)
        results, inputs = values(network, case), case.program.training.inputs
        pairs = zip(case.batches(), item["rates"], strict=True)
        results["step_loss"] = np.asarray([float(network.train(fed(inputs, b), r)) for b, r in pairs])
        results.update({f"weight/{name}": value for name, value in network.read().weights.items()})
        write_arrays(Path(item["out"]), results)
    return {}


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """What the sources of ``job["items"]`` say in ``job["precision"]``: to each item's ``out``.

    An item has ``source`` (a file), ``case`` and what ``Written`` tells of it. One that fails costs only
    itself: the result's ``errors`` gives the sentence (None where all went well) of each.
    """
    kind = MODELS[job["target"]]
    kind.prepare(job["precision"])
    errors: list[str | None] = []
    for number, item in enumerate(job["items"]):
        emit({"event": "phase", "name": "check", "source": item["source"]})
        try:
            module = _imported(Path(item["source"]), f"crosstrain_source_{number}")
            case = Case.load(Path(item["case"]))
            model = kind(module, item, case, job["precision"])
            write_arrays(Path(item["out"]), _evidence(model, item, case, job["precision"]))
            errors.append(None)
        except Exception as error:  # whatever a framework raises: the other sources go on
            traceback.print_exc()
            errors.append(explained(error)[1])
    return {"errors": errors}


def _imported(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _evidence(model: Any, item: Mapping[str, Any], case: Case, precision: str) -> Arrays:
    """What a proof compares: outputs, loss, gradients, and the weights after the steps."""
    features = list(case.program.inference.inputs)

    targets = [f"target/{output}" for output in item["losses"]]
    numbers = {target for target, classes in zip(targets, item["classes"], strict=True) if not classes}

    def batch(values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = {name: values[name] for name in (*features, *targets)}
        return [a.astype(precision) if a.dtype.kind == "f" or n in numbers else a for n, a in arrays.items()]

    results: Arrays = {}
    first = batch(case.first())
    for phase, training in (("inference", False), ("training", True)):
        outputs = model.predict(first[: len(features)], training)
        results.update({f"{phase}/{name}": o for name, o in zip(item["outputs"], outputs, strict=True)})
    loss, gradients = model.gradients(first)
    results["loss"] = np.asarray(loss)
    results.update({f"gradient/{name}": value for name, value in gradients.items()})
    model.restart()
    results["step_loss"] = np.asarray(model.train_on([batch(b) for b in case.batches()]))
    results.update({f"weight/{name}": value for name, value in model.weights().items()})
    return {name: np.asarray(value) for name, value in results.items()}


def _several(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


class Model:
    """A source's model; ``path`` holds crosstrain's weights."""

    def __init__(self, module: Any, item: Mapping[str, Any], case: Case, precision: str) -> None:
        self.module, self.item, self.precision = module, item, precision
        self.path = str(Path(item["case"]) / "weights.npz")
        self.count = len(item["inputs"])
        self.begin()
        self.restart()

    @staticmethod
    def prepare(precision: str) -> None:
        """What has to be settled before a framework is imported; most frameworks need nothing."""

    def begin(self) -> None:
        """Set the precision and create ``self.model``."""
        raise NotImplementedError

    def restart(self) -> None:
        """Load the initial weights and create a fresh optimizer."""
        self.module.load_weights(self.model, self.path)
        self.optimizer = self.module.make_optimizer(self.model)

    def train_on(self, batches: Sequence[Sequence[np.ndarray]]) -> list[float]:
        """Train on batches. Returns the loss before each."""
        return [float(self.step(batch)) for batch in batches]

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        """Train on one batch. Returns the loss before it."""
        raise NotImplementedError

    model: Any
    optimizer: Any


class Torch(Model):
    """Modules that compute at once, with ``named_weights``."""

    def begin(self) -> None:
        torch = self.module.torch
        torch.set_default_dtype(getattr(torch, self.precision))
        self.model = getattr(self.module, self.item["model"])()

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        return [self.module.torch.from_numpy(array) for array in arrays]

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        self.model.train(training)
        outputs = _several(self.model(*self.tensors(arrays)))
        self.module.load_weights(self.model, self.path)
        return [output.detach().numpy() for output in outputs]

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        self.model.train(True)
        tensors = self.tensors(arrays)
        outputs = _several(self.model(*tensors[: self.count]))
        loss = self.module.loss_of(*outputs, *tensors[self.count :]) + getattr(self.model, "penalty", 0)
        loss.backward()
        return float(loss.detach()), self.slopes()

    def slopes(self) -> Arrays:
        """The gradient of each weight that has one, in crosstrain's layout."""
        return {
            name: tensor.grad.numpy().transpose(np.argsort(axes))
            for name, tensor, axes in self.module.named_weights(self.model)
            if tensor.grad is not None
        }

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        return float(self.module.train_step(self.model, self.optimizer, *self.tensors(arrays)))

    def weights(self) -> Arrays:
        return {
            name: tensor.detach().numpy().transpose(np.argsort(axes)).copy()
            for name, tensor, axes in self.module.named_weights(self.model)
        }


class Lightning(Torch):
    """A PyTorch network that a ``Trainer`` trains, as ``train`` has it."""

    def restart(self) -> None:
        self.module.load_weights(self.model, self.path)

    def train_on(self, batches: Sequence[Sequence[np.ndarray]]) -> list[float]:
        lightning, losses = self.module.L, []

        class Listener(lightning.Callback):  # type: ignore[misc,name-defined]
            def on_train_batch_end(self, trainer: Any, model: Any, outputs: Any, *of_batch: Any) -> None:
                losses.append(float(outputs["loss"]))

        trainer = lightning.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, callbacks=[Listener()],
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        loader = self.module.DataLoader([self.tensors(batch) for batch in batches], batch_size=None)
        trainer.fit(self.module.LitModel(self.model), loader)
        return losses


class Jax(Model):
    """Pure functions of dictionaries by name."""

    def begin(self) -> None:
        self.module.jax.config.update("jax_enable_x64", self.precision == "float64")
        self.moving = "stats" in self.module.forward.__code__.co_varnames

    def restart(self) -> None:
        loaded = self.module.load_weights(self.path)
        self.state = loaded if self.moving else (loaded,)
        self.slots, self.steps = self.module.make_slots(self.state[0]), 0

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        if not self.moving:
            outputs = self.module.forward(*self.state, *arrays)
        else:
            outputs, *_ = self.module.forward(*self.state, *arrays, training=training)
        if self.item["penalty"] and not self.moving:
            outputs = outputs[0]
        return [np.asarray(o) for o in _several(outputs)]

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        function = self.module.jax.value_and_grad(self.module.loss_of, has_aux=self.moving)
        loss, gradients = function(*self.state, *arrays)
        return float(loss[0] if self.moving else loss), self.named(gradients)

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        rate = self.module.learning_rate(self.steps)
        self.steps += 1
        result = self.module.train_step(*self.state, self.slots, *arrays, rate, self.steps)
        loss, *self.state, self.slots = result
        return float(loss)

    def weights(self) -> Arrays:
        return self.named({name: w for part in self.state for name, w in part.items()})

    def named(self, arrays: Mapping[str, Any]) -> Arrays:
        return {self.item["prefix"] + name: np.asarray(w) for name, w in arrays.items()}


class Flax(Model):
    """NNX modules, with ``named_weights``."""

    def begin(self) -> None:
        sys.modules["jax"].config.update("jax_enable_x64", self.precision == "float64")
        nnx = self.module.nnx
        self.model = getattr(self.module, self.item["model"])(rngs=nnx.Rngs(0))
        for _, layer in nnx.iter_modules(self.model):
            if isinstance(layer, nnx.Embed):
                layer.dtype = self.precision  # NNX keeps that of its first table

    def restart(self) -> None:
        super().restart()
        self.steps = 0

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        self.model.train() if training else self.model.eval()
        outputs = _several(self.model(*arrays))
        self.module.load_weights(self.model, self.path)
        return [np.asarray(output) for output in outputs]

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        nnx = self.module.nnx

        def loss(model: Any) -> Any:
            outputs = _several(model(*arrays[: self.count]))
            value = self.module.loss_of(*outputs, *arrays[self.count :])
            return value + model.penalty[...] if self.item["penalty"] else value

        self.model.train()
        value, gradients = nnx.value_and_grad(loss)(self.model)
        nnx.update(self.model, gradients)  # so that they stand under the names of their weights
        named = {
            name: np.asarray(variable[...]).transpose(np.argsort(axes))
            for name, variable, axes in self.module.named_weights(self.model)
            if isinstance(variable, nnx.Param)
        }
        self.module.load_weights(self.model, self.path)
        return float(value), named

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        self.model.train()
        timed: tuple[float, ...] = ()
        if hasattr(self.module, "learning_rate"):
            timed = self.module.learning_rate(self.steps), self.steps + 1
            self.steps += 1
        return float(self.module.train_step(self.model, self.optimizer, *arrays, *timed))

    def weights(self) -> Arrays:
        return {
            name: np.asarray(variable[...]).transpose(np.argsort(axes))
            for name, variable, axes in self.module.named_weights(self.model)
        }


class TensorFlow(Model):
    """tf.Module with variables by name."""

    def begin(self) -> None:
        self.module.DTYPE = getattr(self.module.tf, self.precision)
        self.model = getattr(self.module, self.item["model"])()

    def restart(self) -> None:
        self.module.load_weights(self.model, self.path)
        self.slots, self.steps = self.module.make_slots(self.model), 0

    def forward(self, arrays: Sequence[np.ndarray], training: bool) -> list[Any]:
        return _several(self.model(*arrays, **({"training": training} if self.item["phases"] else {})))

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        outputs = self.forward(arrays, training)
        self.module.load_weights(self.model, self.path)
        return [output.numpy() for output in outputs]

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        with self.module.tf.GradientTape() as tape:
            outputs = self.forward(arrays[: self.count], True)
            loss = self.module.loss_of(*outputs, *arrays[self.count :]) + getattr(self.model, "penalty", 0)
        named = {n: w for n, w in self.module.named_weights(self.model) if w.trainable}
        gradients = tape.gradient(loss, named)
        return float(loss), {n: self.module.tf.convert_to_tensor(g).numpy() for n, g in gradients.items()}

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        constant, kind = self.module.tf.constant, self.module.DTYPE
        rate = constant(self.module.learning_rate(self.steps), kind)
        self.steps += 1
        loss = self.module.train_step(
            self.model, self.slots, *map(constant, arrays), rate, constant(self.steps, kind)
        )
        return float(loss)

    def weights(self) -> Arrays:
        return {name: weight.numpy() for name, weight in self.module.named_weights(self.model)}


class Keras(Model):
    """A functional model, on TensorFlow."""

    def begin(self) -> None:
        config = self.module.keras.config
        config.set_floatx(self.precision)
        config.set_dtype_policy(self.precision)
        self.model = self.module.build()

    def one_or_all(self, arrays: Sequence[Any]) -> Any:
        return arrays[0] if len(arrays) == 1 else list(arrays)

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        outputs = _several(self.model(self.one_or_all(arrays), training=training))
        self.module.load_weights(self.model, self.path)
        return [self.module.keras.ops.convert_to_numpy(output) for output in outputs]

    def loss(self, arrays: Sequence[np.ndarray]) -> Any:
        x, y = self.one_or_all(arrays[: self.count]), self.one_or_all(arrays[self.count :])
        return self.model.compute_loss(x, y, self.model(x, training=True))

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        to_numpy = self.module.keras.ops.convert_to_numpy
        weights = self.model.trainable_weights
        with sys.modules["tensorflow"].GradientTape() as tape:
            loss = self.loss(arrays)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        named = {self.name(w): np.array(to_numpy(g)) for w, g in zip(weights, gradients, strict=True)}
        return float(to_numpy(loss)), named

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        return float(self.module.train_step(self.model, *arrays))

    def weights(self) -> Arrays:
        to_numpy = self.module.keras.ops.convert_to_numpy
        return {self.name(w): np.array(to_numpy(w)) for w in self.model.weights}

    def name(self, weight: Any) -> str:
        path = weight.path.removesuffix("/value")
        full = str(self.item["prefix"] + path)
        return full if full in self.item["weights"] else full.replace(".", "/")


class Paddle(Torch):
    """As PyTorch's, by Paddle's names."""

    def begin(self) -> None:
        self.module.paddle.set_default_dtype(self.precision)
        self.model = getattr(self.module, self.item["model"])()

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        return [self.module.paddle.to_tensor(array) for array in arrays]

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        self.phase(training)
        outputs = [output.numpy() for output in _several(self.model(*self.tensors(arrays)))]
        self.module.load_weights(self.model, self.path)
        return outputs

    def phase(self, training: bool) -> None:
        self.model.train() if training else self.model.eval()

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        self.phase(True)
        tensors = self.tensors(arrays)
        outputs = _several(self.model(*tensors[: self.count]))
        loss = self.module.loss_of(*outputs, *tensors[self.count :])
        loss.backward()
        gradients = self.slopes()
        for parameter in self.model.parameters():
            parameter.clear_gradient()
        return float(loss), gradients


class Mxnet(Model):
    """Hybridized blocks."""

    def begin(self) -> None:
        self.model = self.module.make_model()
        self.model.cast(self.precision)

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        return [self.module.nd.array(array, dtype=array.dtype) for array in arrays]

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        with self.module.autograd.record(train_mode=training):
            outputs = [output.asnumpy() for output in _several(self.model(*self.tensors(arrays)))]
        self.module.load_weights(self.model, self.path)
        return outputs

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        tensors = self.tensors(arrays)
        with self.module.autograd.record():
            outputs = _several(self.model(*tensors[: self.count]))
            loss = self.module.loss_of(*outputs, *tensors[self.count :])
        loss.backward()
        gradients = {
            name: parameter.grad().asnumpy().transpose(np.argsort(axes))
            for name, parameter, axes in self.module.named_weights(self.model)
            if parameter.grad_req != "null"
        }
        return float(loss.asscalar()), gradients

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        loss = self.module.train_step(self.model, self.optimizer, *self.tensors(arrays))
        return float(loss.asscalar())

    def weights(self) -> Arrays:
        return {
            name: parameter.data().asnumpy().transpose(np.argsort(axes))
            for name, parameter, axes in self.module.named_weights(self.model)
        }


class Tinygrad(Torch):
    """Classes that are called; the steps after the second are replayed by ``TinyJit``."""

    @staticmethod
    def prepare(precision: str) -> None:
        """tinygrad reads these when it is imported; the engine finds it a compiler."""
        os.environ.update({"OPTIM_DTYPE": precision, "DEFAULT_FLOAT": precision})
        importlib.import_module("crosstrain.engines.tinygrad")

    def begin(self) -> None:
        self.model = getattr(self.module, self.item["model"])()

    def restart(self) -> None:
        super().restart()
        self.captured = self.module.TinyJit(self.module.train_step)

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        return [self.module.Tensor(array) for array in arrays]

    def predict(self, arrays: Sequence[np.ndarray], training: bool) -> list[np.ndarray]:
        with self.module.Context(TRAINING=int(training)):
            outputs = [output.numpy() for output in _several(self.model(*self.tensors(arrays)))]
        self.module.load_weights(self.model, self.path)
        return outputs

    def gradients(self, arrays: Sequence[np.ndarray]) -> tuple[float, Arrays]:
        tensors = self.tensors(arrays)
        with self.module.Context(TRAINING=1):
            outputs = _several(self.model(*tensors[: self.count]))
            loss = self.module.loss_of(*outputs, *tensors[self.count :])
            loss.backward()
            return float(loss.item()), self.slopes()

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        if hasattr(self.optimizer, "advance"):
            self.optimizer.advance()
        return float(self.captured(self.model, self.optimizer, *self.tensors(arrays)).item())


MODELS: dict[str, type[Model]] = {
    "torch": Torch, "lightning": Lightning, "jax": Jax, "flax": Flax, "tensorflow": TensorFlow,
    "keras": Keras, "paddle": Paddle, "mxnet": Mxnet, "tinygrad": Tinygrad,
}  # fmt: skip

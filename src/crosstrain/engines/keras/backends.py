"""What differs between Keras's backends: devices, threads, and how ``fit`` drives a training step."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

import keras
import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_precision import precision

Tensor = Any
Seeds = list[tuple[Any, np.ndarray]]
"""Variables of noise generators, with the states that they are to start a step from."""


Slopes = tuple[float, list[np.ndarray | None], list[np.ndarray]]
"""A loss, its gradients, and the next values of ``model.non_trainable_variables``."""


class Trainer(Protocol):
    """A compiled Keras model on its backend. ``x`` and ``y`` are what ``fit`` would take from its data."""

    def train(self, x: Any, y: Any, rate: float, seeds: Seeds) -> Tensor:
        """One call of Keras's train function; the loss, without waiting for it."""

    def predict(self, x: Any) -> Any:
        """Keras's predict function."""

    def forward(self, x: Any, seeds: Seeds) -> Any:
        """The outputs in training mode; nothing changes."""

    def gradients(self, x: Any, y: Any, seeds: Seeds) -> Slopes:
        """Loss, its gradient for each trainable variable, and what the others would be next; nothing
        changes."""

    def apply(self, gradients: list[np.ndarray], rate: float) -> None:
        """One step of Keras's optimizer with these gradients of the trainable variables."""

    def sync(self) -> None:
        """Bring what training has changed back into Keras's variables, which may be assigned then."""

    def wait(self) -> None:
        """Return when the device is done."""


class Backend(Protocol):
    """One of Keras's backends."""

    def devices(self) -> tuple[str, ...]:
        """Devices by crosstrain's names."""

    def start(self, threads: int | None, tf32: bool = False) -> None:
        """Set the number of threads, and whether a GPU rounds the factors of float32 products to TF32.
        ``CrosstrainError`` where it is too late."""

    def scope(self, device: str, floatx: str, tf32: bool = False) -> AbstractContextManager[Any]:
        """The device and the precision of a network, for the time of a call."""

    def tensor(self, array: np.ndarray) -> Any:
        """A copy of a batch's array, as Keras's data iterators of this backend yield it."""

    def kept(self, array: np.ndarray, device: str) -> Any:
        """An array of examples on the device, to gather batches from."""

    def gathered(self, kept: Any, index: np.ndarray) -> Any:
        """The examples ``index`` (n,) of such an array, as a batch's tensor on the device."""

    def trainer(self, model: keras.Model) -> Trainer:
        """Its way to train."""


def _scoped(device: str, floatx: str, *more: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    stack = ExitStack()
    stack.enter_context(precision(floatx))
    for context in more:
        stack.enter_context(context)
    stack.enter_context(keras.device(device))
    return stack


def _too_late(framework: str, threads: int) -> CrosstrainError:
    return CrosstrainError(
        f"{framework} has already started in this process and cannot take {threads} threads any more; "
        "build the network in a process of its own"
    )


def _differentiated(model: keras.Model, x: Any, y: Any) -> Tensor:
    return model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)


def _on_host(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


def _apply(model: keras.Model, gradients: list[np.ndarray], rate: float) -> None:
    model.optimizer.learning_rate.assign(rate)
    model.optimizer.apply(list(map(keras.ops.convert_to_tensor, gradients)), model.trainable_variables)


class Assigning:
    """Training that writes into Keras's variables: on TensorFlow and PyTorch."""

    def __init__(
        self, model: keras.Model, forward: Callable[[Any], Any], gradients: Callable[[Any, Any], Any],
        wait: Callable[[], None], reseed: Callable[[int], Any] | None = None,
    ) -> None:  # fmt: skip
        self.model, self._forward, self._gradients, self._wait = model, forward, gradients, wait
        self._reseed = reseed
        model.make_train_function()
        model.make_predict_function()
        self._still = [v for v in model.non_trainable_variables if "seed_generator" not in v.path]

    def train(self, x: Any, y: Any, rate: float, seeds: Seeds) -> Tensor:
        self.model.optimizer.learning_rate.assign(rate)
        self._seed(seeds)
        return self.model.train_function([(x, y)])["loss"]

    def predict(self, x: Any) -> Any:
        return self.model.predict_function([(x,)])

    def forward(self, x: Any, seeds: Seeds) -> Any:
        return self._unchanged(lambda: self._forward(x), seeds)

    def gradients(self, x: Any, y: Any, seeds: Seeds) -> Slopes:
        def look() -> Slopes:
            loss, gradients = self._gradients(x, y)
            return loss, gradients, [_on_host(v) for v in self.model.non_trainable_variables]

        result: Slopes = self._unchanged(look, seeds)
        return result

    def apply(self, gradients: list[np.ndarray], rate: float) -> None:
        _apply(self.model, gradients, rate)

    def sync(self) -> None:
        """The variables are always up to date."""

    def wait(self) -> None:
        self._wait()

    def _unchanged(self, look: Callable[[], Any], seeds: Seeds) -> Any:
        before = [_on_host(v) for v in self._still]
        self._seed(seeds)
        try:
            return look()
        finally:
            for variable, value in zip(self._still, before, strict=True):
                variable.assign(value)

    def _seed(self, seeds: Seeds) -> None:
        for variable, state in seeds:
            variable.assign(state)
        if seeds and self._reseed is not None:
            self._reseed(int(seeds[0][1][0]))


# -- PyTorch ----------------------------------------------------------------------------------------
class Torch:
    """Eager; ``jit_compile`` is torch.compile."""

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(self.torch.cuda.device_count())))

    def start(self, threads: int | None, tf32: bool = False) -> None:
        # PyTorch's own default lets cuDNN round the factors of float32 convolutions to TF32.
        self.torch.backends.cuda.matmul.allow_tf32 = tf32
        self.torch.backends.cudnn.allow_tf32 = tf32
        if threads is not None:
            self.torch.set_num_threads(threads)

    def scope(self, device: str, floatx: str, tf32: bool = False) -> AbstractContextManager[Any]:
        return _scoped(device, floatx)

    def tensor(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(np.array(array))

    def kept(self, array: np.ndarray, device: str) -> Any:
        return self.torch.tensor(array, device=device)

    def gathered(self, kept: Any, index: np.ndarray) -> Any:
        return kept.index_select(0, self.torch.from_numpy(index).to(kept.device))

    def trainer(self, model: keras.Model) -> Trainer:
        torch = self.torch

        def forward(x: Any) -> Any:
            with torch.no_grad():
                return model(x, training=True)

        def gradients(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = _differentiated(model, x, y)
            if loss.requires_grad:
                loss.backward()
            slopes = [v.value.grad for v in model.trainable_variables]
            gradients = [None if g is None else g.detach().cpu().numpy().copy() for g in slopes]
            model.zero_grad()
            return float(loss.detach()), gradients

        def wait() -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()

        model.train()
        # Keras's Dropout on PyTorch draws from PyTorch's one generator, whatever the layer's seed.
        return Assigning(model, forward, gradients, wait, torch.manual_seed)


# -- TensorFlow -------------------------------------------------------------------------------------
class TensorFlow:
    """One traced function a step, which XLA compiles where Keras chooses so."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.tf = tf

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(len(self.tf.config.list_physical_devices("GPU")))))

    def start(self, threads: int | None, tf32: bool = False) -> None:
        # TensorFlow's own default rounds the factors of float32 products on a GPU to TF32.
        self.tf.config.experimental.enable_tensor_float_32_execution(tf32)
        threading = self.tf.config.threading
        for gpu in self.tf.config.list_physical_devices("GPU"):
            if not self.tf.config.experimental.get_memory_growth(gpu):
                self.tf.config.experimental.set_memory_growth(gpu, True)
        if threads is None or threading.get_intra_op_parallelism_threads() == threads:
            return
        try:
            threading.set_intra_op_parallelism_threads(threads)
            threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise _too_late("TensorFlow", threads) from error

    def scope(self, device: str, floatx: str, tf32: bool = False) -> AbstractContextManager[Any]:
        return _scoped(device.replace("cuda", "gpu"), floatx)

    def tensor(self, array: np.ndarray) -> Any:
        return self.tf.constant(array)

    def kept(self, array: np.ndarray, device: str) -> Any:
        from crosstrain.engines.tensorflow.kept import Kept

        # As floats what the model would make floats; and whole numbers of 64 bits: those of 32, TensorFlow
        # hands to functions in host memory.
        whole = self.tf.int64 if array.dtype.kind in "iu" else self.tf.as_dtype(array.dtype)
        return Kept.of(array, self.tf.as_dtype(keras.config.floatx()) if array.dtype == np.uint8 else whole)

    def gathered(self, kept: Any, index: np.ndarray) -> Any:
        return kept.form.gathered(kept.tensor, self.tf.constant(index))

    def trainer(self, model: keras.Model) -> Trainer:
        tf = self.tf

        def compiled(function: Callable[..., Any]) -> Any:
            return tf.function(
                function, jit_compile=model.jit_compile, reduce_retracing=True, autograph=False
            )

        @compiled
        def slopes(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = _differentiated(model, x, y)
            gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
            return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]

        def gradients(x: Any, y: Any) -> Any:
            loss, gradients = slopes(x, y)
            return float(loss), [None if g is None else g.numpy() for g in gradients]

        return Assigning(
            model, compiled(lambda x: model(x, training=True)), gradients, tf.test.experimental.sync_devices
        )


# -- JAX --------------------------------------------------------------------------------------------
class Jax:
    """One donating function a step, which carries all state: Keras's variables lag behind until a sync."""

    def __init__(self) -> None:
        import jax

        self.jax = jax
        self._threads: int | None = None
        self._gather = jax.jit(lambda kept, index: kept.at[index].get(mode="promise_in_bounds"))

    def devices(self) -> tuple[str, ...]:
        self.start(None)
        try:
            gpus = len(self.jax.devices("gpu"))
        except RuntimeError:
            gpus = 0
        return ("cpu", *(f"cuda:{i}" for i in range(gpus)))

    def start(self, threads: int | None, tf32: bool = False) -> None:
        """XLA's CPU client takes its threads from the environment when it starts."""
        if self._threads is None:
            self._threads = threads or int(os.environ.get("NPROC") or 0)
            if threads:
                os.environ["NPROC"] = str(threads)
            self.jax.devices("cpu")
        elif threads and threads != self._threads:
            raise _too_late("JAX", threads)

    def scope(self, device: str, floatx: str, tf32: bool = False) -> AbstractContextManager[Any]:
        exact = None if device == "cpu" else "tensorfloat32" if tf32 else "highest"
        name = device.replace("cuda", "gpu")
        return _scoped(
            "cpu:0" if name == "cpu" else name, floatx,
            self.jax.enable_x64(floatx == "float64"), self.jax.default_matmul_precision(exact),
        )  # fmt: skip

    def tensor(self, array: np.ndarray) -> Any:
        # An array of the host, as Keras's iterator gives on a CPU; a copy, since a step may still read it
        # when the caller writes the next batch.
        return np.array(array, self.jax.dtypes.canonicalize_dtype(array.dtype))

    def kept(self, array: np.ndarray, device: str) -> Any:
        return self.jax.device_put(array, self._device(device))

    def gathered(self, kept: Any, index: np.ndarray) -> Any:
        return self._gather(kept, index)

    def _device(self, name: str) -> Any:
        kind, _, number = name.partition(":")
        return self.jax.devices("gpu" if kind == "cuda" else kind)[int(number or 0)]

    def trainer(self, model: keras.Model) -> Trainer:
        return JaxTrainer(model, self.jax)


class JaxTrainer:
    """Keeps the state as ``fit`` does between the steps of an epoch."""

    def __init__(self, model: keras.Model, jax: Any) -> None:
        self.model, self.jax = model, jax
        self._state: Any = None
        model.make_train_function()
        model.make_predict_function()
        self._places = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
        rate = model.optimizer.learning_rate
        self._rate = next(i for i, v in enumerate(model.optimizer.variables) if v is rate)
        compiled = jax.jit if model.jit_compile else lambda f: f
        self._forward = compiled(
            lambda trained, other, x: model.stateless_call(trained, other, x, training=True)[0]
        )
        self._gradients = compiled(jax.value_and_grad(self._loss, has_aux=True))

    def train(self, x: Any, y: Any, rate: float, seeds: Seeds) -> Tensor:
        if self._state is None:
            self._state = self.model._get_jax_state(
                trainable_variables=True, non_trainable_variables=True, optimizer_variables=True,
                metrics_variables=True, purge_model_variables=True,
            )  # fmt: skip
        trained, other, slots, metrics = self._state
        slots = [*slots]
        slots[self._rate] = np.asarray(rate, slots[self._rate].dtype)
        state = (trained, self._seeded(other, seeds), slots, metrics)
        logs, self._state = self.model.train_function(state, iter([(x, y)]))
        return logs["loss"]

    def predict(self, x: Any) -> Any:
        self.sync()
        state = self.model._get_jax_state(
            trainable_variables=True, non_trainable_variables=True, purge_model_variables=True
        )
        outputs, (trained, other) = self.model.predict_function(state, iter([(x,)]))
        self._put({"trainable_variables": trained, "non_trainable_variables": other})
        return outputs

    def forward(self, x: Any, seeds: Seeds) -> Any:
        trained, other, _ = self._values()
        return self._forward(trained, self._seeded(other, seeds), x)

    def gradients(self, x: Any, y: Any, seeds: Seeds) -> Slopes:
        trained, other, slots = self._values()
        (loss, updates), gradients = self._gradients(trained, self._seeded(other, seeds), slots, x, y)
        return float(loss), [np.array(g) for g in gradients], [np.array(v) for v in updates[2]]

    def apply(self, gradients: list[np.ndarray], rate: float) -> None:
        self.sync()
        _apply(self.model, gradients, rate)

    def sync(self) -> None:
        if self._state is not None:
            names = ("trainable_variables", "non_trainable_variables", "optimizer_variables")
            self._put(dict(zip((*names, "metrics_variables"), self._state, strict=True)))
            self._state = None

    def wait(self) -> None:
        if self._state is not None:
            self.jax.block_until_ready(self._state)

    def _put(self, state: Mapping[str, Any]) -> None:
        self.model._jax_state, self.model._jax_state_synced = dict(state), False
        self.model.jax_state_sync()

    def _values(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Trainable and other variables, and the optimizer's, as they are now."""
        self.sync()
        model = self.model
        groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        trained, other, slots = ([v.value for v in group] for group in groups)
        return trained, other, slots

    def _seeded(self, other: list[Any], seeds: Seeds) -> list[Any]:
        other = [*other]
        for variable, state in seeds:
            other[self._places[id(variable)]] = state
        return other

    def _loss(self, trained: Any, other: Any, slots: Any, x: Any, y: Any) -> Any:
        metrics = [v.value for v in self.model.metrics_variables]
        _, updates = self.model.compute_loss_and_updates(trained, other, metrics, x, y, None, True, slots)
        return updates[0], updates  # the loss as it is, where what is differentiated in training is scaled


BACKENDS: dict[str, Callable[[], Backend]] = {"torch": Torch, "tensorflow": TensorFlow, "jax": Jax}


def backend() -> Backend:
    """The running Keras's."""
    name = keras.backend.backend()
    if name not in BACKENDS:
        raise CrosstrainError(
            f"Keras runs on {name} here, on which it does not train; start with KERAS_BACKEND set to one of "
            f"{', '.join(BACKENDS)}"
        )
    importlib.import_module(name)
    return BACKENDS[name]()

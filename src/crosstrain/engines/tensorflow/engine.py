"""The engine for TensorFlow: its options, the traced steps, and arrays in and out."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

if "tensorflow" not in sys.modules:  # it reads these once, when it is imported
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up messages; errors stay
    if platform.machine() in ("x86_64", "AMD64"):
        # Of its own accord TensorFlow takes oneDNN's kernels only on processors with instructions for neural
        # networks; they are faster on the others too.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# TensorFlow imports Keras (and scikit-learn with it) only to know its optimizers when it loads a SavedModel,
# and does without where there is none: a quarter of the time and 120 MB of memory for nothing.
if "keras" in sys.modules:
    import tensorflow as tf
else:
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        import tensorflow as tf
    finally:
        del sys.modules["keras"]

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.resident import OPTION as DATA
from crosstrain.engines.resident import Rows, worth_keeping
from crosstrain.engines.sharing import pieces, shapes
from crosstrain.engines.tensorflow.device import free_bytes
from crosstrain.engines.tensorflow.kept import Form, Kept
from crosstrain.engines.tensorflow.ops import operations
from crosstrain.engines.tensorflow.sequences import by_time
from crosstrain.engines.tensorflow.updates import IN_PLACE
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply, clipped, penalized
from crosstrain.training.scaling import apply_scaled, first_scaling

Tensor = Any

OPTIONS = {
    "jit_compile": Option(False, (False, True), "compile each step with XLA (once for each batch size)"),
    "compile_update": Option(
        None, (None, False, True),
        "compile the optimizer's update with XLA (None: on a CPU, for two slots or a million weights, but "
        "not SGD)",
    ),
    "fused_batch_norm": Option(True, (True, False), "its own BatchNorm kernel, where that computes the same"),
    "grappler": Option(True, (True, False), "TensorFlow's own rewriting of its graphs"),
    "inter_op_threads": Option(
        None, (None, 1, 2, 4, 8), "operations that may run side by side on a CPU (None: as many as threads)"
    ),
    "data": DATA,
    "deterministic": Option(False, (False, True), "only kernels that repeat bit for bit"),
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16", "float16"),
        "full: as the precision says; tf32: products of 10-bit mantissas on a GPU; bfloat16, float16: "
        "rounded factors, float16 with a scaled loss",
        "open",
    ),
}  # fmt: skip

JOINED_SIZE = 1 << 16
"""Weights of at most so many numbers are joined; larger ones would cost more to copy than it saves."""

COMPILED_SIZE = 1 << 20
"""For so many numbers a compiled update saves more, even with one slot, than starting it costs (60 µs)."""


class TensorFlowEngine:
    """TensorFlow."""

    name = "tensorflow"

    def describe(self) -> Description:
        gpus = len(tf.config.list_physical_devices("GPU"))
        devices = ("cpu", *(f"cuda:{i}" for i in range(gpus)))
        return Description(tf.__version__, devices, ("float32", "float64"), OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> TensorFlowNetwork:
        options = self._checked(setting)
        _set_threads(setting.threads, options["inter_op_threads"])
        for gpu in tf.config.list_physical_devices("GPU"):
            grow = partial(tf.config.experimental.set_memory_growth, gpu, True)
            _before_start(grow, f"the memory of {gpu.name} as it is needed")
        tf.config.experimental.enable_tensor_float_32_execution(options["arithmetic"] == "tf32")
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not options["grappler"]})
        if options["deterministic"]:
            tf.config.experimental.enable_op_determinism()
        return TensorFlowNetwork(program, weights, setting.device, setting.precision, options)

    def _checked(self, setting: Setting) -> dict[str, Any]:
        options = checked_options(self.name, self.describe(), setting)
        if options["arithmetic"] != "full" and setting.precision != "float32":
            raise CrosstrainError(
                f"the engine tensorflow has the arithmetic {options['arithmetic']!r} only at the precision "
                f"'float32', not at {setting.precision!r}"
            )
        return options


def _before_start(change: Callable[[], None], what: str) -> None:
    """Change what TensorFlow fixes when it first computes; a sentence where that is past."""
    try:
        change()
    except RuntimeError as error:
        raise CrosstrainError(
            f"TensorFlow has already started in this process and cannot take {what} any more; "
            "build the network in a process of its own"
        ) from error


def _set_threads(threads: int | None, inter_op: int | None) -> None:
    threading = tf.config.threading
    if threads is not None:
        _before_start(lambda: threading.set_intra_op_parallelism_threads(threads), f"{threads} threads")
    side_by_side = inter_op or threads
    if side_by_side is not None:
        _before_start(
            lambda: threading.set_inter_op_parallelism_threads(side_by_side),
            f"{side_by_side} operations at once",
        )


@dataclass(frozen=True)
class Block:
    """Weights that lie in one variable: a single one as it is, or several joined into a vector."""

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def name(self) -> str:
        return next(iter(self.shapes))

    @property
    def shape(self) -> tuple[int, ...]:
        if len(self.shapes) == 1:
            return self.shapes[self.name]
        return (sum(map(math.prod, self.shapes.values())),)

    def parts(self, whole: Tensor) -> dict[str, Tensor]:
        """The weights by name, out of the variable's value."""
        if len(self.shapes) == 1:
            return {self.name: whole}
        pieces = tf.split(whole, [math.prod(shape) for shape in self.shapes.values()])
        return {k: tf.reshape(p, shape) for (k, shape), p in zip(self.shapes.items(), pieces, strict=True)}

    def whole(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The variable's value, out of the weights by name."""
        if len(self.shapes) == 1:
            return parts[self.name]
        return tf.concat([tf.reshape(parts[name], [-1]) for name in self.shapes], 0)


def blocks(shapes: Mapping[str, tuple[int, ...]], largest: int) -> tuple[Block, ...]:
    """Weights of up to ``largest`` numbers in one block, each of the others in one of its own."""
    small = {name: shape for name, shape in shapes.items() if math.prod(shape) <= largest}
    large = [Block({name: shape}) for name, shape in shapes.items() if name not in small]
    return (*([Block(small)] if small else []), *large)


class TensorFlowNetwork:
    """A program on TensorFlow, with its weights and the optimizer's slots."""

    def __init__(
        self, program: Program, weights: Arrays, device: str, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._precision, self._options = program, precision, options
        kind, _, index = device.partition(":")
        self._device_name, self._device = device, "/CPU:0" if kind == "cpu" else f"/GPU:{index}"
        self._step = 0
        self._last_wait: Tensor = None

        graph = program.training
        self._specs = graph.weights
        shapes = {name: tuple(spec.shape) for name, spec in graph.weights.items()}
        trained = {k: shapes[k] for k in graph.trainable}
        moving = {k: shapes[k] for k in graph.updates if graph.weights[k].dtype == "float32"}
        fixed = {k: v for k, v in shapes.items() if k not in trained and k not in moving}
        # Where the optimizer wants the norm of each weight, nothing is joined.
        self._trained = blocks(trained, JOINED_SIZE if program.optimizer.elementwise else -1)
        self._blocks = (*self._trained, *blocks(moving, JOINED_SIZE), *blocks(fixed, -1))
        with tf.device(self._device):
            self._variables = {
                block.name: tf.Variable(tf.zeros(block.shape, self._dtype(self._specs[block.name].dtype)))
                for block in self._blocks
            }
            self._slots = {
                block.name: {
                    name: tf.Variable(tf.zeros(() if slot.scalar else block.shape, precision))
                    for name, slot in program.optimizer.slots().items()
                }
                for block in self._trained
            }
            scaled = options["arithmetic"] == "float16"
            self._scaling = {
                name: tf.Variable(tf.constant(value, precision))
                for name, value in (first_scaling() if scaled else {}).items()
            }
        loss = replace(graph, outputs={"loss": graph.outputs["loss"]}).pruned()
        outputs = replace(program.network.phase(training=True), updates={}, penalties=()).pruned()
        self._train = self._function(loss, self._traced_train, scalars=True)
        self._gradients = self._function(replace(loss, updates={}).pruned(), self._traced_gradients)
        self._contribution = self._function(loss, self._traced_contribution)
        self._take_mean = tf.function(self._traced_mean, autograph=False)
        self._predict = {
            True: self._function(outputs, self._traced_outputs),
            False: self._function(program.inference, self._traced_outputs, inference=True),
        }
        self.load(State(weights))

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Tensor:
        self._step += 1
        self._last_wait = self._train(inputs, np.array([learning_rate, self._step], self._precision))
        return self._last_wait

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in self._predict[training](inputs).items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, gradients = self._gradients(inputs)
        return float(loss), {name: gradient.numpy() for name, gradient in gradients.items()}

    def contribution(self, inputs: Arrays) -> np.ndarray:
        joined: np.ndarray = self._contribution(inputs).numpy()
        return joined

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        self._step += 1
        with tf.device(self._device):
            scalars = np.array([learning_rate, self._step], self._precision)
            self._take_mean(tf.constant(mean), tf.constant(scalars))

    def read(self) -> State:
        weights: dict[str, np.ndarray] = {}
        for block in self._blocks:
            weights.update(_arrays(block.parts(self._variables[block.name].read_value())))
        slots: dict[str, dict[str, np.ndarray]] = {k: {} for block in self._trained for k in block.shapes}
        for block in self._trained:
            for slot, rule in self._program.optimizer.slots().items():
                value = self._slots[block.name][slot].read_value()
                shared = dict.fromkeys(block.shapes, value)
                for name, array in _arrays(shared if rule.scalar else block.parts(value)).items():
                    slots[name][slot] = array
        scaling = {name: float(variable.numpy()) for name, variable in self._scaling.items()}
        return State({name: weights[name] for name in self._specs}, slots, self._step, scaling or None)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        for block in self._blocks:
            variable = self._variables[block.name]
            variable.assign(block.whole(self._to_device(state.weights, block.shapes, variable.dtype)))
        for block in self._trained:
            for slot, rule in self._program.optimizer.slots().items():
                variable = self._slots[block.name][slot]
                if state.slots is None:
                    variable.assign(tf.fill(variable.shape, tf.constant(rule.initial, variable.dtype)))
                    continue
                arrays = {name: state.slots[name][slot] for name in block.shapes}
                tensors = self._to_device(arrays, block.shapes, variable.dtype)
                variable.assign(tensors[block.name] if rule.scalar else block.whole(tensors))
        self._step = state.step if state.slots is not None else 0
        kept = state.scaling if state.slots is not None else None
        for name, variable in self._scaling.items():
            variable.assign((kept or first_scaling())[name])

    def keep(self, parts: Mapping[str, Arrays]) -> dict[str, dict[str, Rows]] | None:
        if not worth_keeping(self._options["data"], parts, free_bytes(self._device_name)):
            return None
        specs = self._program.training.inputs
        with tf.device(self._device):
            return {
                part: {
                    name: Rows.all(Kept.of(array, self._dtype(specs[name].dtype)))
                    for name, array in arrays.items()
                }
                for part, arrays in parts.items()
            }

    def wait(self) -> None:
        if self._last_wait is not None:
            self._last_wait.numpy()
            self._last_wait = None
        if self._device != "/CPU:0":
            tf.test.experimental.sync_devices()

    # -- what is traced ---------------------------------------------------------------------------
    def _traced_train(self, run: Run, inputs: dict[str, Tensor], scalars: Tensor) -> Tensor:
        weights, wholes = self._weights()
        scaling = {name: variable.read_value() for name, variable in self._scaling.items()}
        loss, gradients, updates = self._loss_and_gradients(run, weights, inputs, scaling.get("scale"))
        self._step_with(weights, wholes, gradients, updates, scaling, scalars)
        return loss

    def _traced_contribution(self, run: Run, inputs: dict[str, Tensor]) -> Tensor:
        """Loss, gradients and next moving statistics as one vector."""
        loss, gradients, updates = self._loss_and_gradients(run, self._weights()[0], inputs, None)
        parts = [loss, *({**gradients, **updates}[name] for name in shapes(self._program))]
        return tf.concat([tf.reshape(tf.cast(part, self._precision), [-1]) for part in parts], 0)

    def _traced_mean(self, mean: Tensor, scalars: Tensor) -> None:
        """A step with such a vector."""
        taken = {
            name: tf.cast(part, self._dtype(self._specs[name].dtype))
            for name, part in pieces(mean, shapes(self._program), tf.reshape).items()
        }
        trained = self._program.training.trainable
        gradients = {name: taken.pop(name) for name in trained}
        self._step_with(*self._weights(), gradients, taken, {}, scalars)

    def _step_with(
        self, weights: dict[str, Tensor], wholes: dict[str, Tensor], gradients: dict[str, Tensor],
        updates: dict[str, Tensor], scaling: dict[str, Tensor], scalars: Tensor,
    ) -> None:  # fmt: skip
        """Assign what the optimizer makes of the gradients, and the next moving statistics."""
        if self._in_place:
            self._step_in_place(wholes, gradients, scalars[0])
        else:
            self._step_by_rule(wholes, gradients, scaling, scalars)
        for block in self._blocks:
            if updates.keys() & block.shapes.keys():
                self._variables[block.name].assign(block.whole({**weights, **updates}))

    @property
    def _in_place(self) -> bool:
        """Whether a kernel of TensorFlow's own takes the step."""
        optimizer = self._program.optimizer
        usual = self._device == "/CPU:0" and self._options["compile_update"] is None
        return usual and optimizer.name in IN_PLACE and optimizer.plain and not self._scaling

    def _step_in_place(self, wholes: dict[str, Tensor], gradients: dict[str, Tensor], rate: Tensor) -> None:
        optimizer = self._program.optimizer
        own = {block.name: block.whole(gradients) for block in self._trained}
        ready = clipped(operations(self._precision), optimizer, penalized(optimizer, wholes, own))
        for name, gradient in ready.items():
            variable = self._variables[name]
            if optimizer.weight_decay:
                variable.assign_sub(variable * (rate * optimizer.weight_decay))
            IN_PLACE[optimizer.name](optimizer, variable, self._slots[name], gradient, rate)

    def _step_by_rule(
        self, wholes: dict[str, Tensor], gradients: dict[str, Tensor], scaling: dict[str, Tensor],
        scalars: Tensor,
    ) -> None:  # fmt: skip
        new, slots, *scaled = self._update()(
            {block.name: wholes[block.name] for block in self._trained},
            {block.name: block.whole(gradients) for block in self._trained},
            {name: {k: v.read_value() for k, v in own.items()} for name, own in self._slots.items()},
            scalars[0], scalars[1], *([scaling] if scaling else []),
        )  # fmt: skip
        for name, value in (scaled[0] if scaled else {}).items():
            self._scaling[name].assign(value)
        for name, value in new.items():
            self._variables[name].assign(value)
            for slot, slot_value in slots[name].items():
                self._slots[name][slot].assign(slot_value)

    def _update(self) -> Callable[..., Any]:
        """The optimizer's ``apply``, or ``apply_scaled``; compiled, its chain of small operations is one pass
        over the weights."""
        optimizer, rule = self._program.optimizer, apply_scaled if self._scaling else apply
        update: Callable[..., Any] = partial(rule, operations(self._precision), optimizer)
        numbers = sum(math.prod(block.shape) for block in self._trained)
        pays = self._device == "/CPU:0" and (len(optimizer.slots()) > 1 or numbers >= COMPILED_SIZE)
        compile_update = self._options["compile_update"]
        if pays if compile_update is None else compile_update:
            update = tf.function(update, autograph=False, jit_compile=True)
        return update

    def _traced_gradients(self, run: Run, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        scale = self._scaling["scale"].read_value() if self._scaling else None
        loss, gradients, _ = self._loss_and_gradients(run, self._weights()[0], inputs, scale)
        return loss, gradients if scale is None else {name: g / scale for name, g in gradients.items()}

    def _traced_outputs(self, run: Run, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return run(self._weights()[0], inputs)[0]

    def _weights(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The weights by their names, and the values of the variables that they lie in."""
        wholes = {name: variable.read_value() for name, variable in self._variables.items()}
        parts: dict[str, Tensor] = {}
        for block in self._blocks:
            parts.update(block.parts(wholes[block.name]))
        return parts, wholes

    def _loss_and_gradients(
        self, run: Run, weights: dict[str, Tensor], inputs: dict[str, Tensor], scale: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Loss, the gradients of the loss times ``scale``, and the next moving statistics."""
        outputs, updates = run(weights, inputs)
        names = [name for block in self._trained for name in block.shapes]
        leaves = [weights[name] for name in names]
        whole = outputs["loss"] if scale is None else outputs["loss"] * scale
        gradients = tf.gradients(whole, leaves, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # An embedding's gradient comes as the rows that were read.
        return outputs["loss"], dict(zip(names, map(tf.convert_to_tensor, gradients), strict=True)), updates

    def _function(
        self, graph: Graph, traced: Callable[..., Any], *, scalars: bool = False, inference: bool = False
    ) -> Callable[..., Any]:
        """``traced`` of ``graph`` as a function of NumPy arrays, traced when it is first called."""
        options = self._options
        ops = operations(
            self._precision, inference=inference, fused=options["fused_batch_norm"],
            arithmetic=options["arithmetic"],
        )  # fmt: skip
        run = compiled(by_time(graph), ops, self._precision)
        specs = {name: (spec.shape, self._dtype(spec.dtype)) for name, spec in graph.inputs.items()}
        more = [tf.TensorSpec((2,), self._precision)] if scalars else []

        @cache
        def concrete(forms: Forms) -> Callable[..., Any]:
            """The traced function for inputs of which those in ``forms`` are kept on the device: they come
            as two tensors, the array and the numbers of the batch's examples."""
            kept = dict(forms)
            own = [
                (kept[name].spec, INDEX) if name in kept else (tf.TensorSpec(*spec),)
                for name, spec in specs.items()
            ]
            signature = [*(tensor for each in own for tensor in each), *more]

            @tf.function(input_signature=signature, autograph=False, jit_compile=options["jit_compile"])
            def function(*values: Tensor) -> Any:
                given = iter(values)
                inputs = {
                    name: kept[name].gathered(next(given), next(given)) if name in kept else next(given)
                    for name in specs
                }
                return traced(run, inputs, *given)

            # To look for it by the arguments would cost 0.1 ms a step.
            function_of_these: Callable[..., Any] = function.get_concrete_function()
            return function_of_these

        def call(inputs: Arrays, *more: np.ndarray) -> Any:
            check_inputs(graph.name, specs, inputs)
            with tf.device(self._device):
                given, forms = _tensors(inputs, {name: dtype for name, (_, dtype) in specs.items()})
                return concrete(forms)(*given, *map(tf.convert_to_tensor, more))

        return call

    # -- arrays in and out -------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> tf.DType:
        return tf.as_dtype(self._precision if dtype == "float32" else dtype)

    def _to_device(
        self, arrays: Arrays, shapes: Mapping[str, Sequence[int]], dtype: tf.DType
    ) -> dict[str, Tensor]:
        with tf.device(self._device):
            return {name: _converted(arrays[name], dtype) for name in shapes}


Run = Callable[..., tuple[dict[str, Tensor], dict[str, Tensor]]]
Forms = tuple[tuple[str, Form], ...]
"""The inputs that lie on the device, each with its form there."""

INDEX = tf.TensorSpec((None,), tf.int64)


def _tensors(inputs: Mapping[str, Any], dtypes: Mapping[str, tf.DType]) -> tuple[list[Tensor], Forms]:
    """The inputs as a traced function takes them, and the forms of those that lie on the device."""
    tensors: list[Tensor] = []
    forms: list[tuple[str, Form]] = []
    for name, dtype in dtypes.items():
        value = inputs[name]
        if isinstance(value, Rows):
            tensors += [value.array.tensor, _converted(value.index, tf.int64)]
            forms.append((name, value.array.form))
        else:
            tensors.append(_converted(value, dtype))
    return tensors, tuple(forms)


def _converted(array: np.ndarray, dtype: tf.DType) -> Tensor:
    return tf.convert_to_tensor(np.asarray(array, dtype.as_numpy_dtype))


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: np.array(tensor) for name, tensor in tensors.items()}


ENGINE = TensorFlowEngine()

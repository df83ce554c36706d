"""The tracer: runs a model on symbolic tensors and writes down what it does as graph nodes.

While it is active, a call of a Keras layer or operation on symbolic tensors comes here instead of to
Keras's shape inference. A layer with a native counterpart is written down by its rule, any other layer by
running its ``call``, an operation by its lowering.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional
from keras.src.models.sequential import Sequential
from keras.src.ops.operation import Operation

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder, ShapeError, run_dtype
from crosstrain.graph.keras_import.causes import cause
from crosstrain.graph.keras_import.patches import patched
from crosstrain.graph.keras_import.recorder import Recorder
from crosstrain.graph.keras_import.registry import LAYERS, LOWERINGS, UNSPECIFIED
from crosstrain.graph.keras_import.tensors import Active, BatchSize, SymbolicVariable, Traced, symbolic_class


class Phase:
    """The ``training`` argument of an import: neither True nor False but "whichever phase is run"."""

    def __bool__(self) -> bool:
        raise CrosstrainError(
            "a layer asks for `training` where crosstrain cannot follow; take it as an argument of `call`"
        )

    def __deepcopy__(self, memo: Any) -> Phase:
        return self


PHASE = Phase()

HANDS_ON = (
    Functional.call,
    Sequential.call,
    keras.layers.Bidirectional.call,
    keras.layers.TimeDistributed.call,
)
"""``call`` methods that pass ``training`` on without reading it."""


class Tracer(Recorder):
    """One import. ``weights`` are the variables of the model with their names in the graph."""

    def __init__(self, builder: Builder, weights: Sequence[tuple[str, Any]] = ()) -> None:
        super().__init__(builder)
        self.penalties: list[str] = []
        self.variant: bool | None = None
        """The phase in which a layer is being traced, or None for both at once."""
        self._variables = [variable for _, variable in weights]
        self._names = {id(variable): name for name, variable in weights}
        self._state: dict[bool, dict[str, str]] = {True: {}, False: {}}

    # -- at work --------------------------------------------------------------------------------
    @contextlib.contextmanager
    def active(self) -> Iterator[Tracer]:
        """Make variables and Keras symbolic within the context; restore everything afterwards."""
        classes = [type(v) for v in self._variables]
        with patched(self):
            try:
                for variable, kind in zip(self._variables, classes, strict=True):
                    variable.__class__ = symbolic_class(kind)
                Active.tracer = self
                yield self
            finally:
                Active.tracer = None
                for variable, kind in zip(self._variables, classes, strict=True):
                    variable.__class__ = kind

    # -- variables ------------------------------------------------------------------------------
    def name_of(self, variable: Any) -> str:
        return self._names[id(variable)]

    def read(self, variable: SymbolicVariable) -> str:
        """A weight's reference, or that of the value assigned to it earlier in this call."""
        name = self.name_of(variable)
        start = f"@{name}"
        training, inference = self._state[True].get(name, start), self._state[False].get(name, start)
        if self.variant is not None:
            return training if self.variant else inference
        if training == inference:
            return training
        return str(self.op.phase_select(training, inference).reference)

    def assign(self, variable: SymbolicVariable, value: Any, phases: Sequence[bool] | None = None) -> Traced:
        """Set the variable's next value in the given phases (None: those being traced)."""
        name = self.name_of(variable)
        weight = self.builder.weights[name]
        if weight.trainable:
            raise CrosstrainError(
                f"{self.where} assigns the trainable weight {name!r} in its call; only non-trainable "
                "weights may change there"
            )
        new: Traced = self.op.stop_gradient(self.cast(value, weight.dtype))
        if new.shape != weight.shape:
            raise CrosstrainError(
                f"{self.where} assigns the shape {new.shape} to {name!r}, which has {weight.shape}"
            )
        for phase in (
            phases if phases is not None else [True, False] if self.variant is None else [self.variant]
        ):
            self._state[phase][name] = new.reference
        return new

    def follow(self, variable: SymbolicVariable, value: Traced) -> None:
        """Set the variable's next value from an op of both phases: it changes in training only."""
        if self.variant is not False:
            self._state[True][self.name_of(variable)] = value.reference

    @property
    def state(self) -> dict[bool, dict[str, str]]:
        """The values assigned to variables so far, by phase (a copy)."""
        return {phase: dict(values) for phase, values in self._state.items()}

    @property
    def updates(self) -> dict[str, str]:
        return dict(self._state[True])

    def add_penalty(self, value: Any) -> None:
        """Add a scalar to the training loss."""
        if self.variant is False:
            return
        for loss in keras.tree.flatten(value):
            total = self.cast(loss, "float32")
            self.penalties.append(str((total if total.shape == () else self.op.sum(total)).reference))

    # -- phases ---------------------------------------------------------------------------------
    def phase_of(self, training: Any) -> bool | None:
        """What a native layer's ``training`` argument means: None: it follows the phase that is run; else
        the layer is always in that mode."""
        if isinstance(training, Phase) or (self.variant is not None and training == self.variant):
            return None
        return bool(training)

    # -- layers and operations ------------------------------------------------------------------
    def call_layer(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Replaces ``Layer.symbolic_call``."""
        self._layers.append(layer)
        try:
            self._check_layer(layer)
            rule = LAYERS.get(type(layer))
            outputs = rule(self, layer, *args, **kwargs) if rule else self.trace(layer, args, kwargs)
            if layer.activity_regularizer is not None:
                for output in keras.tree.flatten(outputs):
                    loss = layer.activity_regularizer(output)
                    if len(output.shape):
                        loss = keras.ops.divide_no_nan(
                            loss, keras.ops.cast(self.batch_size(output), loss.dtype)
                        )
                    self.add_penalty(loss)
            return outputs
        except CrosstrainError:
            raise
        except ShapeError as error:
            raise CrosstrainError(f"{self.where}: {error}") from error
        except Exception as error:
            raise CrosstrainError(
                f"{self.where} cannot be traced: {cause(error)}; "
                "write its call in keras.ops, on tensors and variables only"
            ) from error
        finally:
            self._layers.pop()

    def _check_layer(self, layer: Any) -> None:
        if layer.compute_dtype in ("float16", "bfloat16"):
            raise CrosstrainError(
                f"{self.where} computes in {layer.compute_dtype}; a definition is in float32, "
                "precision is chosen when training"
            )
        if getattr(layer, "quantization_mode", None):
            raise CrosstrainError(f"{self.where} is quantized; crosstrain trains networks in floating point")

    def trace(self, layer: Any, args: Any, kwargs: Any) -> Any:
        """Trace a layer by running its ``call``, twice if it reads the phase."""
        if not isinstance(kwargs.get("training"), Phase) or any(type(layer).call is c for c in HANDS_ON):
            return layer.call(*args, **kwargs)
        before, salt, replay = len(self.builder.nodes), self.builder.salt, self.builder.replay
        self.variant = True
        masks = [(x, get_keras_mask(x)) for x in keras.tree.flatten((args, kwargs)) if isinstance(x, Traced)]
        try:
            training = self._call_in_phase(layer, True, args, kwargs)
            for x, mask in masks:  # a call may take its inputs' masks away, as attention does
                set_keras_mask(x, mask)
            self.builder.replay, self.builder.salt, self.variant = self.builder.since(before), salt, False
            inference = self._call_in_phase(layer, False, args, kwargs)
        finally:
            self.variant, self.builder.replay = None, replay
        self.builder.salt = max(self.builder.salt, salt)
        keras.tree.assert_same_structure(training, inference)
        return keras.tree.map_structure(self._select, training, inference)

    def _call_in_phase(self, layer: Any, training: bool, args: Any, kwargs: Any) -> Any:
        context = layer._get_call_context()
        outer = context.get_value("training")
        context.set_value("training", training)
        try:
            return layer.call(*args, **{**kwargs, "training": training})
        finally:
            context.set_value("training", outer)

    def _select(self, training: Any, inference: Any) -> Any:
        if not isinstance(training, Traced):
            return training
        if training.reference == inference.reference:
            return training
        if tuple(training.shape) != tuple(inference.shape):
            raise CrosstrainError(
                f"{self.where} gives shape {training.shape} in training and {inference.shape} in "
                "inference; they have to agree"
            )
        selected = self.op.phase_select(training, inference)
        masks = [get_keras_mask(x) for x in (training, inference)]
        if None not in masks:
            set_keras_mask(selected, self._select(*masks))
        return selected

    def call_operation(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        """Replaces ``Operation.symbolic_call``."""
        kind = type(operation)
        lower = LOWERINGS.get(kind)
        if lower is None:
            raise CrosstrainError(
                f"{self.where} uses keras.ops {kind.__name__}, which crosstrain does not support; "
                "write it with elementary operations, or open an issue that names it"
            )
        settings = keras.tree.flatten([v for k, v in vars(operation).items() if k[0] != "_"])
        sized = any(isinstance(s, BatchSize) for s in settings)
        spec = None if sized or kind in UNSPECIFIED else operation.compute_output_spec(*args, **kwargs)
        try:
            result = lower(self, operation, spec, *args, **kwargs)
        except ShapeError as error:
            raise CrosstrainError(f"{self.where}, {kind.__name__}: {error}") from error
        return result if spec is None else self._match_spec(kind.__name__, result, spec)

    def _match_spec(self, name: str, result: Any, spec: Any) -> Any:
        """The lowered result in Keras's dtypes. Its shapes have to be those that Keras infers."""
        flat, expected = keras.tree.flatten(result), keras.tree.flatten(spec)
        if len(flat) != len(expected):
            raise CrosstrainError(
                f"{self.where}: {name} gave {len(flat)} outputs, Keras expects {len(expected)}"
            )
        outputs = []
        for tensor, tensor_spec in zip(flat, expected, strict=True):
            pairs = zip(tensor.shape, tensor_spec.shape, strict=False)
            if len(tensor.shape) != len(tensor_spec.shape) or any(
                None not in p and p[0] != p[1] for p in pairs
            ):
                raise CrosstrainError(
                    f"{self.where}: {name} was lowered to shape {tensor.shape} where Keras has "
                    f"{tensor_spec.shape}; this is a bug in crosstrain"
                )
            outputs.append(self.cast(tensor, run_dtype(tensor_spec.dtype)))
        return keras.tree.pack_sequence_as(spec, outputs)

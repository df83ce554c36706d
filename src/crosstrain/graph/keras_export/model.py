"""Builds the functional Keras model of a graph, node by node."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import SEED, Graph, Node, Weights
from crosstrain.graph.keras_export.forms import ACTIVATIONS, FORMS, Form, View
from crosstrain.graph.keras_export.penalties import Regularizer, regularizers
from crosstrain.graph.keras_layers import Penalty, VocabularyOp, Weight, run_dtype
from crosstrain.graph.keras_ops import OPS
from crosstrain.graph.ops import NUMPY, VOCABULARY
from crosstrain.system.recursion import deep_recursion

Tensor = Any

BY_LAYER = {
    "lstm",
    "gru",
    "simple_rnn",
    "ctc_loss",
    "random_uniform",
    "random_normal",
    "constant",
    "conv_transpose",
}
"""Ops that keras.ops cannot put into a functional model: they scan, draw numbers or read nothing; and the
transposed convolution, whose functional node mixes up its arguments (Keras 3.15)."""

MOVING = ("moving_mean", "moving_variance")
"""Variables of a layer that training updates without a gradient."""

_numpy = Ops(NUMPY, "NumPy")


@dataclass
class Export:
    """A model; its variables by the graph's weight names (weights that nothing reads are left out); and the
    generators of its noise with the graph's salts."""

    model: keras.Model
    variables: dict[str, Any] = field(default_factory=dict)
    noise: list[tuple[Any, int]] = field(default_factory=list)


def keras_model(graph: Graph, weights: Weights) -> keras.Model:
    """The graph as a functional Keras model with these weights, in Keras's current ``floatx``.

    One output is given as a tensor, several as a dictionary by the graph's names; several inputs are taken
    as a list or by name. Raises ``CrosstrainError`` where Keras cannot express the graph.
    """
    return export(graph, weights).model


def export(graph: Graph, weights: Weights) -> Export:
    """``keras_model`` with the map from the graph's names to the model's variables."""
    return _Exporter(graph, weights).run()


def drawn_as(seed: int, salt: int) -> np.ndarray:
    """The state of a Keras seed generator for a step's seed and a layer's salt (31-bit numbers, which every
    backend holds; hashed, since Keras on PyTorch takes only the sum of the two)."""
    return np.random.SeedSequence((int(seed) & 0xFFFFFFFF, salt)).generate_state(2) & 0x3FFFFFFF


class _Exporter:
    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph, self.arrays = graph, weights
        self.specs = {f"%{name}": spec for name, spec in graph.inputs.items()}
        self.specs |= {ref: s for n in graph.nodes for ref, s in zip(n.references, n.outputs, strict=True)}
        self.specs |= {f"@{name}": graph.spec(f"@{name}") for name in graph.weights}
        self.values: dict[str, Tensor] = {}
        self.variables: dict[str, Any] = {}
        self.noise: list[tuple[Any, int]] = []
        self.shared: dict[str, keras.layers.Layer] = {}
        self.loose: dict[str, Weight] = {}
        self.names: set[str] = set()
        self.regularized: dict[str, Regularizer] = {}

    def run(self) -> Export:
        matched = regularizers(self.graph)
        others = tuple(p for p in self.graph.penalties if p not in matched)
        self.body = replace(self.graph, penalties=others).pruned()
        for weight, rule in matched.values():
            before = self.regularized.get(weight, Regularizer())
            self.regularized[weight] = Regularizer(before.l1 + rule.l1, before.l2 + rule.l2)
        self._choose()

        inputs = [self._input(name) for name in self.body.inputs if name != SEED]
        if not inputs:
            raise CrosstrainError(f"{self.graph.name} has no inputs, which a Keras model needs")
        self.anchor = inputs[0]
        for node in self.body.nodes:
            self._node(node)
        outputs = self._finish_outputs({name: self._tensor(ref) for name, ref in self.graph.outputs.items()})
        rename_operations(list(outputs.values()) if isinstance(outputs, dict) else [outputs], self.names)
        with deep_recursion():
            model = keras.Model(
                inputs if len(inputs) > 1 else inputs[0], outputs, name=identifier(self.graph.name)
            )
        for name, variable in self.variables.items():
            variable.assign(np.asarray(self.arrays[name]).reshape(variable.shape))
        return Export(model, self.variables, self.noise)

    # -- which nodes are layers ---------------------------------------------------------------------
    def _choose(self) -> None:
        """The form of each node. A weight belongs to one layer; where another layer or op reads it too, or
        only a part of a layer's weights is frozen, those nodes are ops on loose weights."""
        body = self.body
        ends = [*body.outputs.values(), *body.penalties]
        batch_norms = [n for n in body.nodes if n.op == "batch_norm"]
        read = {i for n in body.nodes for i in n.inputs if i} | set(ends)
        statistics = {ref for n in batch_norms for ref in n.references[1:]}
        read |= {ref for ref in body.updates.values() if ref not in statistics}
        self.view = View(body, self.specs, frozenset(read))
        rules = ((node, FORMS.get(node.op)) for node in body.nodes)
        forms = {node.name: rule(self.view, node) if rule else None for node, rule in rules}
        self.forms = {name: form for name, form in forms.items() if form and self._uniform(form)}
        while True:
            owners: dict[str, set[str]] = {}
            for node in body.nodes:
                form = self.forms.get(node.name)
                own = set(form.weights.values()) if form else set()
                for ref in node.inputs:
                    if ref and ref.startswith("@"):
                        owners.setdefault(ref, set()).add(form.key if form and ref in own else node.name)
            for ref in ends:
                if ref.startswith("@"):
                    owners.setdefault(ref, set()).add("output")
            conflicting = [
                name for name, form in self.forms.items()
                if any(len(owners[ref]) > 1 for ref in form.weights.values())
            ]  # fmt: skip
            if not conflicting:
                break
            for name in conflicting:
                del self.forms[name]
        self._fuse()

    def _uniform(self, form: Form) -> bool:
        """Whether all weights are trained or none, as in a layer; statistics are updated in the first
        case."""
        kinds = {
            self.graph.weights[ref[1:]].trainable for key, ref in form.weights.items() if key not in MOVING
        }
        statistics = [self.graph.weights[form.weights[key][1:]] for key in MOVING if key in form.weights]
        moves = statistics and "training" not in form.call
        return (
            len(kinds) <= 1 and not any(w.trainable for w in statistics) and not (moves and kinds == {False})
        )

    def _fuse(self) -> None:
        """A layer's own activation: the only reader of its product, traced from the same layer."""
        readers: dict[str, list[Node]] = {}
        for node in self.body.nodes:
            for ref in node.inputs:
                readers.setdefault(str(ref), []).append(node)
        ends = {*self.body.outputs.values(), *self.body.updates.values(), *self.body.penalties}
        shared = Counter(form.key for form in self.forms.values())
        for node in self.body.nodes:
            product, (ref, *more) = self.forms.get(node.name), node.references
            following = readers.get(ref, [])
            if product is None or more or "use_bias" not in product.settings or shared[product.key] > 1:
                continue
            if len(following) != 1 or ref in ends or not node.layer or following[0].layer != node.layer:
                continue
            after = following[0]
            last = after.op == "softmax" and after.attributes.get("axis", -1) == -1
            if after.name in self.forms and (after.op in ACTIVATIONS or last):
                settings = {**product.settings, "activation": after.op}
                self.forms[node.name] = replace(product, settings=settings)
                self.forms[after.name] = Form(keras.layers.Identity)

    # -- building -------------------------------------------------------------------------------------
    def _input(self, name: str) -> Tensor:
        spec = self.graph.inputs[name]
        options = {"dtype": run_dtype(spec.dtype), "name": self._name(name)}
        shape = {"shape": spec.shape[1:]} if spec.shape[:1] == (None,) else {"batch_shape": spec.shape}
        self.values[f"%{name}"] = keras.Input(**shape, **options)
        return self.values[f"%{name}"]

    def _node(self, node: Node) -> None:
        form = self.forms.get(node.name)
        if form is not None and form.layer is keras.layers.Identity:
            outputs = [self.values[str(node.inputs[0])]]
        elif form is not None and isinstance(self.values.get(str(node.inputs[0])), np.ndarray):
            outputs = self._op(node)
        elif form is not None:
            outputs = self._layer(node, form)
        elif self._is_constant(node):
            outputs = self._fold(node)
        else:
            outputs = self._op(node)
        self.values.update(zip(node.references, outputs, strict=False))

    def _layer(self, node: Node, form: Form) -> list[Tensor]:
        layer = self.shared.get(form.key) if form.weights else None
        inputs = [
            self._tensor(str(ref))
            for ref in (node.inputs if form.several else (self._input_ref(node, form),))
        ]
        for kind, settings in form.before:
            inputs = [kind(**settings, name=self._name(f"{self._place(node, form)}_pad"))(inputs[0])]
        if layer is None:
            rules = {
                f"{key}_regularizer": keras.regularizers.L1L2(rule.l1, rule.l2)
                for key, ref in form.weights.items() if (rule := self.regularized.get(ref[1:]))
            }  # fmt: skip
            layer = form.layer(**form.settings, **rules, name=self._name(self._place(node, form)))
            self.shared[form.key] = layer
        call = dict(form.call)
        if form.states:
            states = [self._tensor(ref) for ref in form.states]
            call["initial_state"] = states if len(states) > 1 else states[0]
        result = layer(inputs if form.several else inputs[0], **call)
        trained = [self.graph.weights[r[1:]].trainable for k, r in form.weights.items() if k not in MOVING]
        if trained:
            layer.trainable = all(trained)
        holder = getattr(layer, "cell", layer)
        self.variables |= {ref[1:]: getattr(holder, key) for key, ref in form.weights.items()}
        if node.op in VOCABULARY and "salt" in node.attributes and node.attributes.get("rate", 1):
            self.noise.append((layer.seed_generator, node.attributes["salt"]))
        for kind, settings in form.after:
            result = kind(**settings, name=self._name(f"{self._place(node, form)}_crop"))(result)
        outputs: list[Tensor] = [None] * len(node.references)
        for place, value in zip(
            form.gives, result if isinstance(result, list | tuple) else [result], strict=True
        ):
            outputs[place] = value
        return outputs

    def _input_ref(self, node: Node, form: Form) -> str:
        """The reference of the one tensor that the layer is called on."""
        free = [
            ref for ref in node.inputs if ref and ref not in form.weights.values() and ref not in form.states
        ]
        return free[0]

    def _is_constant(self, node: Node) -> bool:
        """Whether a node computes from constants alone."""
        ready = all(isinstance(self.values.get(str(ref)), np.ndarray) for ref in node.inputs if ref)
        return ready and "seed" not in node.inputs and not node.op.startswith("random_")

    def _fold(self, node: Node) -> list[Tensor]:
        result = getattr(_numpy, node.op)(
            *[None if ref is None else self.values[ref] for ref in node.inputs],
            **{k: "float64" if k == "dtype" and v == "float32" else v for k, v in node.attributes.items()},
        )
        return [np.asarray(v) for v in (result if isinstance(result, tuple | list) else [result])]

    def _op(self, node: Node) -> list[Tensor]:
        """The node on keras.ops, or on a layer that runs it where a functional model cannot hold it."""
        rule = VOCABULARY[node.op].phase
        if node.op in BY_LAYER or rule is not None or getattr(OPS, node.op) is None:
            return self._by_layer(node)
        settings = {k: run_dtype(v) if k == "dtype" else v for k, v in node.attributes.items()}
        inputs = [None if ref is None else self._argument(ref) for ref in node.inputs]
        if not any(isinstance(i, keras.KerasTensor) for i in inputs):
            inputs = [self._tensor(ref) if ref else None for ref in node.inputs]
        result = getattr(OPS, node.op)(*inputs, **settings)
        return list(result) if isinstance(result, tuple | list) else [result]

    def _by_layer(self, node: Node) -> list[Tensor]:
        kinds = {None: "none", f"%{SEED}": "seed"}
        input_kinds = [kinds.get(ref, "tensor") for ref in node.inputs]
        layer = VocabularyOp(node.op, node.attributes, input_kinds, name=self._name(node.name))
        tensors = [
            self._tensor(str(r)) for r, kind in zip(node.inputs, input_kinds, strict=True) if kind == "tensor"
        ]
        if layer.seed_generator is not None:
            self.noise.append((layer.seed_generator, node.attributes["salt"]))
        return list(layer(tensors or [self.anchor]))

    def _argument(self, ref: str) -> Tensor:
        """An op's input: a tensor, or a constant, as a Python number if possible (which has no precision of
        its own)."""
        value = self.values.get(ref)
        if not isinstance(value, np.ndarray):
            return self._tensor(ref)
        if value.dtype.kind != "f":
            return value
        return float(value) if value.ndim == 0 else value.astype(keras.config.floatx())

    def _tensor(self, ref: str) -> Tensor:
        """A value as a KerasTensor: weights and constants come from layers that hold them."""
        if ref.startswith("@") and ref not in self.values:
            name, spec = ref[1:], self.graph.weights[ref[1:]]
            layer = Weight(spec.shape, spec.dtype, name=self._name(name))
            layer.trainable = spec.trainable
            self.loose[name], self.variables[name] = layer, layer.array
            self.values[ref] = layer(self.anchor)
        value = self.values[ref]
        if isinstance(value, np.ndarray):
            dtype = "float32" if value.dtype.kind == "f" else value.dtype.name
            layer = VocabularyOp(
                "constant", {"value": value.tolist(), "dtype": dtype}, (), name=self._name("constant")
            )
            (value,) = layer([self.anchor])
            self.values[ref] = value
        return value

    # -- the ends -------------------------------------------------------------------------------------
    def _finish_outputs(self, outputs: dict[str, Tensor]) -> Any:
        """The outputs in Keras's structure; the first one depends on all penalties and updates."""
        first = next(iter(outputs))
        penalties = [self._tensor(ref) for ref in self.body.penalties]
        for name, rule in self.regularized.items():
            if name in self.loose:
                w = self.values[f"@{name}"]
                penalties += [OPS.sum(OPS.abs(w)) * rule.l1] if rule.l1 else []
                penalties += [OPS.sum(OPS.square(w)) * rule.l2] if rule.l2 else []
            elif name not in self.variables:
                raise CrosstrainError(f"nothing but a penalty reads the weight {name!r} of {self.graph.name}")
        if penalties:
            outputs[first] = Penalty(name=self._name("penalty"))([outputs[first], *penalties])
        for name, ref in self.body.updates.items():
            if name in self.loose:
                outputs[first] = self.loose[name](outputs[first], new=self._tensor(ref))
        if len(outputs) > 1:
            return outputs
        (tensor,) = outputs.values()
        operation = tensor._keras_history.operation
        if operation.name != first and identifier(first) == first and first not in self.names:
            tensor = keras.layers.Identity(name=self._name(first))(tensor)
        elif operation.name != first:
            return outputs
        return tensor

    def _place(self, node: Node, form: Form) -> str:
        """The layer's name: that of the layer that the node was traced from, else from its weights."""
        kernels = [ref[1:].rpartition("/")[0] for ref in form.weights.values()]
        return node.layer or next(filter(None, kernels), "") or node.name

    def _name(self, preferred: str) -> str:
        """A valid, unique name for a layer."""
        base = identifier(preferred)
        name, count = base, 0
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        return name


def identifier(name: str) -> str:
    """The name without slashes, which Keras does not allow, and without dots, which PyTorch does not."""
    return name.translate(str.maketrans("/:.", "___")) or "unnamed"


def rename_operations(outputs: list[Tensor], names: set[str]) -> None:
    """Rename the operations that Keras named by itself so that no layer shares their names."""
    waiting, seen = list(outputs), set()
    while waiting:
        operation = waiting.pop()._keras_history.operation
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if not isinstance(operation, keras.layers.Layer):
            base, count = operation.name, 0
            while operation.name in names:
                count += 1
                operation.name = f"{base}_op{count}"
            names.add(operation.name)
        for node in operation._inbound_nodes:
            waiting.extend(node.input_tensors)

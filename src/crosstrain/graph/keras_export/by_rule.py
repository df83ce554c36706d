"""A Keras optimizer that runs one of crosstrain's own update rules, for those that Keras lacks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras

from crosstrain.graph.keras_ops import OPS
from crosstrain.training.optimizers import FAMILIES, Optimizer


class ByRule(keras.optimizers.Optimizer):
    """The rule of ``settings.name`` on Keras's variables. Clipping, averages and accumulation are Keras's."""

    ATTRIBUTES: Mapping[str, str] = MappingProxyType(
        {
            "momentum": "_slot_momentum",
            "velocity": "_slot_velocity",
            "largest_velocity": "_slot_largest_velocity",
            "average_gradient": "_slot_average_gradient",
            "accumulator": "_slot_accumulator",
        }
    )
    """The rules' slots → the attribute with a variable for each weight."""

    def __init__(
        self,
        settings: Optimizer,
        learning_rate: float,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        gradient_accumulation_steps: int | None = None,
    ) -> None:
        family = FAMILIES[settings.name]
        super().__init__(
            learning_rate=learning_rate,
            # Keras's own decay is in the weight; a rule's that belongs in the gradient is added by the step.
            weight_decay=None if family.coupled else weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=settings.name.replace(".", "_"),
        )
        self._settings, self._family = settings, family

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        for name in self._kept():
            initial = keras.initializers.Constant(self._settings.slots()[name].initial)
            slots = self.add_optimizer_variables(variables, name, initializer=initial)
            setattr(self, self.ATTRIBUTES[name], slots)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step on one variable, in its dtype."""
        # TensorFlow's backend hands its own variables over.
        w, g = keras.ops.convert_to_tensor(variable), keras.ops.cast(gradient, variable.dtype)
        rate, number = (keras.ops.cast(each, variable.dtype) for each in (learning_rate, self.iterations + 1))
        if self._family.coupled and self._settings.weight_decay:
            g = g + self._settings.weight_decay * w
        index = self._get_variable_index(variable)
        slots = {name: getattr(self, self.ATTRIBUTES[name])[index] for name in self._kept()}
        values = {name: keras.ops.convert_to_tensor(slot) for name, slot in slots.items()}
        new, changed = self._family.rule(OPS, self._settings, w, g, values, rate, number)
        self.assign(variable, new)
        for name, value in changed.items():
            self.assign(slots[name], value)

    def _kept(self) -> list[str]:
        """The rule's own slots, without those of what goes on around it."""
        return list(self._family.slots(self._settings))

"""The recipe as source: loss, update rule, schedule and the order of batches, alike for all targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule

LOSSES = {
    "sparse_categorical_crossentropy": "sparse_categorical_crossentropy",
    "sparsecategoricalcrossentropy": "sparse_categorical_crossentropy",
    "categorical_crossentropy": "categorical_crossentropy",
    "categoricalcrossentropy": "categorical_crossentropy",
    "binary_crossentropy": "binary_crossentropy",
    "binarycrossentropy": "binary_crossentropy",
    "mean_squared_error": "mean_squared_error",
    "meansquarederror": "mean_squared_error",
    "mse": "mean_squared_error",
    "mean_absolute_error": "mean_absolute_error",
    "meanabsoluteerror": "mean_absolute_error",
    "mae": "mean_absolute_error",
}
"""Keras's names of the supported losses, in lower case, mapped to the one used here."""

CLASSES = {"sparse_categorical_crossentropy"}
"""Losses whose targets are class indices."""


LossTable = Mapping[tuple[str, bool], str | Callable[[int], str]]
"""The expression of (a loss, from logits) in ``{output}`` and ``{target}``, perhaps by the output's rank."""


@dataclass(frozen=True)
class Training:
    """What a source's ``train`` does: the loss of each output, the optimizer and the schedule.

    Raises ``CrosstrainError`` for what has no written form.
    """

    losses: Mapping[str, Loss]
    optimizer: Optimizer
    schedule: Schedule
    batch_size: int = 64

    def __post_init__(self) -> None:
        o = self.optimizer
        for name, loss in self.losses.items():
            if loss.name.lower() not in LOSSES or set(loss.settings) - {"from_logits"} or loss.class_weight:
                known = ", ".join(sorted(set(LOSSES.values())))
                raise CrosstrainError(
                    f"crosstrain code cannot write the loss {loss.name!r} of the output {name!r} with the "
                    f"settings {dict(loss.settings)}; it writes {known}, with from_logits"
                )
        if o.name not in ("sgd", "adam", "adamw", "rmsprop") or o.amsgrad or o.centered:
            raise CrosstrainError(
                f"crosstrain code cannot write the optimizer {o.name!r} with these settings; it writes sgd, "
                "adam, adamw and rmsprop, without amsgrad and centered"
            )
        if any(c is not None for c in (o.clipvalue, o.clipnorm, o.global_clipnorm)):
            raise CrosstrainError("crosstrain code cannot write the clipping of gradients; leave it out")
        if not o.plain or o.l2:
            raise CrosstrainError(
                "crosstrain code cannot write the averaging of weights, the accumulation of gradients or l2; "
                "leave it out"
            )
        if self.schedule.name == "plateau":
            raise CrosstrainError(
                "crosstrain code cannot write the schedule 'plateau', which needs a validation set; give "
                "one that depends on the step"
            )

        if self.schedule.relative or self.schedule.name in ("warmup_cosine", "warmup_linear"):
            written = "constant, step, exponential, inverse_time, cosine and warmup, in steps"
            raise CrosstrainError(
                f"crosstrain code cannot write the schedule {self.schedule.name!r} with the settings "
                f"{dict(self.schedule.settings)}; it writes {written}"
            )

    @property
    def constant(self) -> bool:
        return self.schedule.name == "constant"

    @property
    def plain(self) -> bool:
        """SGD as all frameworks have it, with or without momentum: with a constant rate it is the same
        whether the velocity holds the rate or not."""
        return self.optimizer.name == "sgd" and not self.optimizer.weight_decay and self.constant

    def constants(self) -> list[str]:
        return [f"LEARNING_RATE = {self.optimizer.learning_rate!r}"]

    def body(
        self,
        losses: LossTable,
        outputs: Mapping[str, str],
        targets: Sequence[str],
        title: str,
        ranks: Mapping[str, int],
        more: str = "",
    ) -> list[str]:
        """The lines that return the sum of the losses, each as the target's table has it, and ``more``;
        ``ranks`` are the outputs' numbers of axes."""
        parts, lines = [], []
        for (name, loss), target in zip(self.losses.items(), targets, strict=True):
            kind = (LOSSES[loss.name.lower()], bool(loss.settings.get("from_logits")))
            if kind not in losses:
                raise CrosstrainError(f"crosstrain code has no {kind[0]} (from_logits={kind[1]}) for {title}")
            template = losses[kind]
            template = template if isinstance(template, str) else template(ranks[name])
            text = template.format(output=outputs[name], target=target)
            if len(self.losses) > 1:
                lines.append(f"{outputs[name]}_loss = {text}")
                text = f"{outputs[name]}_loss"
            parts.append(text if loss.weight == 1 else f"{loss.weight!r} * {text}")
        return [*lines, f"return {' + '.join(parts)}{more}"]

    def class_targets(self) -> tuple[bool, ...]:
        """For each target, whether it holds class indices."""
        return tuple(LOSSES[loss.name.lower()] in CLASSES for loss in self.losses.values())

    # -- update -----------------------------------------------------------------------------------
    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the optimizer's state for each weight."""
        o = self.optimizer
        if o.name == "sgd":
            return ("velocity",) if o.momentum else ()
        if o.name == "rmsprop":
            return ("mean_square", "delta") if o.momentum else ("mean_square",)
        return ("m", "v")

    def update(self, sqrt: str) -> list[str]:
        """The source of ``update(w, g, *slots, rate, step)``, which returns the new weight and slots."""
        o, slots = self.optimizer, self.slots
        lines = []
        if o.weight_decay:
            lines.append(f"w = w - w * ({o.weight_decay!r} * rate)")
        timed = o.name in ("adam", "adamw")
        if o.name == "sgd" and not o.momentum:
            lines.append("w = w - rate * g")
        elif o.name == "sgd":
            move = f"{o.momentum!r} * velocity - rate * g"
            lines += [f"velocity = {move}", f"w = w + {move}" if o.nesterov else "w = w + velocity"]
        elif o.name == "rmsprop":
            lines.append(f"mean_square = {o.rho!r} * mean_square + (1 - {o.rho!r}) * g * g")
            change = f"rate * g / {sqrt}(mean_square + {o.epsilon!r})"
            if o.momentum:
                lines += [f"delta = {o.momentum!r} * delta + {change}", "w = w - delta"]
            else:
                lines.append(f"w = w - {change}")
        else:
            lines += [
                f"m = m + (1 - {o.beta_1!r}) * (g - m)",
                f"v = v + (1 - {o.beta_2!r}) * (g * g - v)",
                f"rate = rate * (1 - {o.beta_2!r}**step) ** 0.5 / (1 - {o.beta_1!r}**step)",
                f"w = w - rate * m / ({sqrt}(v) + {o.epsilon!r})",
            ]
        what = {"sgd": "stochastic gradient descent", "rmsprop": "RMSprop"}.get(o.name, "Adam")
        note = "; steps count from 1" if timed else ""
        inside = ": the rate stands inside the velocity" if "velocity" in slots else ""
        parameters = ", ".join(["w", "g", *slots, "rate", "step"])
        head = [f"def update({parameters}):", f'    """{what} as Keras has it{inside}{note}."""']
        head[1] = head[1].replace('"""s', '"""S')
        return [*head, *[f"    {line}" for line in lines], f"    return {', '.join(['w', *slots])}"]

    def rate(self, math: str = "math") -> list[str]:
        """The source of ``learning_rate(step)``; steps count from 0 over all epochs."""
        s: dict[str, Any] = dict(self.schedule.settings)
        initial = "LEARNING_RATE"
        body = {
            "constant": lambda: [f"return {initial}"],
            "step": lambda: [
                f"passed = sum(step > boundary for boundary in {tuple(s['boundaries'])!r})",
                f"return {initial} * {(1.0, *s['factors'])!r}[passed]",
            ],
            "exponential": lambda: [
                f"power = step {'//' if s.get('staircase') else '/'} {s['decay_steps']!r}",
                f"return {initial} * {s['decay_rate']!r} ** power",
            ],
            "inverse_time": lambda: [
                f"return {initial} / (1 + {s['decay_rate']!r} * step / {s['decay_steps']!r})"
            ],
            "cosine": lambda: self._cosine(s, initial),
            "warmup": lambda: [f"return {initial} * min(1.0, (step + 1) / {s['warmup_steps']!r})"],
        }[self.schedule.name]()
        what = f"{self.schedule.name.replace('_', ' ')} schedule"
        head = ["def learning_rate(step):", f'    """The {what}; steps count from 0 over all epochs."""']
        return [*head, *[f"    {line}" for line in body]]

    def _cosine(self, s: Mapping[str, Any], initial: str) -> list[str]:
        top, start, lines = initial, 0, []
        if s.get("warmup_target") is not None:
            top, start = repr(s["warmup_target"]), s.get("warmup_steps", 0)
            rise = f"({top} - {initial}) * step / {start}"
            if start:
                lines = [f"if step < {start}:", f"    return {initial} + {rise}"]
        alpha = s.get("alpha", 0.0)
        passed = f"step - {start}" if start else "step"
        return [
            *lines,
            f"done = min(max({passed}, 0), {s['decay_steps']!r}) / {s['decay_steps']!r}",
            f"return {top} * ({1 - alpha!r} * 0.5 * (1 + math.cos(math.pi * done)) + {alpha!r})",
        ]

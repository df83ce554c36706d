"""Settings as words of an expression, alike in all targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosstrain.graph.ops.shapes import axes_of
from crosstrain.source.view.step import Step

Form = Callable[[Step], str]
Template = str | Form


def operators(*, divide: str = "{0} / {1}") -> dict[str, str]:
    """What Python writes with an operator."""
    signs = {
        "add": "+", "subtract": "-", "multiply": "*", "power": "**", "mod": "%", "floor_divide": "//",
        "equal": "==",
        "not_equal": "!=", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=",
    }  # fmt: skip
    return {**{op: f"{{0}} {sign} {{1}}" for op, sign in signs.items()}, "divide": divide, "negative": "-{0}"}


def functions(module: str, names: str) -> dict[str, str]:
    """One-argument functions: ``name`` or ``op=name``, parted by blanks."""
    return {
        op: f"{module}.{name or op}({{all}})" for op, _, name in (n.partition("=") for n in names.split())
    }


def general(table: Mapping[str, Template]) -> dict[str, Template]:
    """By the kinds of steps."""
    return {f"op_{name}": template for name, template in table.items()}


def listed(values: Any) -> str:
    """Numbers as in ``f(1, 2)``."""
    return ", ".join(map(str, values))


def tupled(values: Any) -> str:
    """A tuple as source; one number stays one."""
    values = tuple(values)
    return f"({values[0]},)" if len(values) == 1 else f"({listed(values)})"


def axes(step: Step) -> tuple[int, ...] | None:
    """The axes of a reduction; None: all."""
    axis = step.settings.get("axis")
    return None if axis is None else axes_of(step.settings["ranks"][0], axis)


def axis_word(step: Step) -> str:
    """The axes of a reduction as an argument."""
    chosen = axes(step)
    if chosen is None:
        return "None"
    return str(chosen[0]) if len(chosen) == 1 else tupled(chosen)


def cuts(step: Step) -> str:
    """The slices of a ``slice`` op as in ``x[:, 1:]``."""
    s = step.settings
    words = []
    for start, stop, stride in zip(s["starts"], s["stops"], s["strides"], strict=True):
        ends = f"{'' if start in (None, 0) and stride > 0 else start}:{'' if stop is None else stop}"
        if start is None:
            ends = f":{'' if stop is None else stop}"
        words.append(ends if stride == 1 else f"{ends}:{stride}")
    lengths = s["lengths"]
    whole = [i for i, w in enumerate(words) if w not in (":", f":{lengths[i]}")]
    words = [":" if w == f":{lengths[i]}" else w for i, w in enumerate(words)]
    return ", ".join(words[: whole[-1] + 1]) if whole else ":"


def sections(step: Step) -> list[int]:
    """Where a split cuts."""
    ends, total = [], 0
    for size in step.settings["sizes"][:-1]:
        total += size
        ends.append(total)
    return ends


def even_parts(step: Step) -> bool:
    return len(set(step.settings["sizes"])) == 1


def inner(step: Step) -> str:
    """Windows of a channels-last operation: strides, padding or crop, dilation, groups."""
    s = step.settings
    words = [f"{key}={{{key}}}" for key in ("strides", "padding", "crop", "dilation") if key in s]
    if s.get("groups", 1) != 1:
        words.append("groups={groups}")
    return ", ".join(words)


def window(name: str) -> Form:
    """A call of a helper for convolutions."""
    return lambda step: f"{name}({{all}}, {inner(step)})"


def pad(module: str, spelled: Callable[[str], str] = str) -> Form:
    """NumPy's ``pad``, whose modes a framework may spell otherwise."""

    def form(step: Step) -> str:
        mode, value = step.settings.get("mode", "constant"), step.settings.get("value")
        words = (
            f', "{spelled(mode)}"' if mode != "constant" else f", constant_values={value!r}" if value else ""
        )
        return f"{module}.pad({{0}}, {{padding}}{words})"

    return form


def clip(module: str, both: str) -> Form:
    """Between two bounds by the function ``both``; with one of them, a maximum or minimum."""

    def form(step: Step) -> str:
        if step.settings["minimum"] is None:
            return f"{module}.minimum({{0}}, {{maximum}})"
        if step.settings["maximum"] is None:
            return f"{module}.maximum({{0}}, {{minimum}})"
        return f"{module}.{both}({{0}}, {{minimum}}, {{maximum}})"

    return form


def counted(value: Any) -> tuple[int, tuple[int, ...]] | None:
    """The number of whole numbers and their shape where a constant counts 0, 1, 2, …"""
    shape: list[int] = []
    flat = [value]
    while flat and all(isinstance(part, tuple) for part in flat):
        shape.append(len(flat[0]))
        flat = [n for part in flat for n in part]
    whole = shape and len(flat) > 2 and flat == list(range(len(flat)))
    return (len(flat), tuple(shape)) if whole else None

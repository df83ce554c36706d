"""What can be tried for an engine on a machine: its own options, threads, pinning, and its environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crosstrain.comparison.entrants import Division, Setup
from crosstrain.tuning.knobs import KEEP, joined, knobs

THREADS, PINNED = "threads", "pinned"

Choice = tuple[tuple[str, Any], ...]
"""What differs from the default: name and value of each setting, in the order of the space. Empty is the
default itself."""


@dataclass(frozen=True)
class Rule:
    """Where an engine's option is worth trying: on ``devices`` of this kind, for graphs with one of these
    ``ops``; ``never`` where it can only cost; ``but`` are values that on a CPU are the default under another
    name, or cannot help."""

    device: str = ""
    ops: frozenset[str] = frozenset()
    never: bool = False
    but: tuple[Any, ...] = ()


_RECURRENT = frozenset({"lstm", "gru", "simple_rnn"})
RULES: Mapping[str, Rule] = {
    "deterministic": Rule(never=True),  # only takes algorithms away
    "autotune": Rule(device="cuda"),
    "capture": Rule(device="cuda"),
    "data": Rule(device="cuda"),
    "arithmetic": Rule(but=("tf32", "float16")),
    "unroll": Rule(ops=_RECURRENT),
    "compile": Rule(but=("reduce-overhead", "fast_compile")),
    "flush_denormals": Rule(device="cpu"),
    "convolution": Rule(but=("cpu",)),
    "keras-jax.jit_compile": Rule(but=(True,)),
    "keras-tensorflow.jit_compile": Rule(but=(False,)),
    "keras-torch.jit_compile": Rule(but=(False,)),
}
"""By the option's name, or its engine's and its own. Options that are not here are tried wherever an engine
has them."""


COSTLY = frozenset({"compile", "jit_compile", "beam", "xla_clusters", "steps_at_once"})
"""Settings whose trials spend their time compiling."""


@dataclass(frozen=True)
class Dimension:
    """One setting: the values to try beside its default."""

    name: str
    help: str
    values: tuple[Any, ...]
    default: Any = KEEP
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    option: bool = False
    division: Division = "closed"


@dataclass(frozen=True)
class Space:
    """All settings of an engine; ``threads`` are those of its default."""

    engine: str
    threads: int
    dimensions: tuple[Dimension, ...]

    def singles(self) -> list[Choice]:
        """Every value alone, the settings taking turns so that the first of each comes first, those that
        take long to compile after the others."""
        ordered = sorted(self.dimensions, key=lambda d: d.name in COSTLY)
        columns = [[((d.name, value),) for value in d.values] for d in ordered]
        longest = max(map(len, columns), default=0)
        return [column[row] for row in range(longest) for column in columns if row < len(column)]

    def ordered(self, changes: Mapping[str, Any]) -> Choice:
        """Changes as a choice."""
        return tuple((d.name, changes[d.name]) for d in self.dimensions if d.name in changes)

    def setup(self, choice: Choice) -> Setup:
        """How a process is started with it."""
        changes = dict(choice)
        by_name = {d.name: d for d in self.dimensions}
        options = {name: value for name, value in choice if by_name[name].option}
        chosen = [by_name[name].variables[value] for name, value in choice if by_name[name].variables]
        return Setup(
            self.engine,
            options,
            changes.get(THREADS, self.threads),
            joined(chosen),
            changes.get(PINNED, False),
            "open" if any(by_name[name].division == "open" for name in changes) else "closed",
        )


def space_of(
    engine: str,
    options: Mapping[str, Mapping[str, Any]],
    *,
    device: str,
    threads: int,
    division: Division = "closed",
    ops: Iterable[str] = (),
) -> Space:
    """The space of an engine. ``options`` are those of its description; ``threads`` the most that it may
    have; ``ops`` are in the graph; ``division`` ``open`` adds what changes the arithmetic."""
    dimensions = [
        _option(name, each, device, _rule(engine, name))
        for name, each in options.items()
        if _applies(_rule(engine, name), device, set(ops))
    ]
    dimensions += [
        Dimension(knob.name, knob.help, tuple(knob.choices), variables=knob.choices, division=knob.division)
        for knob in knobs(engine, device)
    ]
    if device == "cpu" and threads > 1:
        numbers = tuple(n for n in _numbers(threads) if n != threads)
        dimensions.append(Dimension(THREADS, "threads of the framework", numbers, threads))
        dimensions.append(Dimension(PINNED, "threads kept on cores of their own", (True,), False))
    usable = [d for d in dimensions if d.values and (division == "open" or d.division == "closed")]
    return Space(engine, threads, tuple(usable))


def _rule(engine: str, option: str) -> Rule:
    return RULES.get(f"{engine}.{option}") or RULES.get(option) or Rule()


def _applies(rule: Rule, device: str, ops: set[str]) -> bool:
    return not rule.never and device.startswith(rule.device) and (not rule.ops or bool(rule.ops & ops))


def _option(name: str, option: Mapping[str, Any], device: str, rule: Rule) -> Dimension:
    but = rule.but if device == "cpu" else ()
    values = tuple(v for v in option["choices"] if v != option["default"] and v not in but)
    return Dimension(
        name, option["help"], values, option["default"], option=True, division=option["division"]
    )


def _numbers(threads: int) -> list[int]:
    """The numbers of threads to try, the largest first: all up to 4, else halves."""
    if threads <= 4:
        return list(range(threads, 0, -1))
    counts = [threads]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    return counts


def in_words(choice: Iterable[Any]) -> str:
    """``layout=channels_first, threads=1``; ``default`` where nothing differs."""
    return ", ".join(f"{name}={value}" for name, value in choice) or "default"

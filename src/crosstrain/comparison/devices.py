"""Where a comparison runs: the device that its engines share, and why an engine does not have one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from crosstrain.engines.registry import EngineRow, engine_of
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.cuda import has_cuda_build
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError
from crosstrain.runs.descriptions import describe
from crosstrain.system import gpus
from crosstrain.system.gpus import Gpus, index_of
from crosstrain.training.spelling import listed

AUTO = "auto"
"""As a device: the first GPU that all engines share, else the processor. Apple's is taken only where it is
named: it has no float64, so that proofs would lack it."""


class _Settings(Protocol):
    """As much of a comparison's settings as is asked here."""

    @property
    def engines(self) -> tuple[str, ...]: ...

    @property
    def device(self) -> str: ...


S = TypeVar("S", bound=_Settings)


@dataclass(frozen=True)
class Choice:
    """A device, and a sentence why it is that one; "" where there was nothing to choose."""

    device: str
    note: str = ""


def settled(settings: S, tell: Callable[[str], None]) -> S:
    """The settings with an actual device in place of ``auto``; ``tell`` is called with the choice.

    ``CrosstrainError`` for a device that none of the engines has on this machine, in one sentence.
    """
    if settings.device == AUTO:
        choice = choose(settings.engines)
        if choice.note:
            tell(choice.note)
        changed: Any = replace(cast(Any, settings), device=choice.device)
        return cast(S, changed)
    if settings.device != "cpu":
        descriptions = described(settings.engines)
        reasons = {
            n: lacking(n, settings.device, description, gpus.gpus())
            for n, description in descriptions.items()
        }
        if reasons and all(reasons.values()):
            raise CrosstrainError("; ".join(dict.fromkeys(reasons.values())))
    return settings


def choose(engines: Sequence[str]) -> Choice:
    """The device for ``auto``. On a machine without a GPU no engine is asked."""
    if not gpus.may_exist():
        return Choice("cpu")
    descriptions, visible = described(engines), gpus.gpus()
    having = {
        name: [d for d in description["devices"] if index_of(d) is not None]
        for name, description in descriptions.items()
    }
    able = [name for name, devices in having.items() if devices]
    if not able:
        if not visible.cards or not descriptions:
            return Choice("cpu")
        why = "; ".join(
            dict.fromkeys(
                lacking(n, "cuda:0", description, visible) for n, description in descriptions.items()
            )
        )
        return Choice("cpu", f"Device: cpu, although there is {named('cuda:0', visible)}: {why}.")
    shared = [device for device in having[able[0]] if all(device in each for each in having.values())]
    if shared:
        who = f", which {listed(able)} share" if len(able) > 1 else ""
        return Choice(shared[0], f"Device: {named(shared[0], visible)}{who}.")
    first = having[able[0]][0]
    without = [
        lacking(name, first, description, visible)
        for name, description in descriptions.items()
        if first not in having[name]
    ]
    others = listed([name for name in able if first in having[name]])
    return Choice(
        "cpu",
        f"Device: cpu, which all engines share: {'; '.join(dict.fromkeys(without))} "
        f"(--device {first} compares {others} on {named(first, visible)}).",
    )


def described(engines: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The descriptions of those engines that are installed and work, by their own names."""
    rows = engine_rows()
    descriptions: dict[str, Mapping[str, Any]] = {}
    for name in dict.fromkeys(engine_of(each) for each in engines):
        here = find(rows[name])
        if here and (description := describe(rows[name], here))["status"] == "ready":
            descriptions[name] = description
    return descriptions


def lacking(name: str, device: str, description: Mapping[str, Any], visible: Gpus) -> str:
    """Why an engine does not have a device, in a sentence; "" where it has it.

    ``description`` is the engine's own, ``visible`` the GPUs that the driver shows.
    """
    if device in description["devices"]:
        return ""
    front = f"{name} has no device {device!r} here"
    index = index_of(device)
    if index is None:
        return f"{front}; it has {listed(description['devices'])}"
    if reason := _of_the_build(engine_of(name), description, visible):
        return f"{front}: {reason}"
    if not visible.cards:
        return f"{front}: there is no GPU ({visible.reason})"
    if index >= len(visible.cards):
        there = listed([named(f"cuda:{number}", visible) for number in range(len(visible.cards))])
        return f"{front}: there is only {there}" if len(visible.cards) == 1 else f"{front}: there are {there}"
    devices = listed(description["devices"])
    return f"{front}: the framework finds only {devices}; see crosstrain engines doctor {name}"


def _of_the_build(name: str, description: Mapping[str, Any], visible: Gpus) -> str:
    """What in the framework's build keeps it from using the GPUs here; "" where nothing does."""
    if not visible.cards:
        return ""
    row: EngineRow = engine_rows()[name]
    build = description.get("cuda")
    remedy = f"; crosstrain engines install --cuda {name} makes an environment with it"
    if build == "":
        return f"{name} {description['version']} is built without CUDA{remedy if has_cuda_build(row) else ''}"
    major = str(build or "").partition(".")[0]
    if major.isdigit() and visible.cuda and int(major) > visible.cuda[0]:
        able = ".".join(map(str, visible.cuda))
        return (
            f"{name} {description['version']} is built with CUDA {build}, and the driver {visible.driver} "
            f"runs CUDA {able} at most; a newer driver helps"
        )
    return ""


def named(device: str, visible: Gpus) -> str:
    """A device with its card's name and memory, where these are known."""
    index = index_of(device)
    if index is None or index >= len(visible.cards):
        return device
    card = visible.cards[index]
    size = f", {card.memory_bytes / 2**30:.0f} GiB" if card.memory_bytes else ""
    return f"{device} ({card.name}{size})"

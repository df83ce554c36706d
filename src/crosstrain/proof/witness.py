"""One engine as a witness: asked again and again about cases, each time in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crosstrain.proof.arrays import Arrays, read_arrays
from crosstrain.proof.case import Case
from crosstrain.proof.locating.forward import EngineSilentError, Testify
from crosstrain.proof.truths.gather import saved

OnEvent = Callable[[dict[str, Any]], None]


class Setting(Protocol):
    """Where and how engines are asked."""

    folder: Path
    device: str
    threads: int | None
    timeout: float | None
    on_event: OnEvent | None

    arithmetic: dict[tuple[str, str], str]
    """What ran, as the worker says, by engine and precision."""

    @property
    def launch(self) -> Callable[..., Any]: ...


def beginning(engine: str, device: str, threads: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the job of an engine's evidence begins with, whatever the case."""
    return {
        "task": "evidence", "engine": engine, "device": device, "threads": threads, "options": dict(options),
    }  # fmt: skip


class Cannot(Exception):  # noqa: N818  (a status, not an error of ours)
    """There is no certificate; the message says why."""


@dataclass(frozen=True)
class Witness:
    """One engine, asked again and again, each time in a process of its own."""

    setting: Setting
    engine: str
    options: Mapping[str, Any]

    def hear(
        self, case: Case, measure: str, precisions: Sequence[str], states: Path | None = None
    ) -> dict[str, Arrays | Cannot]:
        """What the engine says of a case in each precision, or why it says nothing. ``states`` are the
        truth's, for the steps."""
        setting = self.setting
        folder = saved(case, setting.folder)
        with tempfile.TemporaryDirectory(prefix=f"{self.engine}-", dir=folder) as out:
            job = {
                **beginning(self.engine, setting.device, setting.threads, self.options),
                "id": f"evidence-{self.engine}-{measure}",
                "precisions": list(precisions),
                "case": str(folder),
                "measure": measure,
                "states": states and str(states),
                "out": out,
            }
            outcome = setting.launch(
                job, folder=setting.folder / "logs", timeout=setting.timeout, on_event=setting.on_event
            )
            if outcome.status != "done" or outcome.result is None:
                why = (
                    str(outcome.error) if outcome.status == "cannot" else f"{outcome.status}: {outcome.error}"
                )
                return dict.fromkeys(precisions, Cannot(why))
            errors = outcome.result["errors"]
            ran = outcome.result.get("arithmetic") or {}
            setting.arithmetic.update({(self.engine, p): words for p, words in ran.items()})
            return {
                p: Cannot(errors[p]) if errors[p] else read_arrays(Path(out) / f"{p}.npz") for p in precisions
            }

    def testify(self, precision: str) -> Testify:
        """``hear`` for one precision, raising ``EngineSilentError`` where the engine has no evidence."""

        def ask(case: Case, measure: str) -> Arrays:
            evidence = self.hear(case, measure, [precision])[precision]
            if isinstance(evidence, Cannot):
                raise EngineSilentError(str(evidence))
            return evidence

        return ask

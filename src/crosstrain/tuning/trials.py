"""Trials of one engine: a fresh process each, within the time that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Subject
from crosstrain.runs.process import run_job
from crosstrain.statistics import ratios as statistics
from crosstrain.tuning.profiles import Trial
from crosstrain.tuning.search import CONFIRMING, DEFAULT, MOST_CONFIRMING
from crosstrain.tuning.space import Choice, Space, in_words

CONFIRMING_ROUND = 2
"""The confirming run measures as long as a trial of this round."""

SHARE = 0.3
"""Of what is left of the budget, one trial may take at most this: some compilers take minutes."""


RESERVED = 4
"""Processes of each side for which time is kept: a fourth makes the interval much narrower than three."""


@dataclass
class Bench:
    """Measures candidates. ``seconds`` is how long a trial of round 0 measures, ``budget`` the time for the
    engine; the clock starts when this is made."""

    settings: Settings
    subject: Subject
    space: Space
    logs: Path
    tell: Callable[[str], None]
    seconds: float
    budget: float
    now: Callable[[], float] = time.monotonic
    trials: list[Trial] = field(default_factory=list)
    confirming: bool = False

    def __post_init__(self) -> None:
        self.started = self.now()
        self._wall: dict[Choice, float] = {}
        self._best: tuple[float, Choice] | None = None

    @property
    def spent(self) -> float:
        return self.now() - self.started

    def measure(self, choice: Choice, number: int) -> list[float] | None:
        """Seconds an epoch, a few samples, of one process that measures for 2ⁿ times ``seconds``."""
        self.tell(self._words(choice))
        outcome = run_job(
            self._job(choice, number),
            folder=self.logs,
            timeout=self._timeout(choice),
            memory_limit=self.settings.memory_limit,
        )
        result: Mapping[str, Any] = outcome.result or {}
        samples = [float(s) for s in result.get("samples", ())]
        middle = statistics.median([samples]) if samples else None
        self.trials.append(
            Trial(
                settings=dict(choice), round=None if self.confirming else number,
                seconds=middle.value if middle else None, samples=samples,
                compile_seconds=result.get("compile_seconds"), wall_seconds=outcome.seconds,
                error=outcome.error,
            )
        )  # fmt: skip
        if middle is None:
            return None
        # What a longer trial would have taken, without its measuring.
        self._wall[choice] = outcome.seconds - result.get("train_seconds", 0.0)
        if self._best is None or middle.value < self._best[0]:
            self._best = middle.value, choice
        return samples

    def has_time(self) -> bool:
        """Whether there is time for one more trial and the confirming run."""
        usual = median([trial.wall_seconds for trial in self.trials]) if self.trials else 0.0
        # Half of the budget is for searching in any case, even where the confirming run then takes longer.
        reserved = min(self._pair() * RESERVED, self.budget / 2)
        return self.spent + usual + reserved <= self.budget

    def processes(self) -> int:
        """Of each side in the confirming run: as many as there is time for."""
        fit = int((self.budget - self.spent) / max(self._pair(), 1e-9))
        return min(max(fit, CONFIRMING), MOST_CONFIRMING)

    def _pair(self) -> float:
        """What a process of the default and one of the fastest so far take in the confirming run."""
        measuring: float = self.seconds * 2**CONFIRMING_ROUND
        default: float = self._wall.get(DEFAULT, 0.0)
        best: float = self._wall.get(self._best[1], default) if self._best else default
        return default + best + 2 * measuring

    def _timeout(self, choice: Choice) -> float | None:
        """The default and the confirming run take the time that they need."""
        limits = [self.settings.timeout] if self.settings.timeout else []
        if choice != DEFAULT and not self.confirming:
            usual = self._wall.get(DEFAULT, 0.0) + self.seconds * 2
            limits.append(max(SHARE * (self.budget - self.spent), 2 * usual))
        return min(limits, default=None)

    def _job(self, choice: Choice, number: int) -> dict[str, Any]:
        settings = self.settings
        definition = self.subject.definitions[settings.recipe.seed]
        return {
            "task": "trial", "id": f"{self.space.engine}-{len(self.trials)}",
            **self.space.setup(choice).job(),
            "device": settings.device, "precision": settings.precision,
            "network_folder": str(definition.folder.resolve()), "data_folder": str(self.subject.data.folder),
            "recipe": settings.recipe.to_json(), "seconds": self.seconds * 2**number,
        }  # fmt: skip

    def _words(self, choice: Choice) -> str:
        what = "confirming" if self.confirming else "trial"
        seconds = max(self.budget - self.spent, 0.0)
        return (
            f"{self.space.engine}: {what} {len(self.trials) + 1}, {in_words(choice)} ({seconds:.0f} s left)"
        )

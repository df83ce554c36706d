"""Looks for the best settings of a training on one engine, with Optuna, before all engines are compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain.comparison import training
from crosstrain.comparison.progress.watch import Watch
from crosstrain.comparison.settings import RUNS, Settings, settings
from crosstrain.comparison.subjects import fingerprint
from crosstrain.engines.registry import engine_of
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import CellResult, SearchResult, SearchTrial
from crosstrain.system.files import slug, write_json
from crosstrain.training import spelling
from crosstrain.training.tasks import task_of, value_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

WHOLE = ("batch_size", "accumulate")
NUMBERS = ("learning_rate", "momentum", "weight_decay", "label_smoothing", "clip_norm", "ema", *WHOLE)
WORDS = ("optimizer", "schedule", "augment", "recipe", "class_weight", "kernel_initializer")


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``; a search draws their logarithms where they span a factor of ten."""

    low: float
    high: float
    whole: bool = False

    @property
    def logarithmic(self) -> bool:
        return self.low > 0 and self.high >= 10 * self.low

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.logarithmic)
        return FloatDistribution(self.low, self.high, log=self.logarithmic)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def __str__(self) -> str:
        return "|".join(map(str, self.values))


Space = Mapping[str, Range | Choice]


def space(texts: str | Sequence[str] | None) -> dict[str, Range | Choice]:
    """The space of a search from its spelling: ``learning-rate=1e-4..1e-1``, ``optimizer=sgd|adam``."""
    by_name: dict[str, Range | Choice] = {}
    for text in [texts] if isinstance(texts, str) else list(texts or ()):
        key, equals, spelled = text.partition("=")
        name = key.strip().removeprefix("--").replace("-", "_")
        if not equals or not spelled.strip():
            raise CrosstrainError(
                f"{text!r} is no search; write learning-rate=1e-4..1e-1 or optimizer=sgd|adam"
            )
        if name not in (*NUMBERS, *WORDS):
            known = ", ".join(each.replace("_", "-") for each in (*NUMBERS, *WORDS))
            raise CrosstrainError(f"a search does not change {key.strip()!r}; it changes {known}")
        if name in by_name:
            raise CrosstrainError(f"{key.strip()!r} is searched twice")
        by_name[name] = _range(name, spelled.strip())
    return by_name


def _range(name: str, spelled: str) -> Range | Choice:
    if name in WORDS:
        return Choice(tuple(part.strip() for part in spelled.split("|")))
    low_text, dots, high_text = spelled.partition("..")
    if not dots:
        return Choice(tuple(_number(name, part) for part in spelled.split("|")))
    low, high = _number(name, low_text), _number(name, high_text)
    if low >= high:
        raise CrosstrainError(f"the range {spelled} of {_word(name)} is empty: give LOW..HIGH")
    return Range(low, high, name in WHOLE)


def _number(name: str, text: str) -> float:
    number = spelling.value(text.strip())
    if (
        not spelling.is_number(number)
        or isinstance(number, bool)
        or (name in WHOLE and number != int(number))
    ):
        kind = "a whole number" if name in WHOLE else "a number"
        raise CrosstrainError(f"{text!r} in the search of {_word(name)} is not {kind}")
    return int(number) if name in WHOLE else float(number)


def search(
    names: Sequence[str],
    data: str,
    arguments: Mapping[str, Any],
    space: Space,
    trials: int,
    request: Settings,
    out: Path | None,
    watch: Watch,
) -> SearchResult:
    """Train ``trials`` times on the first engine of ``request`` and take the values whose best epoch
    validated best; the test part decides nothing. ``arguments`` are those of ``compare``. The trials lie in a
    folder beside ``out``; the same search again takes up those that are there. ``CrosstrainError`` where no
    trial ended well, and for wrong use."""
    if trials < 1:
        raise CrosstrainError(f"a search needs at least 1 trial, not {trials}")
    if len(request.subjects()) > 1:
        raise CrosstrainError(
            "a search takes one network at one input size; compare several by what it finds"
        )
    try:
        import optuna
    except ImportError as error:
        raise CrosstrainError(
            "--search needs Optuna; install it: pip install 'crosstrain[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    engine, folder = engine_of(request.engines[0]), _folder(request, space, trials, out)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=request.recipe.seed)
    )
    distributions = {name: each.distribution() for name, each in space.items()}
    tried: list[SearchTrial] = []
    measure = ""
    for number in range(trials):
        trial = study.ask(distributions)
        watch.stage(f"Trial {number + 1} of {trials} on {engine}: {_words(trial.params)}")
        result = _trained(names, data, {**arguments, **trial.params}, engine, folder / f"trial-{number:03}")
        name, score = _score(result) or ("", None)
        measure = measure or name
        study.tell(trial, score, optuna.trial.TrialState.FAIL if score is None else None)
        tried.append(
            SearchTrial(
                values=trial.params,
                state="diverged" if result.diverged else result.status,
                score=score,
                seconds=result.wall_seconds,
                error=result.error or result.diverged,
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        spelled = {name: str(each) for name, each in space.items()}
        write_json(
            folder / "search.json", {"space": spelled, "trials": [each.model_dump() for each in tried]}
        )
    scores = {number: each.score for number, each in enumerate(tried) if each.score is not None}
    if not scores:
        raise CrosstrainError(f"no trial of the search ended well: {tried[0].error} ({folder})")
    best = max(scores, key=lambda number: scores[number])
    return SearchResult(
        engine=engine, space=spelled, measure=measure, trials=tried, best=best, folder=str(folder)
    )


def remark(search: SearchResult) -> str:
    """A sentence on what was searched, and what was best."""
    searched = ", ".join(f"{_word(name)} in {each}" for name, each in search.space.items())
    best = search.best_trial
    return (
        f"Searched {searched} in {len(search.trials)} trials on {search.engine}: {_words(best.values)} "
        f"validated best ({best.score:.4g}; all trials are in {search.folder})."
    )


def _trained(
    names: Sequence[str], data: str, arguments: Mapping[str, Any], engine: str, folder: Path
) -> CellResult:
    """One trial: a training, in its own folder."""
    alone = {"engines": engine, "seeds": 1, "repeats": None, "budget": None, "repeats_until": None,
             "criteria": False, "prefer": None, "require": None, "tuned": False}  # fmt: skip
    options = spelling.by_engine(arguments.get("options"))
    own = {name: each for name, each in options.items() if name == engine}
    request = settings(list(names), data, **{**arguments, **alone, "options": own})
    return training.train(request, folder).result


def _score(result: CellResult) -> tuple[str, float] | None:
    """The best epoch's main metric on the validation part, or else minus its loss, and what it is called;
    None where the trial did not end well."""
    if result.status != "done" or result.diverged or not result.epochs:
        return None
    validated = [
        {
            k.removeprefix("validation_"): v
            for k, v in epoch.model_dump().items()
            if k.startswith("validation_")
        }
        for epoch in result.epochs
    ]
    metrics = [
        (value_of(each, task.metric), f"validation {task.title}")
        for each in validated
        if (task := task_of(each))
    ]
    losses = [e.validation_loss for e in result.epochs if e.validation_loss is not None]
    if not metrics and not losses:
        raise CrosstrainError("a search needs a validation part, and the data has none")
    value, title = max(metrics) if metrics else (-min(losses), "minus the validation loss")
    return title, value


def _folder(request: Settings, space: Space, trials: int, out: Path | None) -> Path:
    if out:
        return out.with_name(f"{out.name}-search")
    identity = {**request.identity(), "space": {name: str(each) for name, each in space.items()}}
    return RUNS / f"search-{slug(request.networks[0])}-{fingerprint(json.loads(json.dumps(identity)))[:8]}"


def _words(values: Mapping[str, Any]) -> str:
    shown: Callable[[Any], str] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    return ", ".join(f"{_word(name)} {shown(value)}" for name, value in values.items())


def _word(name: str) -> str:
    return name.replace("_", "-")

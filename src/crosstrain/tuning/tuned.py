"""Tuned engines in a comparison: which take part, and what the comparison itself measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosstrain.comparison.engines import division_of
from crosstrain.comparison.entrants import TUNED, Setup
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Subject
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import Row, size_text
from crosstrain.runs.descriptions import describe
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval
from crosstrain.system.machine import usable_cores
from crosstrain.tuning import profiles
from crosstrain.tuning.profiles import Profile

Key = tuple[str, str]
"""Network and input size (as text)."""


@dataclass
class Tuned:
    """The tuned entrants' setups, and the engines' profiles, for each network and size; ``notes`` say who has
    none."""

    setups: dict[Key, dict[str, Setup]] = field(default_factory=dict)
    profiles: dict[Key, dict[str, Profile]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def tuned(settings: Settings, subjects: Mapping[Key, Subject], engines: list[str]) -> Tuned:
    """What the profiles of these engines amount to. Where tuning has kept the default, none takes part: it
    would be the engine itself once more."""
    tuned = Tuned()
    options: dict[str, Mapping[str, Any]] = {}
    for key, subject in subjects.items():
        without = []
        for engine in engines:
            stored = profiles.find(engine, subject.network, profiles.key_of(settings, subject))
            profile, why_not = stored.profile, stored.why_not
            if profile and not why_not:
                why_not = _outdated(profile, options)
            if why_not:
                tuned.notes.append(why_not[0].upper() + why_not[1:] + ".")
            if profile is None or why_not:
                without.append(engine)
                continue
            tuned.profiles.setdefault(key, {})[engine] = profile
            if profile.status == "tuned":
                tuned.setups.setdefault(key, {})[f"{engine}@{TUNED}"] = profile.setup
        if without:
            tuned.notes.append(_without(settings, subject, without))
    return tuned


def _outdated(profile: Profile, options: dict[str, Mapping[str, Any]]) -> str:
    """Why a profile's options are not the engine's any more; empty where they are."""
    if not profile.options:
        return ""
    engine = profile.engine
    if engine not in options:
        row = engine_row(engine)
        environment = find(row)
        options[engine] = describe(row, environment).get("options", {}) if environment else {}
    try:
        division = division_of(engine, profile.options, options[engine])
    except CrosstrainError as error:
        return f"the profile of {engine} for {profile.network} is not used: {error}"
    if division == "open":
        return f"the profile of {engine} for {profile.network} is not used: it changes the arithmetic"
    return ""


def _without(settings: Settings, subject: Subject, engines: list[str]) -> str:
    arguments = {
        "size": subject.size if isinstance(subject.size, int) else None,
        "batch-size": None if (batch := settings.recipe.batch_size) == 64 else batch,
        "device": None if settings.device == "cpu" else settings.device,
        "precision": None if settings.precision == "float32" else settings.precision,
        "threads": None if settings.threads == usable_cores() else settings.threads,
    }
    more = "".join(f" --{name} {value}" for name, value in arguments.items() if value is not None)
    names = ",".join(engines)
    return (
        f"{names.replace(',', ', ')} {'has' if len(engines) == 1 else 'have'} no profile for {subject} with "
        f"batches of {batch} on this machine; make one with: "
        f"crosstrain tune {subject.network} --data {settings.data}{more} --engine {names}"
    )


def compared(profiles_by_key: Mapping[Key, Mapping[str, Profile]], rows: list[Row]) -> list[dict[str, Any]]:
    """The comparison's ``tuning``: for each engine with a profile its default's seconds an epoch, the tuned
    ones', and the factor, from the comparison's own cells. Where tuning kept the default, ``tuned`` is the
    default, the factor 1, and ``kept_default`` true."""
    by_group = {(row.network, size_text(row.input_size), row.engine): row for row in rows}
    comparisons = []
    for (network, size), each in profiles_by_key.items():
        for engine, profile in each.items():
            default = by_group.get((network, size, engine))
            if default is None or default.seconds is None:
                continue
            row = {"network": network, "input_size": default.input_size, "engine": engine,
                   "default": default.seconds.to_json(), "changes": profile.changes,
                   **profile.setup.to_json(), "kept_default": profile.status != TUNED}  # fmt: skip
            tuned_row = by_group.get((network, size, f"{engine}@{TUNED}"))
            if profile.status != TUNED:
                one = Interval(1.0, 1.0, 1.0, 0, "range")
                comparisons.append({**row, "tuned": row["default"], "factor": one.to_json()})
            elif tuned_row and tuned_row.seconds:
                factor = statistics.ratio(default.runs, tuned_row.runs)
                comparisons.append(
                    {**row, "tuned": tuned_row.seconds.to_json(), "factor": factor and factor.to_json()}
                )
    return comparisons

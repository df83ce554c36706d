"""What tuning found, kept in crosstrain's cache: one profile for each machine, engine and training."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crosstrain.comparison.entrants import Division, Setup
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Subject, fingerprint
from crosstrain.environments.versions import versions_of
from crosstrain.results.schema import Size
from crosstrain.statistics.ratios import Interval
from crosstrain.system.files import slug, write_json
from crosstrain.system.machine import processor, usable_cores
from crosstrain.system.places import cache_root

FORMAT = 1

Outcome = Literal["tuned", "default", "failed"]


class Trial(BaseModel):
    """One process of the search. ``seconds`` is an epoch's, the median of its ``samples``; ``round`` counts
    from 0 and is None for the confirming run."""

    model_config = ConfigDict(extra="ignore")

    settings: dict[str, Any]
    round: int | None = None
    seconds: float | None = None
    samples: list[float] = Field(default_factory=list)
    compile_seconds: float | None = None
    wall_seconds: float = 0.0
    error: str | None = None


class Profile(BaseModel):
    """What tuning one engine for one training came to.

    ``status``: ``tuned``, ``default`` where nothing was clearly faster, ``failed`` where the default itself
    could not be measured (``error`` says why; it is not kept). ``changes`` are by the names that the search
    has for them, ``options``, ``threads``, ``environment`` and ``pinned`` what they amount to. ``default``,
    ``tuned`` (seconds an epoch, of what was tried last) and ``factor`` are intervals of the confirming run,
    None where there was none.
    """

    model_config = ConfigDict(extra="ignore")

    format: int = FORMAT
    crosstrain: str
    engine: str
    engine_version: str | None
    network: str
    input_size: Size = None
    key: dict[str, Any]
    status: Outcome
    error: str | None = None
    division: Division = "closed"
    changes: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    threads: int
    environment: dict[str, str] = Field(default_factory=dict)
    pinned: bool = False
    default: dict[str, Any] | None = None
    tuned: dict[str, Any] | None = None
    factor: dict[str, Any] | None = None
    compile_seconds: float | None = None
    examples: int = 0
    seconds: float = 0.0
    made: str = ""
    trials: list[Trial] = Field(default_factory=list)

    @property
    def setup(self) -> Setup:
        return Setup(self.engine, self.options, self.threads, self.environment, self.pinned, self.division)

    def interval(self, name: Literal["default", "tuned", "factor"]) -> Interval | None:
        """One of the intervals."""
        interval: Mapping[str, Any] | None = getattr(self, name)
        return None if interval is None else Interval(**interval)


@dataclass(frozen=True)
class Lookup:
    """A profile that fits, or a sentence why there is none (empty where there never was one)."""

    profile: Profile | None
    why_not: str = ""


def root() -> Path:
    """The folder of all profiles. It need not exist yet."""
    return cache_root() / "profiles"


def key_of(settings: Settings, subject: Subject, division: Division = "closed") -> dict[str, Any]:
    """What a profile depends on besides its engine's version."""
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "graph": subject.definitions[settings.recipe.seed].graph.hash,
        "input_size": subject.size,
        "batch_size": settings.recipe.batch_size,
        "device": settings.device,
        "precision": settings.precision,
        "threads": settings.threads,
        "division": division,
    }


def path_of(engine: str, network: str, key: Mapping[str, Any]) -> Path:
    """The file of a profile. The network's name in it is for people; the key decides."""
    return root() / f"{engine}-{slug(network)}-{fingerprint(dict(key))}.json"


def find(engine: str, network: str, key: Mapping[str, Any]) -> Lookup:
    """The profile of an engine for a key, where it is whole and of the installed version."""
    path = path_of(engine, network, key)
    try:
        profile = Profile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Lookup(None)
    except (OSError, ValidationError, ValueError):
        return Lookup(None, f"the profile {path} is damaged and is not used")
    if profile.format != FORMAT or profile.engine != engine or profile.key != json.loads(json.dumps(key)):
        return Lookup(None, f"the profile {path} is of something else and is not used")
    installed = versions_of([engine])[engine]
    if profile.engine_version != installed:
        return Lookup(
            None, f"the profile of {engine} is of version {profile.engine_version}, installed is {installed}"
        )
    if not all(re.fullmatch(r"[A-Z][A-Z0-9_a-z]*", name) for name in profile.environment):
        return Lookup(None, f"the profile {path} is damaged and is not used")
    return Lookup(profile)


def keep(profile: Profile) -> Path:
    """Write a profile in the place of the one before; its path."""
    path = path_of(profile.engine, profile.network, profile.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, profile.model_dump())
    return path

"""The plan of a study: a TOML file, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from crosstrain.advice import preferences as prefer
from crosstrain.comparison.devices import AUTO
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

STUDIES = Path(__file__).parent
"""The plans that come with crosstrain."""

GPU = "gpu"
"""As a device: the first GPU that an engine finds."""


def _checked(check: Any) -> AfterValidator:
    """A validator that lets a text pass which ``check`` can read."""

    def validate(text: Any) -> Any:
        try:
            check(text)
        except CrosstrainError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(validate)


Duration = Annotated[str, _checked(spelling.seconds)]
Share = Annotated[str, _checked(spelling.share)]
Networks = Annotated[list[str], Field(min_length=1), _checked(spelling.networks)]
Preference = Annotated[str, _checked(prefer.weights)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Strict):
    """The training data. ``form`` describes what ``--data`` must be; ``default`` is used without it."""

    default: str = ""
    form: str = ""
    prepare: str = ""
    split: str = ""
    limit: Count | None = None


class Recipe(_Strict):
    """How is trained, as the options of the command line of the same names; ``recipe`` names a paper's, of
    which the others override parts."""

    recipe: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = Field(default=None, gt=0)
    momentum: float | None = None
    weight_decay: float | None = None
    batch_size: Count | None = None
    schedule: str | None = None
    augment: Annotated[str | None, _checked(spelling.augmentation)] = None
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    class_weight: Annotated[str | None, _checked(spelling.class_weight)] = None
    early_stopping: Count | None = None
    kernel_initializer: Annotated[str | None, _checked(spelling.initializer)] = None
    clip_norm: float | None = Field(default=None, gt=0)
    ema: float | None = Field(default=None, ge=0, le=1)
    accumulate: Count | None = None
    precision: Literal["float32", "float64"] = "float32"


class _Amount(_Strict):
    """How much is trained: epochs and repeats, in how much time, on which examples. ``prepare``, ``split``
    and ``limit`` are the data's where they are not given; ``budget`` is for each part."""

    about: str = ""
    epochs: Count | None = None
    seeds: Count | None = None
    repeats: Count | None = None
    budget: Duration | None = None
    repeats_until: Share | None = None
    prepare: str | None = None
    split: str | None = None
    limit: Count | None = None
    criteria: bool | None = None
    tuned: bool | None = None
    twins: Annotated[int | None, Field(ge=0)] = None
    prefer: Preference | None = None


class Part(_Amount):
    """One comparison on one device. ``networks``, and how much is trained, are the scale's where the part
    does not say."""

    name: Name
    engines: Annotated[list[str], Field(min_length=1)]
    device: str = AUTO
    networks: Networks | None = None
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Scale(_Amount):
    """How much of it: which parts and networks, and how much is trained."""

    networks: Networks
    parts: list[str] | None = None

    def amount(self, part: Part) -> _Amount:
        """How much is trained in ``part``: what it says itself, else what the scale says."""
        names = _Amount.model_fields
        own = {name: value for name in names if (value := getattr(part, name)) is not None}
        return _Amount(**{**{name: getattr(self, name) for name in names}, **own})


class Change(_Strict):
    """What one change did to an engine, published as seconds an epoch before and after."""

    what: Literal["tuning", "repeatability"]
    engine: str
    by: str
    before: float = Field(gt=0)
    after: float = Field(gt=0)

    @property
    def factor(self) -> float:
        """How many times faster tuning made it; how many times longer repeatability takes."""
        return self.before / self.after if self.what == "tuning" else self.after / self.before


class Time(_Strict):
    """A published measurement: seconds an epoch and accuracy (0 to 1), either may be unknown."""

    network: str
    engine: str
    size: Count | None = None
    device: str = "cpu"
    seconds: float | None = Field(default=None, gt=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)


class Published(_Strict):
    changes: list[Change] = Field(default_factory=list)
    times: list[Time] = Field(default_factory=list)


class _Further(_Strict):
    """A file of published figures alone."""

    published: Published


class Plan(_Strict):
    """A whole study. ``prefer`` are the weights of its recommendation."""

    title: str
    question: str = ""
    original: str = ""
    prefer: Preference = ""
    data: Data = Data()
    recipe: Recipe = Recipe()
    parts: Annotated[list[Part], Field(min_length=1)]
    scales: Annotated[dict[Name, Scale], Field(min_length=1)]
    published: Published = Published()

    @model_validator(mode="after")
    def _names_agree(self) -> Plan:
        names = [part.name for part in self.parts]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two parts are called {name}")
        for key, scale in self.scales.items():
            for wanted in scale.parts or ():
                if wanted not in names:
                    raise ValueError(f"scales.{key}.parts names {wanted!r}; there are {', '.join(names)}")
        for time in self.published.times:
            if time.network not in self.networks:
                raise ValueError(
                    f"published.times has the network {time.network}, which the study lacks; it has "
                    f"{', '.join(self.networks)}"
                )
        return self

    @property
    def networks(self) -> list[str]:
        """The networks of all scales and parts, without their sizes."""
        spelled = [*(each.networks for each in self.scales.values()), *(each.networks for each in self.parts)]
        names = [name for each in spelled for name in spelling.networks(each or [])[0]]
        return list(dict.fromkeys(name.rpartition("@")[0] or name for name in names))

    def scale(self, name: str | None) -> tuple[str, Scale]:
        """The scale of that name, or the first; ``CrosstrainError`` names those there are."""
        wanted = name or next(iter(self.scales))
        if wanted not in self.scales:
            raise CrosstrainError(f"the study has no scale {wanted!r}; it has {', '.join(self.scales)}")
        return wanted, self.scales[wanted]

    def parts_of(self, scale: Scale) -> list[Part]:
        return [part for part in self.parts if scale.parts is None or part.name in scale.parts]


def studies() -> dict[str, Path]:
    """The plans that come with crosstrain, by name."""
    return {path.stem: path for path in sorted(STUDIES.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of a plan: a study that comes with crosstrain, or the user's own file."""
    if name in studies():
        return studies()[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise CrosstrainError(
            f"there is no study {name!r}; there are {', '.join(studies())}, or give your own plan.toml"
        )
    if not path.is_file():
        raise CrosstrainError(f"there is no file {name}")
    return path


def read(path: Path) -> Plan:
    """The plan in a file. ``CrosstrainError`` names the file and the first key that is wrong."""
    with _explained(path):
        return Plan.model_validate(_toml(path))


def with_published(plan: Plan, path: Path) -> Plan:
    """The plan with the published figures of a further file beside its own. ``CrosstrainError`` names the
    file and the first key that is wrong, or a network that the plan lacks."""
    with _explained(path):
        more = _Further.model_validate(_toml(path)).published
        both = {
            key: [each.model_dump() for of in (plan.published, more) for each in getattr(of, key)]
            for key in Published.model_fields
        }
        return Plan.model_validate({**plan.model_dump(), "published": both})


def _toml(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what is wrong with the file, where something is, as ``CrosstrainError``."""
    try:
        yield
    except OSError as error:
        raise CrosstrainError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CrosstrainError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise CrosstrainError(f"{path}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """The first fault as key and sentence."""
    fault = error.errors()[0]
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    message = {"extra_forbidden": "there is no such key", "missing": "is missing"}.get(fault["type"])
    if message is None:
        message = fault["msg"].removeprefix("Value error, ")
        value = fault.get("input")
        if fault["type"] != "value_error" and isinstance(value, str | int | float):
            message = f"{message[0].lower()}{message[1:]}, not {value!r}"
    return f"{key}: {message}" if key else message

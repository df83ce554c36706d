"""Settings in a data set's spec, as ``series:FILE:window=20,horizon=1``: declared by its row, typed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crosstrain.errors import CrosstrainError

Setting = int | str | bool
_END = re.compile(r"(?::[A-Za-z_]\w*=[^:/\\]*)+$")
_BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Option:
    """One setting: its ``default``, whose type it has, and ``what`` it means. A whole number is at least
    ``least``; a word is one of ``words``, where there are any."""

    name: str
    default: Setting
    what: str
    least: int = 1
    words: tuple[str, ...] = ()

    def read(self, text: str) -> Setting:
        """The value that ``text`` spells; ``ValueError`` with what would be right."""
        if isinstance(self.default, bool):
            if text.lower() not in _BOOLEANS:
                raise ValueError("yes or no")
            return _BOOLEANS[text.lower()]
        if isinstance(self.default, int):
            if not re.fullmatch(r"\d{1,9}", text) or int(text) < self.least:
                raise ValueError(f"a whole number of at least {self.least}")
            return int(text)
        if self.words and text not in self.words:
            raise ValueError(" or ".join(filter(None, self.words)))
        return text


def split_spec(spec: str) -> tuple[str, str, str]:
    """Kind, place and settings' text of ``KIND:PLACE:NAME=VALUE,…``; the last two may be empty."""
    name, _, rest = spec.partition(":")
    match = _END.search(f":{rest}") if rest else None
    if match is None:
        return name, rest, ""
    return name, rest[: max(match.start() - 1, 0)], match.group()[1:]


def read_options(form: str, declared: Sequence[Option], text: str) -> dict[str, Setting]:
    """The settings that ``text`` (``window=20,horizon=1``) gives, those alone. ``form`` is how the data set
    is written, for messages. Raises ``CrosstrainError`` for an unknown name, one given twice, and a wrong
    value."""
    known, values = {option.name: option for option in declared}, {}
    for part in filter(None, re.split(r"[,:]", text)):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value:
            raise CrosstrainError(f"{part!r} is no setting; write NAME=VALUE, as in {form}")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise CrosstrainError(f"there is no setting {name!r} in {form}; {hint}")
        if name in values:
            raise CrosstrainError(f"{name} is given twice; once is enough")
        try:
            values[name] = known[name].read(value)
        except ValueError as error:
            raise CrosstrainError(f"{name} is {error}, not {value!r}") from error
    return values


def completed(declared: Sequence[Option], *given: Mapping[str, Setting]) -> dict[str, Setting]:
    """All settings: the defaults, overridden by each of ``given`` in turn."""
    values = {option.name: option.default for option in declared}
    for each in given:
        values.update(each)
    return values


# -- those that there are ----------------------------------------------------------------------------
TOKENS = ("words", "characters", "bytes")

SERIES = (
    Option("window", 20, "steps that a network sees"),
    Option("horizon", 1, "steps that it forecasts"),
    Option("stride", 1, "steps from one window to the next"),
    Option("target", "", "the variable to forecast (default: the only one)"),
    Option("columns", "", "the variables to see, as open+close (default: all)"),
    Option("time", "", "the column that tells the time (default: a first one that is no number)"),
    Option("season", 0, "steps of a season (default: as the time column suggests)", least=2),
    Option("relative", False, "take windows as differences from their last value"),
    Option("gaps", "refuse", "what to do about missing values", words=("refuse", "interpolate")),
    Option("end", 0, "leave out what comes after so many steps (default: nothing)", least=3),
)
TEXT = (
    Option("text", "", "the column of texts (default: the one of two that is not the label)"),
    Option("label", "", "the column of labels (default: label, class, category or target)"),
    Option("tokens", "words", "what a token is", words=TOKENS),
    Option("vocabulary", 10_000, "most tokens that are known, padding and unknown included", least=3),
    Option("length", 200, "tokens of an example: longer texts are cut, shorter ones padded"),
    Option(
        "stride", 0, "of a language model: tokens from one passage to the next (default: length)", least=1
    ),
)
TABLE = (
    Option("target", "", "the column to predict"),
    Option("columns", "", "those to predict from, as age+fare (default: all others)"),
    Option(
        "task", "", "whether the target is a class or a number", words=("", "classification", "regression")
    ),
    Option("categories", 50, "most values of a column of texts that get a column of their own"),
)
LINES = (Option("height", 32, "pixels that lines are made high", least=8),)
WORDS = (
    Option("count", 2000, "how many words", least=30),
    Option("letters", 7, "most letters of a word", least=3),
)
BOXES = (
    Option("proposals", 0, "boxes of selective search beside each picture, which fast-rcnn reads", least=0),
)
CAPTIONS = (
    Option("vocabulary", 10_000, "most words that are known, those that stand for none included", least=5),
    Option("length", 20, "words of a caption: longer ones are cut"),
)
SHAPES = (
    Option("count", 2000, "how many pictures", least=30),
    Option("vocabulary", 10_000, "most words that are known, those that stand for none included", least=5),
    Option("length", 12, "words of a caption: longer ones are cut"),
)

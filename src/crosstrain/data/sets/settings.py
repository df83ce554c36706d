"""The settings that specs of data sets may have, declared for the registry and for those who read them."""

from __future__ import annotations

from crosstrain.data.options import Option

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

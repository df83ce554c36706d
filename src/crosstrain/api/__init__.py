"""The public functions: what the command line does, in code. One module for each kind of them."""

from crosstrain.api.comparing import backtest, compare, compare_inference, study
from crosstrain.api.conforming import known_faults, ops
from crosstrain.api.differing import diff
from crosstrain.api.engines import (
    describe_engines,
    engine_pairs,
    examine_engines,
    install_engines,
    remove_engines,
)
from crosstrain.api.looking import look
from crosstrain.api.networks import describe_network, list_networks, list_recipes
from crosstrain.api.proving import code, lines_of_source, prove
from crosstrain.api.results import bundle, export, history, list_datasets, list_engines, report, verify
from crosstrain.api.training import train, tune
from crosstrain.api.using import evaluate, features, forecast, predict, sample

__all__ = [
    "backtest",
    "bundle",
    "code",
    "compare",
    "compare_inference",
    "describe_engines",
    "describe_network",
    "diff",
    "engine_pairs",
    "evaluate",
    "examine_engines",
    "export",
    "features",
    "forecast",
    "history",
    "install_engines",
    "known_faults",
    "lines_of_source",
    "list_datasets",
    "list_engines",
    "list_networks",
    "list_recipes",
    "look",
    "ops",
    "predict",
    "prove",
    "remove_engines",
    "report",
    "sample",
    "study",
    "train",
    "tune",
    "verify",
]

"""The multilayer perceptron (:mod:`.perceptron`) and its training rules (:mod:`.rules`)."""

from crosstrain.classic.multilayer.perceptron import (
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressor,
)

__all__ = ["MultilayerPerceptronClassifier", "MultilayerPerceptronRegressor"]

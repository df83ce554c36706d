"""Networks of one layer: :class:`.Perceptron`, :class:`.Adaline`, :class:`.Madaline`."""

from crosstrain.classic.single_layer.adaline import Adaline
from crosstrain.classic.single_layer.madaline import Madaline
from crosstrain.classic.single_layer.perceptron import Perceptron

__all__ = ["Adaline", "Madaline", "Perceptron"]

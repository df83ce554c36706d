"""Stochastic networks and the deep ones that grew from them: Boltzmann machines, belief nets, stacking
nets."""

from crosstrain.classic.stochastic.belief import DeepBeliefNetwork
from crosstrain.classic.stochastic.boltzmann import BoltzmannMachine
from crosstrain.classic.stochastic.cooling import cooling
from crosstrain.classic.stochastic.rbm import RBM
from crosstrain.classic.stochastic.stacking import DeepStackingNetwork

__all__ = ["RBM", "BoltzmannMachine", "DeepBeliefNetwork", "DeepStackingNetwork", "cooling"]

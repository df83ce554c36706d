"""The classical networks, from the perceptron to deep belief nets, as scikit-learn estimators.

Every class follows scikit-learn's conventions (``fit``, ``predict``, ``transform``, ``score``,
``get_params``, ``random_state``) and computes in float64. Arrays of NumPy, PyTorch, JAX or CuPy may go
in; what comes out is of the same kind (:mod:`crosstrain.classic.arrays`). One folder for each family:

- ``single_layer``: perceptron, Adaline, Madaline;
- ``multilayer``: the multilayer perceptron and its training rules, from descent to Levenberg–Marquardt;
- ``radial``: radial basis, generalised regression and probabilistic networks;
- ``competitive``: winner takes all, Hamming, Kohonen's map, neural gas, LVQ, ART;
- ``associative``: Hopfield, bidirectional memory, Elman, Jordan, cellular networks;
- ``stochastic``: Boltzmann machines, deep belief and deep stacking networks;
- ``tasks``: worked examples; ``pictures``: what they draw; ``neurolab``: NeuroLab's own calls.

Everything here is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "associative": "BidirectionalAssociativeMemory BinaryHopfield CapacityWarning CellularNetwork "
    "ContinuousHopfield DenseAssociativeMemory Hopfield ModernHopfield Template capacity_curve "
    "theoretical_overlap",
    "stochastic": "BoltzmannMachine DeepBeliefNetwork DeepStackingNetwork RBM cooling",
}
"""The public names of each folder."""

_HOME = {name: folder for folder, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

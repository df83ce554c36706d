"""Associative memories: networks that complete what they have stored, and cells that only know neighbours."""

from crosstrain.classic.associative.bidirectional import BidirectionalAssociativeMemory
from crosstrain.classic.associative.capacity import (
    CapacityCurve,
    CapacityWarning,
    capacity_curve,
    theoretical_overlap,
)
from crosstrain.classic.associative.cellular import CellularNetwork
from crosstrain.classic.associative.continuous import ContinuousHopfield
from crosstrain.classic.associative.hopfield import Hopfield
from crosstrain.classic.associative.modern import DenseAssociativeMemory, ModernHopfield
from crosstrain.classic.associative.templates import TEMPLATES, Template
from crosstrain.classic.associative.threshold import BinaryHopfield

__all__ = [
    "TEMPLATES",
    "BidirectionalAssociativeMemory",
    "BinaryHopfield",
    "CapacityCurve",
    "CapacityWarning",
    "CellularNetwork",
    "ContinuousHopfield",
    "DenseAssociativeMemory",
    "Hopfield",
    "ModernHopfield",
    "Template",
    "capacity_curve",
    "theoretical_overlap",
]

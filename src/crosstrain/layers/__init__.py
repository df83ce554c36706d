"""Keras layers that Keras lacks, for networks of your own: written in ``keras.ops``, so that every engine
runs them and is proved on them.

They are saved and loaded by Keras as its own layers are (``keras.models.load_model``, after ``import
crosstrain.layers``).
"""

from __future__ import annotations

from crosstrain.layers.competitive import WinnerTakesAll
from crosstrain.layers.normalization import LocalResponseNormalization
from crosstrain.layers.radial import RadialBasis
from crosstrain.layers.recurrent import JordanCell
from crosstrain.layers.roi import RoIAlign

__all__ = ["JordanCell", "LocalResponseNormalization", "RadialBasis", "RoIAlign", "WinnerTakesAll"]

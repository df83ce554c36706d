"""Importing this module fills the tables of the importer."""

from crosstrain.graph.keras_import.layers import native, noise, own, pictures, recurrent  # noqa: F401
from crosstrain.graph.keras_import.ops import (  # noqa: F401
    control,
    elementwise,
    fourier,
    image,
    indexing,
    nn,
    reductions,
    shaping,
)

"""Importing this module fills the tables of the importer."""

from crosstrain.graph.keras_import import (  # noqa: F401
    layers,
    layers_noise,
    layers_own,
    layers_recurrent,
    ops_control,
    ops_elementwise,
    ops_image,
    ops_indexing,
    ops_nn,
    ops_reductions,
    ops_shaping,
)

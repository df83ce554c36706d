"""Imports Keras models and losses: layers with native counterparts by a table, all others by tracing."""

from crosstrain.graph.keras_import.losses import import_loss
from crosstrain.graph.keras_import.network import import_model, import_with_masks, weight_names

__all__ = ["import_loss", "import_model", "import_with_masks", "weight_names"]

"""Graph → Keras model: Keras's own layers where nodes match them, keras.ops on KerasTensors for the rest."""

from crosstrain.graph.keras_export.model import Export, export, keras_model
from crosstrain.graph.keras_export.optimizer import keras_optimizer

__all__ = ["Export", "export", "keras_model", "keras_optimizer"]

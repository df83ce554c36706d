"""Keras on one of its backends: what a user gets who stays inside Keras.

The network is a functional model of Keras's own layers, compiled by ``Model.compile`` with Keras's own
optimizer and trained by the train function that ``fit`` makes, driven step by step as ``fit`` drives it.
"""

from crosstrain.engines.keras.engine import ENGINE

__all__ = ["ENGINE"]

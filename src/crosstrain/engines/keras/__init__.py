"""Keras on one of its backends: what a user gets who stays inside Keras.

The network is a functional model of Keras's own layers, compiled by ``Model.compile`` with Keras's own
optimizer and trained by the train function that ``fit`` makes, driven step by step as ``fit`` drives it.
Where Keras's form on a backend gives another result than the definition, the model has elementary operations
instead. The engines for TensorFlow, JAX and PyTorch beside this one use none of this: the comparison between
them is the cost of Keras itself.

Read ``engine`` first, then ``backends``: how each backend takes a step, a prediction and the gradients.
Departures and their replacements: ``docs/engines/keras.md``.
"""

from crosstrain.engines.keras.engine import ENGINE

__all__ = ["ENGINE"]

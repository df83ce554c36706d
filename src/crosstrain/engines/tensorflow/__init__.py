"""TensorFlow: its own ops in one ``tf.function`` a step, on CPU or CUDA. No Keras layers.

The step is traced once, for any batch size: forward pass, ``tf.gradients``, optimizer, moving statistics and
assignments. It runs on oneDNN's or cuDNN's channels-last kernels, with paddings that those kernels know, and
on TensorFlow's fused BatchNorm where that computes the same. Small weights are joined in one variable, so
that an optimizer step is a handful of operations, whatever the number of layers. Importing the engine does
not import Keras, which TensorFlow would otherwise load for its own use.

Read ``engine`` first, then ``ops`` for the op vocabulary and ``windows`` for convolutions and poolings.
Measurements: ``docs/engines/tensorflow.md``.
"""

from crosstrain.engines.tensorflow.engine import ENGINE

__all__ = ["ENGINE"]

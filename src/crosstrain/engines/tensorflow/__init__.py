"""TensorFlow: its own ops in one ``tf.function`` a step, on CPU or CUDA. No Keras layers.

What makes it what an expert would write: oneDNN's or cuDNN's channels-last kernels with the paddings that
they know, the fused BatchNorm, one traced function for any batch size, and small weights joined into one
variable, so that an optimizer step is a handful of operations whatever the number of layers.
"""

from crosstrain.engines.tensorflow.engine import ENGINE

__all__ = ["ENGINE"]

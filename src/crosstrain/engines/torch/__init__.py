"""PyTorch: eager or compiled, channels-last, on CPU, CUDA or Apple's GPU.

A graph runs as a list of calls to PyTorch's functions, with autograd for the gradients. What an expert would
add stands in the modules beside this one: images that stay in the layout of oneDNN's and cuDNN's NHWC kernels
(``images``), operations that run as one node or overwrite their input (``fusion``), all trainable weights in
one vector, so that an optimizer step is a few operations for the whole network (``weights``), and, on a CPU,
freed memory that stays with the process (``engines.memory``). Values keep Keras's channels-last shapes;
nothing is copied between layouts.

Read ``engine`` first: options, the training step, arrays in and out. ``ops``, ``images`` and ``layers`` hold
the op vocabulary. Measurements: ``docs/engines/torch.md``.
"""

from crosstrain.engines.torch.engine import ENGINE

__all__ = ["ENGINE"]

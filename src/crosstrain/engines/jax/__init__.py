"""JAX: one compiled, donating function for a training step.

The function computes loss, gradients, optimizer and moving statistics, and writes the new weights, slots and
statistics over the old ones. The learning rate and the step number are arguments, so nothing is traced twice;
a shorter last batch is compiled on its own. On a GPU, convolutions, poolings and BatchNorm are lax's own; on
a CPU they have forms that XLA's CPU compiler turns into faster code (``windows``), and XLA gets settings
other than its defaults. The arithmetic is the same.

Read ``engine`` first, then ``ops`` for the op vocabulary and ``windows`` for the forms for the CPU.
Measurements: ``docs/engines/jax.md``.
"""

from crosstrain.engines.jax.engine import ENGINE

__all__ = ["ENGINE"]

"""tinygrad: one captured list of kernels (``TinyJit``) for a training step, on a CPU (CUDA: not tried).

The kernels of loss, gradients, optimizer and moving statistics are captured at the first batch of each length
and replayed afterwards; weights, slots and statistics are written in place. Weights keep Keras's layouts,
since tinygrad's permutations are free. tinygrad calls ``clang`` for every CPU kernel; ``compiler`` finds one,
and keeps what it compiles on the disk. Functions that tinygrad lacks, or has in single precision only, are in
``math``.

Read ``engine`` first, then ``ops`` and ``windows`` for the op vocabulary. What has been proved so far:
``docs/engines/tinygrad.md``.
"""

from crosstrain.engines.tinygrad.engine import ENGINE

__all__ = ["ENGINE"]

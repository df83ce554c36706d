"""MindSpore: one compiled graph for a training step, on a CPU; PyNative as an option.

MindSpore compiles from Python source, and its parser cannot read a loop over closures. So the graph runs
once, op by op, on the first batch of each shape; each call of a primitive is recorded as a line of source
(``trace``), and these lines are compiled (``source``). Values remember the order of their axes, so images
stay channels-first from one convolution to the next. oneDNN is held to AVX2, because MindSpore gets its slow
reference convolution on AVX-512.

Read ``engine`` first, then ``trace`` and ``source``; ``ops``, ``windows`` and ``einsum`` hold the op
vocabulary. Faults of MindSpore that are worked around: ``docs/engines/mindspore.md``.
"""

from crosstrain.engines.mindspore.engine import ENGINE

__all__ = ["ENGINE"]

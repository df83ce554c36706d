"""PaddlePaddle: a dynamic graph with images channels-first, on CPU or CUDA.

Paddle's CPU convolutions transpose channels-last images back and forth, so the graph is rewritten: an image
is transposed where it enters and stays channels-first, and kernels lie in Paddle's order (``layout``). Where
Paddle's CPU kernels are slow, operations have forms and gradients of their own (``images``), and SGD and Adam
update in place (``updates``). The wheel's Intel library picks old instructions on other makers' processors;
``products`` sets the level that the processor has.

Read ``engine`` first, then ``layout``; ``ops``, ``images`` and ``layers`` hold the op vocabulary.
Measurements: ``docs/engines/paddle.md``.
"""

from crosstrain.engines.paddle.engine import ENGINE

__all__ = ["ENGINE"]

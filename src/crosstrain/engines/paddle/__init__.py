"""PaddlePaddle: a dynamic graph on images channels-first, with forms of its own where Paddle's CPU kernels
are slow, and the matrix products of Intel's library at the level that the processor really has."""

from crosstrain.engines.paddle.engine import ENGINE

__all__ = ["ENGINE"]

"""MLX: one function for a training step, started without waiting for it; on a CPU, or a GPU that MLX has.

Values and kernels are channels-last, as MLX has them, so a batch is not transposed. ``mx.compile`` fuses
elementwise work where there is a compiler. MLX's wheel for Linux is linked to a reference BLAS with one
thread, so the engine loads MKL or OpenBLAS before MLX (``blas``). MLX computes some functions in single
precision even for float64; ``float64`` builds them from functions that it computes exactly, each with its
gradient. Poolings and BatchNorm have forms and gradients of their own (``windows``).

Read ``engine`` first, then ``ops`` for the op vocabulary. Differences and their handling:
``docs/engines/mlx.md``.
"""

from crosstrain.engines.mlx.engine import ENGINE

__all__ = ["ENGINE"]

"""MLX: one compiled function for a training step, started without waiting for it."""

from crosstrain.engines.mlx.engine import ENGINE

__all__ = ["ENGINE"]

"""JAX: one compiled, donating function for a training step, in the forms that suit XLA and the device."""

from crosstrain.engines.jax.engine import ENGINE

__all__ = ["ENGINE"]

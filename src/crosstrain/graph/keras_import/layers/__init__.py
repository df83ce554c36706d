"""Keras layers that become one op, or that need to know of training, rather than being traced."""

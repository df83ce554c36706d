"""Keras layers that become one op or depend on the phase, rather than being traced."""

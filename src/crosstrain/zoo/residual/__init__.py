"""Residual networks: for photographs, and for small pictures."""

"""Holding a network still for a proof: noise off, branches of kinks and maxima fixed."""

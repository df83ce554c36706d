"""A comparison in one file that others can check and cite, and the check."""

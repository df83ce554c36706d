"""Networks that find objects: boxes with a class and a score."""

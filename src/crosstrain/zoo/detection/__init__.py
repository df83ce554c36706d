"""Networks that say what is where in a picture. Their outputs have the names of ``detection/heads.py``."""

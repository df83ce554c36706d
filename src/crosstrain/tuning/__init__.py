"""Finding the settings with which an engine trains fastest on this machine, and using them."""

"""The data sets, one module each. A row of ``data/registry.py`` names each."""

"""Using what was trained: predictions, evaluation on other data, features."""

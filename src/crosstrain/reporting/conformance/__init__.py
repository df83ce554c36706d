"""What people look at of engines' operations held against NumPy."""

"""What people look at of a comparison of two definitions."""

"""What the readers of other languages share: values in two orders of axes, and how they move about."""

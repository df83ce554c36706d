"""Networks that give a class for every pixel: logits (batch, height, width, classes)."""
